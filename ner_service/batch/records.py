"""What is read and what comes back: records in shards, documents, results."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ner_service.errors import NerError

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


class RecordError(NerError):
    """A record cannot be tagged; the message is the reason given in the list of rejects."""


@dataclass(frozen=True, slots=True)
class Record:
    """One document as it was read, not yet understood.

    Attributes:
        source: name of the input.
        line: where it begins, counted from 1; the row in Parquet.
        kind: how `data` is to be read: `text`, `json` or `conll`.
        data: the bytes.
        fault: why it could not be read whole; empty if it could.
    """

    source: str
    line: int
    kind: str
    data: bytes
    fault: str = ""


@dataclass(frozen=True, slots=True)
class InputDocument:
    """A record understood.

    Attributes:
        id: as the record gives it, else made from the source and line.
        text: the text, or empty where words are given.
        words: the tokens of a document that comes as tokens, else None.
        starts: the words that open sentences.
        kept: the fields passed through, in the order asked for.
    """

    id: str | int
    text: str = ""
    words: list[str] | None = None
    starts: list[int] = field(default_factory=list)
    kept: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was not tagged, and why."""

    source: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What tagging makes of a shard.

    Attributes:
        data: the shard's part of the output.
        documents: how many were tagged.
        tokens: of those documents.
        entities: how many by label.
        rejects: in the order of the input.
    """

    data: bytes
    documents: int
    tokens: int
    entities: Counter[str]
    rejects: list[Reject]
