"""Whether scores are what they claim: the reliability of the predicted entities' probabilities."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

BINS = 15


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions whose score lies above `low` and up to `high`.

    Attributes:
        count: how many.
        score: their mean score; 0 if there are none.
        correct: the share of them that is right; 0 if there are none.
    """

    low: float
    high: float
    count: int
    score: float
    correct: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability table over equal-width bins, the lowest first."""

    bins: tuple[Bin, ...]

    @property
    def count(self) -> int:
        """Predictions in all bins."""
        return sum(each.count for each in self.bins)

    @property
    def expected_error(self) -> float:
        """Expected calibration error: the bins' gaps, weighted by how many lie in each.

        Naeini, Cooper and Hauskrecht 2015, "Obtaining Well Calibrated Probabilities Using Bayesian
        Binning"; equation 3 of Guo et al. 2017.
        """
        gaps = sum(each.count * abs(each.score - each.correct) for each in self.bins)
        return gaps / self.count if self.count else 0.0


def measure_reliability(scores: ArrayLike, correct: ArrayLike, *, bins: int = BINS) -> Reliability:
    """Sort predictions into equal-width bins by their score.

    A score on a border belongs to the bin below it, and 0 to the first.
    """
    values = np.asarray(scores, dtype=np.float64)
    right = np.asarray(correct, dtype=np.float64)
    places = np.clip(np.ceil(values * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    score_sums = np.bincount(places, weights=values, minlength=bins)
    right_sums = np.bincount(places, weights=right, minlength=bins)
    divisors = np.maximum(counts, 1)
    return Reliability(
        tuple(
            Bin(index / bins, (index + 1) / bins, int(count), float(score), float(share))
            for index, (count, score, share) in enumerate(
                zip(counts, score_sums / divisors, right_sums / divisors, strict=True)
            )
        )
    )
