"""What is taught: a text and all the entities that it has."""

import json
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from ner_service.errors import ConfigError
from ner_service.tags import Span
from ner_service.text import Tokens, tokenize

LABEL = re.compile(r"[^\W_][\w.-]{0,63}\Z")
"""What a label may be: it goes into tags, column files and metrics."""


@dataclass(frozen=True, slots=True, order=True)
class Taught:
    """One entity of an example, in code points, half open."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Example:
    """A text as it should be tagged; what is not among the entities is outside.

    Attributes:
        id: 32 hexadecimal digits.
        text: as it came.
        entities: rising, without overlap.
        at: when it was taught, ISO 8601, UTC.
        words: the tokens, where they were given; the text is they joined by single spaces.
    """

    id: str
    text: str
    entities: tuple[Taught, ...]
    at: str
    words: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """The example as plain values."""
        value: dict[str, Any] = {
            "id": self.id,
            "at": self.at,
            "text": self.text,
            "entities": [{"start": e.start, "end": e.end, "label": e.label} for e in self.entities],
        }
        return value if self.words is None else value | {"tokens": list(self.words)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Example":
        """Read what `to_json` wrote."""
        entities = tuple(Taught(e["start"], e["end"], e["label"]) for e in value["entities"])
        words = value.get("tokens")
        given = None if words is None else tuple(words)
        return cls(value["id"], value["text"], entities, value["at"], given)

    def tokens(self) -> Tokens:
        """The tokens: the given ones, or those of the text."""
        return tokenize(self.text) if self.words is None else Tokens.from_words(self.words)[1]

    def spans(self, tokens: Tokens) -> list[Span]:
        """The entities as spans of the text's tokens.

        Raises:
            ConfigError: an entity begins or ends inside a token.
        """
        opening = {start: index for index, start in enumerate(tokens.starts)}
        closing = {end: index + 1 for index, end in enumerate(tokens.ends)}
        spans = []
        for index, entity in enumerate(self.entities):
            if entity.start not in opening or entity.end not in closing:
                raise ConfigError(
                    f"entities.{index}: expected an entity of whole tokens, got one from "
                    f"{entity.start} to {entity.end}"
                )
            spans.append(Span(opening[entity.start], closing[entity.end], entity.label))
        return spans


def make_example(
    text: str, entities: Iterable[Taught], words: Sequence[str] | None = None
) -> Example:
    """A new example, with an id of its own; `words` are the tokens where they are given.

    Raises:
        ConfigError: the text is empty, or an entity is outside it, empty, overlaps another or has a
            label that cannot be one; names the entity.
    """
    if not text.strip():
        raise ConfigError("text: expected more than white space")
    given = list(entities)
    for index, entity in enumerate(given):
        if not 0 <= entity.start < entity.end <= len(text):
            raise ConfigError(
                f"entities.{index}: expected 0 <= start < end <= {len(text)}, "
                f"got {entity.start} and {entity.end}"
            )
        if not LABEL.match(entity.label):
            raise ConfigError(
                f"entities.{index}.label: expected a letter or digit, then at most 63 letters, "
                "digits, _, . or -"
            )
    ordered = sorted(given)
    for left, right in pairwise(ordered):
        if right.start < left.end:
            raise ConfigError(
                f"entities.{given.index(right)}: expected no overlap, but it begins before "
                f"{left.end}"
            )
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    given_words = None if words is None else tuple(words)
    return Example(uuid.uuid4().hex, text, tuple(ordered), now, given_words)


def dumps(value: dict[str, Any]) -> bytes:
    """One line of a log."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
