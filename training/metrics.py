"""Entity-level scores: a predicted span counts if both its bounds and its label are right."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

NOTHING = "-"
"""Stands in a confusion matrix for no entity with these bounds."""


class Labelled(Protocol):
    """A span of tokens or of code points; equal spans are equal values."""

    @property
    def label(self) -> str:
        """What it carries."""
        ...


class Placed(Labelled, Protocol):
    """A labelled range of code points."""

    @property
    def start(self) -> int:
        """First code point."""
        ...

    @property
    def end(self) -> int:
        """One past the last code point."""
        ...


@dataclass(frozen=True, slots=True)
class Counts:
    """Spans that are in the gold data, were predicted, and are in both."""

    gold: int
    predicted: int
    correct: int

    @property
    def precision(self) -> float:
        """Share of the predicted spans that are right; 0 if there are none."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold spans that were found; 0 if there are none."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 if both are."""
        total = self.gold + self.predicted
        return 2 * self.correct / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Scores:
    """Counts over all labels and label by label."""

    overall: Counts
    by_label: dict[str, Counts]


def score_spans(
    gold: Iterable[Sequence[Labelled]], predicted: Iterable[Sequence[Labelled]]
) -> Scores:
    """Compare spans sentence by sentence (or text by text); micro-averaged."""
    gold_counts: Counter[str] = Counter()
    predicted_counts: Counter[str] = Counter()
    correct_counts: Counter[str] = Counter()
    for gold_spans, predicted_spans in zip(gold, predicted, strict=True):
        gold_counts.update(span.label for span in gold_spans)
        predicted_counts.update(span.label for span in predicted_spans)
        correct_counts.update(span.label for span in set(gold_spans) & set(predicted_spans))
    labels = sorted(gold_counts.keys() | predicted_counts.keys())
    by_label = {
        label: Counts(gold_counts[label], predicted_counts[label], correct_counts[label])
        for label in labels
    }
    overall = Counts(gold_counts.total(), predicted_counts.total(), correct_counts.total())
    return Scores(overall, by_label)


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often entities of a gold label were given each label, where the bounds agree.

    Attributes:
        labels: of rows (gold) and columns (predicted); the last is `NOTHING`.
        counts: `counts[i][j]` entities of gold label i found as j. The last row holds predicted
            entities with bounds that no gold entity has, the last column the reverse.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


def confusion(gold: Iterable[Sequence[Placed]], predicted: Iterable[Sequence[Placed]]) -> Confusion:
    """Count pairs of gold and predicted labels, text by text."""
    pairs: Counter[tuple[str, str]] = Counter()
    for gold_spans, predicted_spans in zip(gold, predicted, strict=True):
        expected = {(span.start, span.end): span.label for span in gold_spans}
        found = {(span.start, span.end): span.label for span in predicted_spans}
        for bounds in expected.keys() | found.keys():
            pairs[expected.get(bounds, NOTHING), found.get(bounds, NOTHING)] += 1
    labels = (*sorted({label for pair in pairs for label in pair} - {NOTHING}), NOTHING)
    return Confusion(
        labels, tuple(tuple(pairs[row, column] for column in labels) for row in labels)
    )
