"""Reads column files: one token a line with its tag, a blank line after each sentence.

This is the format of the CoNLL shared tasks (Tjong Kim Sang and De Meulder 2003) and of those that
came after: any number of columns, at tabs or spaces, documents marked by `-DOCSTART-` lines or by
`# newdoc` comments as in CoNLL-U, or not marked.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_service.errors import CorpusError
from training.documents import (
    DOCUMENT_MARK,
    DocumentCollector,
    Reading,
    check_tag,
    clean_token,
    is_tag,
)

_SPACES = re.compile(" +")
_NEW_DOCUMENT = re.compile(r"#\s*newdoc\b")

# Universal NER (Mayhew et al. 2024): number, token, tag, "-", annotator.
_NUMBERED_WIDTH = 5
_NUMBERED_TOKEN, _NUMBERED_TAG = 1, 2


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a file keeps tokens and tags; columns are counted from 0, or from the end below 0.

    Attributes:
        width: columns of every line.
        first_line: number of the line that says so, counted from 1.
    """

    token_column: int
    tag_column: int
    width: int
    first_line: int


def read_columns(
    path: str | Path, *, token_column: int | None = None, tag_column: int | None = None
) -> Reading:
    """Read one column file, tags as written.

    Columns that are not named are the first for tokens and the last for tags; a file laid out as
    Universal NER's is recognised.

    Raises:
        CorpusError: the file cannot be read, has no sentence, or has a broken line; names file and
            line, what was expected and what came.
    """
    path = Path(path)
    lines = read_lines(path)
    layout = _recognise(lines, token_column, tag_column)
    if layout is None:
        raise CorpusError(f"{path}: expected at least one sentence, got none")
    collector = DocumentCollector()
    tokens: list[str] = []
    tags: list[str] = []
    for number, line in enumerate(lines, start=1):
        fields = _split(line)
        is_comment = _is_comment(line, fields, layout)
        is_mark = fields[0] == DOCUMENT_MARK or (is_comment and _NEW_DOCUMENT.match(line))
        if is_mark or not line.strip():
            collector.add(tokens, tags)
            tokens, tags = [], []
        if is_mark:
            collector.start_document()
        elif line.strip() and not is_comment:
            token, tag = _token_and_tag(fields, layout, f"{path}, line {number}")
            tokens.append(token)
            tags.append(tag)
    collector.add(tokens, tags)
    return collector.finish(str(path))


def read_lines(path: Path) -> list[str]:
    r"""Read a text file's lines; LF or CRLF ends a line, a byte order mark at the start is dropped.

    Other characters that Unicode counts as line ends may stand in a token, so `str.splitlines` is
    not for this.

    Raises:
        CorpusError: the file cannot be read or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec counts from behind the byte order mark, `object` likewise begins there.
        number = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        raise CorpusError(f"{path}, line {number}: expected UTF-8, got byte 0x{byte:02x}") from None
    return [line.removesuffix("\r") for line in text.split("\n")]


def _split(line: str) -> list[str]:
    """Split at tabs where the line has any, else at runs of spaces."""
    if "\t" in line:
        return [field.strip() for field in line.split("\t")]
    return _SPACES.split(line.strip(" "))


def _recognise(
    lines: Sequence[str], token_column: int | None, tag_column: int | None
) -> Layout | None:
    """Find the layout from the first line that surely holds a token; None where there is none."""
    for number, fields in _token_lines(lines):
        width = len(fields)
        if token_column is None and tag_column is None and _is_numbered(fields):
            return Layout(_NUMBERED_TOKEN, _NUMBERED_TAG, width, number)
        return Layout(
            0 if token_column is None else token_column,
            -1 if tag_column is None else tag_column,
            width,
            number,
        )
    return None


def _token_lines(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, start=1):
        # A line such as "#\tO" is a token of a tweet.
        may_be_comment = line.startswith("#") and "\t" not in line
        if line.strip() and not may_be_comment and not line.startswith(DOCUMENT_MARK):
            yield number, _split(line)


def _is_numbered(fields: list[str]) -> bool:
    """Tell whether a line is laid out as in Universal NER.

    True only where the usual layout would not do, since the last column holds no tag.
    """
    return (
        len(fields) == _NUMBERED_WIDTH
        and fields[0] == "1"
        and is_tag(fields[_NUMBERED_TAG])
        and not is_tag(fields[-1])
    )


def _is_comment(line: str, fields: list[str], layout: Layout) -> bool:
    """Tell comments from tokens that begin with `#`, of which tweets are full."""
    if not line.startswith("#"):
        return False
    if layout.token_column not in (0, -layout.width):
        return True
    is_token = len(fields) == layout.width > 1 and is_tag(fields[layout.tag_column])
    return line.startswith("# ") and not is_token


def _token_and_tag(fields: list[str], layout: Layout, place: str) -> tuple[str, str]:
    width = len(fields)
    if width == 1 and layout.width == 1:
        raise CorpusError(f"{place}: expected a token and a tag, got one column: {fields[0]!r}")
    if width != layout.width:
        raise CorpusError(
            f"{place}: expected {layout.width} columns as in line {layout.first_line}, got {width}"
        )
    for name, column in (("token", layout.token_column), ("tag", layout.tag_column)):
        if not -width <= column < width:
            raise CorpusError(
                f"{place}: expected the {name} in column {column}, got {width} columns"
            )
    tag = fields[layout.tag_column]
    check_tag(tag, place)
    return clean_token(fields[layout.token_column]), tag
