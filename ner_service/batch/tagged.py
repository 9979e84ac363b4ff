"""Tagged documents, as the writers take them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ner_service.batch.records import InputDocument, JsonValue
from ner_service.entities import Entity
from ner_service.tagger import Document, PreparedDocument
from ner_service.text import OffsetUnit, convert_offsets

encode_json = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class TaggedDocument:
    """A document, what the tagger made of it, and the entities to write.

    Attributes:
        source: as it was read.
        prepared: its tokens and sentences.
        answer: the tagger's.
        entities: those wanted; offsets in code points.
        starts: where they start, in the unit asked for.
        ends: where they end, in the unit asked for.
    """

    source: InputDocument
    prepared: PreparedDocument
    answer: Document
    entities: Sequence[Entity]
    starts: Sequence[int]
    ends: Sequence[int]


def offsets_in(
    text: str, starts: list[int], ends: list[int], unit: OffsetUnit
) -> tuple[list[int], list[int]]:
    """Starts and ends in another unit than code points."""
    if unit == "codepoint" or not starts or text.isascii():
        return starts, ends
    converted = convert_offsets(text, [*starts, *ends], unit)
    return converted[: len(starts)], converted[len(starts) :]


def as_text(value: JsonValue) -> str:
    """A field in a column of strings: strings as they are, null as nothing, the rest as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else encode_json(value)
