"""Corpora that are read as they come: `datasets` streams their rows, nothing of them is held."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import datasets

from ner_service.errors import ConfigError, CorpusError
from training.documents import Document, Sentence
from training.records import CheckedRow, Fields, checked_rows, class_names

_BUILDERS = {
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}


class StreamedDocuments:
    """Documents that are read anew each time they are asked for."""

    def __init__(self, read: Callable[[], Iterator[CheckedRow]], source: str) -> None:
        """Read once, to count and to see whether documents are marked.

        Raises:
            CorpusError: a row is broken, or there is no sentence at all; names the place.
        """
        self._read = read
        self._marked = False
        self.sentences = self.tokens = marks = 0
        for row in self._rows():
            marks += row.opens_document
            self.sentences += bool(row.tokens)
            self.tokens += len(row.tokens)
        if not self.sentences:
            raise CorpusError(f"{source}: expected at least one sentence, got none")
        self.documents_marked = self._marked = marks > 0
        self._count = sum(1 for _ in self) if marks else self.sentences

    def __len__(self) -> int:
        """How many documents there are, none of them empty."""
        return self._count

    def __iter__(self) -> Iterator[Document]:
        """Read on from the beginning."""
        document: Document = []
        for row in self._rows():
            if document and (row.opens_document or not self._marked):
                yield document
                document = []
            if row.tokens:
                document.append(Sentence(tuple(row.tokens), tuple(row.tags)))
        if document:
            yield document

    def __contains__(self, document: object) -> bool:
        """Whether there is such a document."""
        return any(document == other for other in self)

    def _rows(self) -> Iterator[CheckedRow]:
        return self._read()


def open_streams(
    source: str, files: Mapping[Any, Path] | None, fields: Fields, *, local: bool
) -> Iterator[tuple[str, StreamedDocuments]]:
    """Open all splits of a source, each with its name.

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
        kinds = {_BUILDERS.get(path.suffix.lower()) for path in files.values()}
        kind = kinds.pop()
        if kinds or kind is None:
            raise ConfigError(
                f"data.streaming: expected parquet, JSON lines or a name on the Hub, got {source}"
            )
        name, options["data_files"] = kind, {split: str(path) for split, path in files.items()}
    with TemporaryDirectory(prefix="ner-corpus-") as folder:
        if local:
            options["cache_dir"] = folder
        try:
            streams = datasets.load_dataset(name, streaming=True, **options)
        except Exception as error:  # whatever its readers and its HTTP client raise
            raise _unreadable(source, error) from error
    for split, rows in streams.items():
        yield split, StreamedDocuments(_reader(rows, f"{source}, split {split}", fields), source)


def _reader(
    rows: datasets.IterableDataset, source: str, fields: Fields
) -> Callable[[], Iterator[CheckedRow]]:
    names = class_names((rows.features or {}).get(fields.tags)) or fields.tag_names

    def numbered() -> Iterator[tuple[str, Any]]:
        stream = enumerate(rows, start=1)
        while True:
            try:
                number, row = next(stream)
            except StopIteration:
                return
            except Exception as error:  # as above
                raise _unreadable(source, error) from error
            yield f"{source}, row {number}", row

    return lambda: checked_rows(numbered(), fields, names)


def _unreadable(source: str, error: Exception) -> CorpusError:
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return CorpusError(f"{source}: cannot be read as a data set: {reason[0]}")
