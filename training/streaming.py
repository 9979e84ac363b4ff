"""Corpora that are read as they come: `datasets` streams their rows, nothing of them is held."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import datasets

from ner_service.errors import ConfigError, CorpusError
from training.documents import Document, Sentence
from training.records import (
    CheckedRow,
    Fields,
    checked_rows,
    quiet_load,
    unreadable,
    wanted_columns,
)
from training.sources import row_kind

Stream = Callable[[], Iterator[CheckedRow]]
"""Reads a split from its beginning, each time it is called."""


class StreamedDocuments:
    """Documents that are read anew each time they are asked for."""

    def __init__(self, read: Stream, source: str) -> None:
        """Read once, to count and to see whether documents are marked.

        Raises:
            CorpusError: a row is broken, or there is no sentence at all; names the place.
        """
        self._read = read
        self.documents_marked = False
        self.sentences = self.tokens = documents = 0
        begun = False
        for row in read():
            if row.opens_document:
                self.documents_marked, begun = True, False
            if row.tokens:
                documents += not begun
                begun = True
                self.sentences += 1
                self.tokens += len(row.tokens)
        if not self.sentences:
            raise CorpusError(f"{source}: expected at least one sentence, got none")
        self._count = documents if self.documents_marked else self.sentences

    def __len__(self) -> int:
        """How many documents there are, none of them empty."""
        return self._count

    def __iter__(self) -> Iterator[Document]:
        """Read on from the beginning."""
        document: Document = []
        for row in self._read():
            if document and (row.opens_document or not self.documents_marked):
                yield document
                document = []
            if row.tokens:
                document.append(Sentence(tuple(row.tokens), tuple(row.tags)))
        if document:
            yield document


def open_streams(
    source: str, files: Mapping[Any, Path] | None, fields: Fields, *, local: bool
) -> dict[str, Stream]:
    """Open all splits of a source, each under its name; no row of them is read.

    Args:
        source: name on the Hub, or folder.
        files: the splits' files, where the source is not one that `datasets` knows the layout of.
        fields: which fields hold what.
        local: a folder is read without a trace.

    Raises:
        ConfigError: the files are no rows.
        CorpusError: the source cannot be had.
    """
    options: dict[str, Any] = {}
    name = source
    if files is not None:
        kinds = {row_kind(path) for path in files.values()}
        kind = kinds.pop()
        if kinds or kind is None:
            raise ConfigError(
                f"data.streaming: expected parquet, JSON lines or a name on the Hub, got {source}"
            )
        name, options["data_files"] = kind, {split: str(path) for split, path in files.items()}
    with quiet_load(name, source, local=local, streaming=True, **options) as streams:
        return {
            split: _stream(rows, f"{source}, split {split}", fields)
            for split, rows in streams.items()
        }


def _stream(rows: datasets.IterableDataset, source: str, fields: Fields) -> Stream:
    rows, names = wanted_columns(rows, fields)

    def numbered() -> Iterator[tuple[str, Any]]:
        try:
            for number, row in enumerate(rows, start=1):
                yield f"{source}, row {number}", row
        except Exception as error:  # whatever the readers and the HTTP client of `datasets` raise
            raise unreadable(source, error) from error

    return lambda: checked_rows(numbered(), fields, names)
