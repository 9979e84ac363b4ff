"""What is read and what comes back: records in shards, documents, results."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

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

    def __str__(self) -> str:
        """For people."""
        return f"{self.source}, line {self.line}: {self.reason}"


class StrictError(NerError):
    """A record was rejected, and the job must not go on."""

    def __init__(self, reject: Reject) -> None:
        """Name the record."""
        super().__init__(f"rejected {reject} (--strict)")


@dataclass(frozen=True, slots=True)
class ShardHead:
    """What is told of a shard's result without its data.

    Attributes:
        digest: of the shard it came from.
        documents: how many were tagged.
        tokens: of those documents.
        entities: how many by label.
        rejects: in the order of the input.
    """

    digest: str
    documents: int
    tokens: int
    entities: dict[str, int]
    rejects: list[Reject]

    def to_line(self) -> bytes:
        """One line of JSON, the first of a shard's file."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def of(cls, data: bytes) -> "ShardHead":
        """The head of a shard's data."""
        return cls.from_line(data[: data.index(b"\n")])

    @classmethod
    def from_line(cls, line: bytes) -> "ShardHead":
        """Read what `to_line` writes.

        Raises:
            ValueError: it is not such a line.
        """
        fields = json.loads(line)
        try:
            fields["rejects"] = [Reject(**reject) for reject in fields["rejects"]]
            return cls(**fields)
        except (KeyError, TypeError):
            raise ValueError("not the head of a shard") from None
