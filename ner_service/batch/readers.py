"""Inputs to records. Reading finds where a record begins and ends; workers understand it.

Memory is bounded: a line, paragraph or document over its limit is passed over in pieces and only
the fault is kept.
"""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from ner_service.batch.options import Options
from ner_service.batch.records import Record
from ner_service.batch.sources import Source
from ner_service.batch.streams import DamageError, OpenSource, noticing_damage
from ner_service.batch.tables import read_csv, read_parquet

_PIECE = 2**20
_BOM = b"\xef\xbb\xbf"
_UTF8_WIDTH = 4
_DOCUMENT_MARKS = (b"-DOCSTART-", b"# newdoc")


def read_records(source: Source, opened: OpenSource, options: Options) -> Iterator[Record]:
    """All records of one input; the last one tells if it is damaged."""
    line = 0
    try:
        with noticing_damage(source):
            for record in _READERS[source.format](source, opened.file, options):
                line = record.line
                yield record
    except DamageError as error:
        yield Record(source.name, line + 1, "text", b"", str(error))


def read_lines(file: BinaryIO, limit: int) -> Iterator[tuple[int, bytes | None]]:
    """Lines with their numbers from 1, line ends included; None for one over the limit."""
    number = 0
    while line := file.readline(limit + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) <= limit or line.endswith(b"\n"):
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(_PIECE)
        yield number, None


def too_long(what: str, limit: int) -> str:
    """The reason given for a record over its limit."""
    return f"{what} too long: more than {limit} bytes"


def _read_text(source: Source, file: BinaryIO, options: Options) -> Iterator[Record]:
    match options.unit:
        case "line":
            yield from _read_text_lines(source, file, options)
        case "paragraph":
            yield from _read_paragraphs(source, file, options)
        case _:
            yield _read_document(source, file, options)


def _read_document(source: Source, file: BinaryIO, options: Options) -> Record:
    limit = _UTF8_WIDTH * options.max_document
    data = file.read(limit + 1)
    if len(data) <= limit:
        return Record(source.name, 1, "text", data)
    while file.read(_PIECE):
        pass
    return Record(source.name, 1, "text", b"", too_long("document", limit))


def _read_text_lines(source: Source, file: BinaryIO, options: Options) -> Iterator[Record]:
    return _read_single_lines(source, file, options, kind="text")


def _read_jsonl(source: Source, file: BinaryIO, options: Options) -> Iterator[Record]:
    return _read_single_lines(source, file, options, kind="json")


def _read_single_lines(
    source: Source, file: BinaryIO, options: Options, *, kind: str
) -> Iterator[Record]:
    """A record a line; blank lines are none."""
    name, limit = source.name, options.max_line_bytes
    for number, line in read_lines(file, limit):
        if line is None:
            yield Record(name, number, kind, b"", too_long("line", limit))
        elif line.strip():
            yield Record(name, number, kind, line.rstrip(b"\r\n"))


class _Gathering:
    """Lines that make one record, given up beyond the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: list[bytes] = []
        self._clear()

    def _clear(self) -> None:
        self._lines.clear()
        self._size = self._first = 0
        self._broken = False

    def add(self, number: int, line: bytes | None) -> None:
        self._first = self._first or number
        if line is None or self._size + len(line) > self._limit:
            self._broken = True
            self._lines.clear()
        elif not self._broken:
            self._lines.append(line)
            self._size += len(line)

    def take(self, source: Source, kind: str, what: str) -> Iterator[Record]:
        """The record so far, if there is one, and start again."""
        if self._broken:
            yield Record(source.name, self._first, kind, b"", too_long(what, self._limit))
        elif any(kind == "text" or not line.startswith(b"# ") for line in self._lines):
            yield Record(source.name, self._first, kind, b"".join(self._lines).rstrip(b"\r\n"))
        self._clear()


def _read_paragraphs(source: Source, file: BinaryIO, options: Options) -> Iterator[Record]:
    """A record a paragraph: the lines between blank ones."""
    gathering = _Gathering(options.max_line_bytes)
    for number, line in read_lines(file, options.max_line_bytes):
        if line is not None and not line.strip():
            yield from gathering.take(source, "text", "paragraph")
        else:
            gathering.add(number, line)
    yield from gathering.take(source, "text", "paragraph")


def _read_conll(source: Source, file: BinaryIO, options: Options) -> Iterator[Record]:
    """A record a document where a mark opens the file or a later one, else a record a sentence."""
    gathering = _Gathering(options.max_line_bytes)
    marked = False
    for number, line in read_lines(file, options.max_line_bytes):
        is_mark = line is not None and line.startswith(_DOCUMENT_MARKS)
        if is_mark:
            yield from gathering.take(source, "conll", "document")
            marked = True
        is_blank = line is not None and not line.strip()
        if is_blank and not marked:
            yield from gathering.take(source, "conll", "sentence")
        else:
            gathering.add(number, line)
    yield from gathering.take(source, "conll", "document")


_READERS: dict[str, Callable[[Source, BinaryIO, Options], Iterator[Record]]] = {
    "text": _read_text,
    "jsonl": _read_jsonl,
    "csv": read_csv,
    "parquet": read_parquet,
    "conll": _read_conll,
}
