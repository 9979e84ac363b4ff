"""Reads corpora of rows, one sentence a row: data sets of the Hub, parquet, JSON lines.

A row has a list of tokens, a list of tags and perhaps a document id. Tags are strings or, as usual
on the Hub, numbers whose names the data set's features know.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import datasets

from ner_service.errors import CorpusError
from training.columns import read_lines
from training.documents import DOCUMENT_MARK, DocumentCollector, Reading, check_tag, clean_token

DEFAULT_DOCUMENT_FIELD = "document_id"

Rows = TypeVar("Rows", datasets.Dataset, datasets.IterableDataset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Which fields of a row hold what.

    Attributes:
        tokens: the field with the tokens.
        tags: the field with the tags.
        document: the field whose change from one row to the next begins a document. None means
            `document_id` where rows have one.
        tag_names: names of numeric tags where the source does not give them, in order from 0.
    """

    tokens: str = "tokens"
    tags: str = "ner_tags"
    document: str | None = None
    tag_names: tuple[str, ...] | None = None


def read_json(path: Path, fields: Fields) -> Reading:
    """Read JSON lines, or a file that is one JSON array of rows.

    Raises:
        CorpusError: a line is no JSON object or a row is broken; names file and line (or row).
    """
    lines = read_lines(path)
    if lines[0].lstrip().startswith("["):
        rows = _parse_json("\n".join(lines), str(path))
        numbered = [(f"{path}, row {number}", row) for number, row in enumerate(rows, start=1)]
    else:
        places = ((f"{path}, line {number}", line) for number, line in enumerate(lines, start=1))
        numbered = [(place, _parse_json(line, place)) for place, line in places if line.strip()]
    return collect(checked_rows(numbered, fields, fields.tag_names), str(path))


def read_parquet(path: Path, fields: Fields) -> Reading:
    """Read one parquet file.

    Raises:
        CorpusError: the file is no parquet or a row is broken; names file and row.
    """
    with quiet_load("parquet", str(path), data_files=str(path), split="train") as rows:
        return _read_rows(rows, str(path), fields)


def read_dataset(name: str, fields: Fields, *, local: bool) -> dict[str, Reading]:
    """Read all splits of a data set of the Hub, or of a local folder laid out like one.

    Args:
        name: `owner/name`, or the folder.
        fields: which fields hold what.
        local: a folder is read without a trace; what comes from the Hub stays in the user's
            `datasets` cache.

    Raises:
        CorpusError: the data set cannot be had, or a row is broken.
    """
    with quiet_load(name, name, local=local) as splits:
        return {
            split: _read_rows(rows, f"{name}, split {split}", fields)
            for split, rows in splits.items()
        }


@contextmanager
def quiet_load(name: str, source: str, *, local: bool = True, **options: Any) -> Iterator[Any]:
    """Call `datasets.load_dataset` without progress bars; a local source leaves no cache behind.

    Args:
        name: what the function takes for one: a kind of files, a folder or a name on the Hub.
        source: what an error calls it.
        local: nothing is fetched.
        options: for the function.

    Raises:
        CorpusError: the data set cannot be had.
    """
    had_bars = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with TemporaryDirectory(prefix="ner-corpus-") as folder:
            if local:
                options |= {"cache_dir": folder, "keep_in_memory": True}
            try:
                loaded = datasets.load_dataset(name, **options)
            # The library lets through whatever its readers and its HTTP client raise.
            except Exception as error:
                raise unreadable(source, error) from error
            yield loaded
    finally:
        if had_bars:
            datasets.enable_progress_bars()


def unreadable(source: str, error: Exception) -> CorpusError:
    """What to raise where `datasets` gives up."""
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return CorpusError(f"{source}: cannot be read as a data set: {reason[0]}")


def _read_rows(rows: datasets.Dataset, source: str, fields: Fields) -> Reading:
    rows, names = wanted_columns(rows, fields)
    numbered = ((f"{source}, row {number}", row) for number, row in enumerate(rows, start=1))
    return collect(checked_rows(numbered, fields, names), source)


