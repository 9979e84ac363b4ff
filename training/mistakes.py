"""What a tagger got wrong, mistake by mistake, and partial credit for what was nearly right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from training.cases import Case, TextSpan
from training.predictions import tagged_pieces

Kind = Literal["label", "bounds", "label and bounds", "missed", "invented"]
KINDS: tuple[Kind, ...] = ("label", "bounds", "label and bounds", "missed", "invented")

MATCHES = {"exact": "bounds, any label", "ent_type": "label, any overlap", "partial": "overlap"}
"""nervaluate's kinds of matching (Segura-Bedmar et al. 2013, SemEval task 9) beside the strict."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Gold entities and predicted ones that overlap, though not all of them agree.

    Attributes:
        case: which text.
        kind: what is wrong.
        gold: none for something invented.
        predicted: none for something missed.
    """

    case: int
    kind: Kind
    gold: tuple[TextSpan, ...]
    predicted: tuple[TextSpan, ...]

    @property
    def start(self) -> int:
        """Where it begins in its text."""
        return min(span.start for span in (*self.gold, *self.predicted))

    @property
    def end(self) -> int:
        """Where it ends."""
        return max(span.end for span in (*self.gold, *self.predicted))


def find_mistakes(
    cases: Sequence[Case], predicted: Sequence[Sequence[TextSpan]]
) -> Iterator[Mistake]:
    """Give every mistake in the order of the texts."""
    for index, (case, found) in enumerate(zip(cases, predicted, strict=True)):
        right = set(case.gold) & set(found)
        gold = [span for span in case.gold if span not in right]
        wrong = [span for span in found if span not in right]
        for expected, given in _overlapping(gold, wrong):
            yield Mistake(index, _kind(expected, given), expected, given)


def partial_scores(
    cases: Sequence[Case], predicted: Sequence[Sequence[TextSpan]], labels: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 by nervaluate for each of `MATCHES`."""
    from nervaluate import Evaluator

    gold_tags: list[list[str]] = []
    predicted_tags: list[list[str]] = []
    for case, found in zip(cases, predicted, strict=True):
        for sentence in tagged_pieces(case, found):
            # It asks every pair of entities of a text; most sentences need not be asked.
            if any(gold != "O" or tag != "O" for _, gold, tag in sentence):
                gold_tags.append([gold for _, gold, _ in sentence])
                predicted_tags.append([tag for *_, tag in sentence])
    if not gold_tags:
        return {}
    results = Evaluator(gold_tags, predicted_tags, tags=list(labels), loader="list").evaluate()
    return {
        name: {
            rate: round(float(getattr(results["overall"][name], rate)), 6)
            for rate in ("precision", "recall", "f1")
        }
        for name in MATCHES
    }


def _overlapping(
    gold: Sequence[TextSpan], predicted: Sequence[TextSpan]
) -> Iterator[tuple[tuple[TextSpan, ...], tuple[TextSpan, ...]]]:
    """Groups of spans that hang together by overlaps, in the order of the text."""
    ordered = sorted([(span, True) for span in gold] + [(span, False) for span in predicted])
    group: list[tuple[TextSpan, bool]] = []
    end = -1
    for span, is_gold in ordered:
        if group and span.start >= end:
            yield _split(group)
            group = []
        group.append((span, is_gold))
        end = max(span.end, end) if len(group) > 1 else span.end
    if group:
        yield _split(group)


def _split(
    group: Sequence[tuple[TextSpan, bool]],
) -> tuple[tuple[TextSpan, ...], tuple[TextSpan, ...]]:
    return (
        tuple(span for span, is_gold in group if is_gold),
        tuple(span for span, is_gold in group if not is_gold),
    )


def _kind(gold: Sequence[TextSpan], predicted: Sequence[TextSpan]) -> Kind:
    if not predicted:
        return "missed"
    if not gold:
        return "invented"
    if [(span.start, span.end) for span in gold] == [(s.start, s.end) for s in predicted]:
        return "label"
    same_labels = {span.label for span in gold} == {span.label for span in predicted}
    return "bounds" if same_labels else "label and bounds"
