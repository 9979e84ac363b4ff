"""Figures of several seeds: their mean and how sure it is."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# Student's t, two-sided 95 %, by degrees of freedom from 1 (Gosset 1908); beyond, the last is a
# little too wide.
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True, slots=True)
class Spread:
    """A mean with its 95 % interval, `mean - half_width` to `mean + half_width`."""

    mean: float
    half_width: float
    values: tuple[float, ...]


def spread(values: Sequence[float]) -> Spread:
    """Mean and 95 % interval of independent runs; the interval of a single one is 0 wide."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Spread(mean, 0.0, tuple(values))
    t = _T95[min(len(values) - 1, len(_T95)) - 1]
    return Spread(mean, t * statistics.stdev(values) / len(values) ** 0.5, tuple(values))