def wanted_columns(rows: Rows, fields: Fields) -> tuple[Rows, Sequence[str] | None]:
    """Leave out columns that nobody reads, if columns are known; with the names of numeric tags."""
    wanted = [fields.tokens, fields.tags, fields.document or DEFAULT_DOCUMENT_FIELD]
    if rows.column_names is not None:
        rows = rows.select_columns([name for name in wanted if name in rows.column_names])
    inner = getattr((rows.features or {}).get(fields.tags), "feature", None)
    names = inner.names if isinstance(inner, datasets.ClassLabel) else None
    return rows, names or fields.tag_names


def _parse_json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CorpusError(f"{place}: expected JSON, got an error: {error}") from None


def collect(rows: Iterable["CheckedRow"], source: str) -> Reading:
    """Hold all documents of a source.

    Raises:
        CorpusError: there is no sentence at all; names `source`.
    """
    collector = DocumentCollector()
    for row in rows:
        if row.opens_document:
            collector.start_document()
        collector.add(row.tokens, row.tags)
    return collector.finish(source)


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """One sentence; or none, where a row only marks a document.

    Attributes:
        opens_document: whether the source marks a document here.
        tokens: cleaned.
        tags: one for each.
    """

    opens_document: bool
    tokens: list[str]
    tags: list[str]


def checked_rows(
    rows: Iterable[tuple[str, Any]], fields: Fields, tag_names: Sequence[str] | None
) -> Iterator[CheckedRow]:
    """Check rows one by one, each given with its place.

    Raises:
        CorpusError: a row is broken; names its place.
    """
    previous: object = None
    document_field: str | None = None
    for index, (place, row) in enumerate(rows):
        if not isinstance(row, Mapping):
            raise CorpusError(f"{place}: expected an object with fields, got {row!r:.60}")
        if index == 0:
            document_field = _document_field(row, fields)
        tokens = _strings(row, fields.tokens, place)
        tags = _tags(row, fields.tags, place, tag_names)
        if len(tokens) != len(tags):
            raise CorpusError(
                f"{place}: expected as many tags as tokens, "
                f"got {len(tokens)} tokens and {len(tags)} tags"
            )
        document = _field(row, document_field, place) if document_field else None
        is_mark = tokens == [DOCUMENT_MARK]
        opens = is_mark or bool(document_field and (index == 0 or document != previous))
        previous = document
        if is_mark:
            yield CheckedRow(opens, [], [])
        else:
            yield CheckedRow(opens, [clean_token(token) for token in tokens], tags)


def _document_field(row: Mapping[str, Any], fields: Fields) -> str | None:
    if fields.document is not None:
        return fields.document
    return DEFAULT_DOCUMENT_FIELD if DEFAULT_DOCUMENT_FIELD in row else None


def _field(row: Mapping[str, Any], name: str, place: str) -> Any:
    if row.get(name) is None:
        raise CorpusError(f"{place}: expected a field {name!r}, got {', '.join(row) or 'none'}")
    return row[name]


def _strings(row: Mapping[str, Any], name: str, place: str) -> list[str]:
    values = _field(row, name, place)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise CorpusError(f"{place}: expected a list of strings in {name!r}, got {values!r:.60}")
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        raise CorpusError(f"{place}: expected text in {name!r}, got a lone surrogate") from None
    return values


def _tags(
    row: Mapping[str, Any], name: str, place: str, tag_names: Sequence[str] | None
) -> list[str]:
    values = _field(row, name, place)
    if isinstance(values, list) and any(type(value) is int for value in values):
        values = [_name_of(value, tag_names, place) for value in values]
    tags = _strings({name: values}, name, place)
    for tag in tags:
        check_tag(tag, place)
    return tags


def _name_of(value: object, tag_names: Sequence[str] | None, place: str) -> str:
    if tag_names is None:
        raise CorpusError(
            f"{place}: expected tags as strings, or numbers with names, got {value!r}; "
            "name the numbers with tag_names"
        )
    if not isinstance(value, int) or not 0 <= value < len(tag_names):
        raise CorpusError(f"{place}: expected a tag from 0 to {len(tag_names) - 1}, got {value!r}")
    return tag_names[value]
