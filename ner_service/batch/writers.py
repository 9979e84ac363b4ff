"""Tagged documents to bytes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ner_service.batch.records import InputDocument
from ner_service.entities import Entity
from ner_service.tagger import Document, ModelInfo, PreparedDocument

encode = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class TaggedDocument:
    """A document, what the tagger made of it, and the entities to write.

    Attributes:
        source: as it was read.
        prepared: its tokens and sentences.
        answer: the tagger's.
        entities: those wanted, offsets in the unit asked for.
    """

    source: InputDocument
    prepared: PreparedDocument
    answer: Document
    entities: Sequence[Entity]


def write_jsonl(documents: Sequence[TaggedDocument], model: ModelInfo) -> bytes:
    """A line a document: id, fields passed through, model, entities."""
    name = f'"model": {encode({"name": model.name, "version": model.version})}, "entities": ['
    lines = []
    for document in documents:
        # Written by hand: an object an entity would cost more than finding it.
        entities = ", ".join(
            f'{{"text": {encode(entity.text)}, "label": {encode(entity.label)}, '
            f'"start": {entity.start}, "end": {entity.end}, "score": {entity.score!r}}}'
            for entity in document.entities
        )
        kept = "".join(
            f"{encode(key)}: {encode(value)}, " for key, value in document.source.kept.items()
        )
        lines.append(f'{{"id": {encode(document.source.id)}, {kept}{name}{entities}]}}\n')
    return "".join(lines).encode("utf-8")
