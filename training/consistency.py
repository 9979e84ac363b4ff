"""How much a word's other occurrences in a document count, fitted on the development set.

`ner_service.inference.consistency` says what they do; here the one number is found. The F1 of
neighbouring weights differs by chance, so that of a weight counts with its neighbours'.
"""

from dataclasses import dataclass

from training.emissions import Development
from training.metrics import score_spans

STEP = 0.1
STEPS = 10


@dataclass(frozen=True, slots=True)
class ConsistencyFit:
    """A fitted weight.

    Attributes:
        weight: the best one.
        f1: of the development set by weight, from 0, which is without, in steps of `STEP`.
    """

    weight: float
    f1: tuple[float, ...]

    @property
    def gain(self) -> float:
        """Development F1 of the weight, less that of 0."""
        return self.f1[round(self.weight / STEP)] - self.f1[0]


def fit_consistency(development: Development) -> ConsistencyFit:
    """Try weights and take the one whose neighbourhood has the best F1, the smallest of equals.

    The weight is 0 if none of the others is better than that.
    """
    found = []
    for step in range(STEPS + 1):
        decoded = development.emissions.shared(step * STEP).decode(1.0)
        found.append(score_spans([sorted(development.gold)], [decoded.spans]).overall.f1)
    padded = [found[0], *found, found[-1]]
    smooth = [sum(padded[step : step + 3]) / 3 for step in range(STEPS + 1)]
    best = max(range(1, STEPS + 1), key=lambda step: (smooth[step], -step))
    weight = round(best * STEP, 1) if found[best] > found[0] else 0.0
    return ConsistencyFit(weight, tuple(round(f1, 6) for f1 in found))
