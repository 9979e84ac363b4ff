"""Any corpus as one kind of data set: the only thing that training and evaluation read.

`load_corpus` takes a folder of column files, parquet or JSON lines, or a name on the Hugging Face
Hub, and gives a `datasets.DatasetDict` with the splits `train`, `validation` and `test` (or some of
them) and the fields `tokens`, `ner_tags` (as written in the source) and `document_id`.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, Features, List, Value

from ner_service.errors import ConfigError, CorpusError
from ner_service.tags import Scheme, detect_scheme, split_tag, tag_inventory
from training.documents import Document, Reading, Sentence
from training.records import collect, read_dataset
from training.sources import (
    SPLITS,
    DataConfig,
    SplitName,
    found_files,
    locate,
    named_files,
    read_file,
    split_of,
)
from training.streaming import StreamedDocuments, open_streams

__all__ = [
    "SPLITS",
    "Corpus",
    "DataConfig",
    "Document",
    "Sentence",
    "SplitName",
    "iter_documents",
    "load_corpus",
    "load_split",
]

logger = logging.getLogger(__name__)

_FEATURES = Features(
    {
        "tokens": List(Value("string")),
        "ner_tags": List(Value("string")),
        "document_id": Value("int64"),
    }
)
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus, whatever it was read from.

    Attributes:
        splits: each with tokens, ner_tags and document_id, which rises from 0 within a split; or
            `StreamedDocuments`.
        scheme: the scheme of the tags, over all splits.
        documents_marked: whether every split says where its documents begin. Where one does not,
            each sentence of it is a document.
        labels: what the spans of all splits carry, sorted.
        source: the folder, file or name on the Hub that was read.
    """

    splits: DatasetDict
    scheme: Scheme
    documents_marked: bool
    labels: tuple[str, ...]
    source: str


def load_corpus(config: DataConfig) -> Corpus:
    """Load every split that the source has.

    Raises:
        ConfigError: the files cannot be told apart, or a split's file is missing.
        CorpusError: there is no such source, or it is broken; names the place.
    """
    source, path = locate(config)
    if path is None and config.path != source:
        logger.warning("%s does not exist, reading %s from the Hub", config.path, source)
    local = path is not None
    files: dict[SplitName, Path] = {}
    if path is not None:
        if not path.is_dir():
            raise ConfigError(
                f"data.path: expected a folder or a name on the Hub, got a file: {path}"
            )
        files = named_files(path, config) or found_files(path)
    if config.streaming:
        readings = _stream(source, files, config, local=local)
    elif files:
        readings = {split: read_file(file, config) for split, file in files.items()}
    else:
        found = read_dataset(source, config.fields, local=local)
        readings = {split: found[name] for split, name in _told_apart(found, source).items()}
    return _assemble(readings, config, source)


def load_split(
    source: str | Path, *, split: SplitName = "test", config: DataConfig | None = None
) -> Corpus:
    """Load one split for evaluation: a file, whatever its name, or one of a folder or Hub name.

    Args:
        source: file, folder or name on the Hub.
        split: which one of a folder or name; also what the only split of the result is called.
        config: how to read; where it says to read from is not looked at.

    Raises:
        ConfigError: the files of a folder cannot be told apart.
        CorpusError: there is no such source or split, or it is broken; names the place.
    """
    name = str(source)
    config = replace(
        config or DataConfig(path=name), path=name, hub=None, train=None, validation=None, test=None
    )
    path = Path(source)
    if path.is_file():
        return _assemble({split: read_file(path, config)}, config, name)
    if path.is_dir() and split in (files := found_files(path)):
        return _assemble({split: read_file(files[split], config)}, config, name)
    corpus = load_corpus(config)
    if split not in corpus.splits:
        raise CorpusError(f"{name}: expected a split {split}, got {', '.join(corpus.splits)}")
    return replace(corpus, splits=DatasetDict({split: corpus.splits[split]}))


def iter_documents(split: Dataset | StreamedDocuments) -> Iterator[Document]:
    """Give the documents of a split one after the other, each a list of its sentences."""
    if isinstance(split, StreamedDocuments):
        yield from split
        return
    rows = (row for batch in split.iter(batch_size=_ROWS_AT_ONCE) for row in _rows_of(batch))
    for _, group in groupby(rows, key=lambda row: row[0]):
        yield [sentence for _, sentence in group]


def _rows_of(batch: Mapping[str, list[Any]]) -> Iterator[tuple[int, Sentence]]:
    columns = (batch["document_id"], batch["tokens"], batch["ner_tags"])
    for document, tokens, tags in zip(*columns, strict=True):
        yield document, Sentence(tuple(tokens), tuple(tags))


def _stream(
    source: str, files: Mapping[SplitName, Path], config: DataConfig, *, local: bool
) -> dict[SplitName, Reading]:
    """The training split as a stream; the others are small and held as ever."""
    streams = open_streams(source, files or None, config.fields, local=local)
    readings: dict[SplitName, Reading] = {}
    for split, name in _told_apart(streams, source).items():
        place = f"{source}, split {name}"
        if split == "train":
            documents = StreamedDocuments(streams[name], place)
            readings[split] = Reading(documents, documents.documents_marked)
        else:
            readings[split] = collect(streams[name](), place)
    return readings


def _told_apart(names: Iterable[str], source: str) -> dict[SplitName, str]:
    """Which of a source's splits is which of ours; what is left out is told."""
    chosen: dict[SplitName, str] = {}
    for name in names:
        split = split_of(name)
        if split is None or split in chosen:
            logger.warning("%s: the split %s is left out", source, name)
        else:
            chosen[split] = name
    if not chosen:
        raise CorpusError(f"{source}: expected a split train, validation or test, got none")
    return chosen


def _assemble(readings: dict[SplitName, Reading], config: DataConfig, source: str) -> Corpus:
    ordered = {split: readings[split] for split in SPLITS if split in readings}

    tags: set[str] = set()

    def sentences() -> Iterator[tuple[str, ...]]:
        for reading in ordered.values():
            for document in reading.documents:
                for sentence in document:
                    tags.update(sentence.tags)
                    yield sentence.tags

    # One pass for scheme and labels: a stream is read anew for each.
    scheme = config.scheme
    if scheme is None:
        try:
            scheme = detect_scheme(sentences())
        except ConfigError as error:
            raise CorpusError(f"{source}: {error}") from None
    else:
        deque(sentences(), maxlen=0)
    labels = tuple(sorted({split_tag(tag)[1] for tag in tags} - {""}))
    if strangers := tags.difference(tag_inventory(labels, scheme)):
        raise CorpusError(f"{source}: expected {scheme} tags, got {', '.join(sorted(strangers))}")
    return Corpus(
        splits=DatasetDict({split: _to_dataset(reading) for split, reading in ordered.items()}),
        scheme=scheme,
        documents_marked=all(reading.documents_marked for reading in ordered.values()),
        labels=labels,
        source=source,
    )


def _to_dataset(reading: Reading) -> Dataset | StreamedDocuments:
    if isinstance(reading.documents, StreamedDocuments):
        return reading.documents
    rows = [
        (number, sentence)
        for number, document in enumerate(reading.documents)
        for sentence in document
    ]
    columns = {
        "tokens": [sentence.tokens for _, sentence in rows],
        "ner_tags": [sentence.tags for _, sentence in rows],
        "document_id": [number for number, _ in rows],
    }
    return Dataset.from_dict(columns, features=_FEATURES)
