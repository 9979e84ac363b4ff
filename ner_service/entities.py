"""Entities: the answer. Spans of tokens become ranges of the untouched text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ner_service.tags import Span
from ner_service.text import Tokens

Threshold = float | Mapping[str, float]
Source = Literal["model", "rule", "memory"]


@dataclass(frozen=True, slots=True)
class Entity:
    """A named thing in a text.

    Attributes:
        text: the surface, always `document_text[start:end]`.
        label: what it is, such as `PER`.
        start: first code point.
        end: one past the last code point.
        score: of the model, the exact probability of this span with this label, 6 digits; of a
            rule, what the rule says, 1.0 if nothing.
        source: who found it.
        rule: the id of the rule that found it, if it has one.
    """

    text: str
    label: str
    start: int
    end: int
    score: float
    source: Source = "model"
    rule: str | None = None


def entities_from_spans(
    text: str, tokens: Tokens, spans: Sequence[Span], scores: Sequence[float]
) -> tuple[Entity, ...]:
    """Place spans of tokens in the text they came from."""
    starts, ends = tokens.starts, tokens.ends
    entities = []
    for span, score in zip(spans, scores, strict=True):
        start, end = starts[span.start_token], ends[span.end_token - 1]
        entities.append(Entity(text[start:end], span.label, start, end, round(score, 6)))
    return tuple(entities)


def filter_entities(
    entities: Iterable[Entity],
    *,
    labels: frozenset[str] | None = None,
    threshold: Threshold = 0.0,
) -> tuple[Entity, ...]:
    """Keep the wanted labels, and of those the entities whose score reaches the threshold.

    A threshold by label leaves labels it does not name alone.
    """
    by_label = threshold if isinstance(threshold, Mapping) else None
    common = 0.0 if isinstance(threshold, Mapping) else threshold
    return tuple(
        entity
        for entity in entities
        if (labels is None or entity.label in labels)
        and entity.score >= (by_label.get(entity.label, 0.0) if by_label is not None else common)
    )
