"""BRAT standoff (Stenetorp et al. 2012): a text file and an annotation file a document."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from ner_service.batch.options import Options
from ner_service.batch.tagged import TaggedDocument
from ner_service.entities import Entity
from ner_service.tagger import ModelInfo

_UNSAFE = re.compile(r"[^\w.,@+=-]+")
_LONGEST_NAME = 120
_LINE_BREAKS = re.compile(r"[\r\n]+")


def write_brat(documents: Sequence[TaggedDocument], model: ModelInfo, options: Options) -> bytes:
    """A shard as lines of JSON: file name, text and annotations of each document.

    Offsets are code points, as BRAT counts.
    """
    del options
    lines = []
    for document in documents:
        text = document.answer.text
        notes = "".join(
            _annotation(number, entity, text, model)
            for number, entity in enumerate(document.entities, start=1)
        )
        fields = (_file_name(str(document.source.id)), text, notes)
        lines.append(json.dumps(fields) + "\n")
    return "".join(lines).encode()


def assemble_brat(parts: Iterable[BinaryIO], folder: Path, model: ModelInfo) -> None:
    """Write the documents of all shards into a folder that BRAT can open."""
    folder.mkdir()
    number = 0
    for part in parts:
        for line in part:
            number += 1
            name, text, notes = json.loads(line)
            if (folder / f"{name}.txt").exists():
                name = f"{name}-{number}"
            (folder / f"{name}.txt").write_bytes(text.encode("utf-8"))
            (folder / f"{name}.ann").write_bytes(notes.encode("utf-8"))
    labels = "\n".join(model.labels)
    configuration = (
        f"# model = {model.name} {model.version}\n"
        f"[entities]\n{labels}\n[relations]\n[events]\n[attributes]\n"
    )
    (folder / "annotation.conf").write_text(configuration, encoding="utf-8")


def _annotation(number: int, entity: Entity, text: str, model: ModelInfo) -> str:
    """A text-bound annotation, and a note with its score and the model."""
    pieces = list(_fragments(entity, text))
    places = ";".join(f"{start} {end}" for start, end in pieces)
    surface = " ".join(text[start:end] for start, end in pieces)
    return (
        f"T{number}\t{entity.label} {places}\t{surface}\n"
        f"#{number}\tAnnotatorNotes T{number}\t{entity.score!r} {model.name} {model.version}\n"
    )


def _fragments(entity: Entity, text: str) -> Iterator[tuple[int, int]]:
    """An annotation may not hold a line break, so it is discontinuous there."""
    start = entity.start
    for found in _LINE_BREAKS.finditer(text, entity.start, entity.end):
        yield start, found.start()
        start = found.end()
    yield start, entity.end


def _file_name(identity: str) -> str:
    name = identity.removesuffix(".txt")
    return _UNSAFE.sub("_", name).lstrip(".")[:_LONGEST_NAME] or "_"
