"""Sums over the paths of many segments under a CRF, and who is where among them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_service.inference.decoding import DecodingWeights, Lattice, forward_backward, marginals
from ner_service.inference.emissions import batches_by_length, slot_grid

# Padded slots summed at once: enough segments for a step to be worth its calls, few enough to be of
# like length.
_SLOTS_SUMMED = 6144

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SegmentBatch:
    """Segments that are computed together.

    Attributes:
        chosen: (B,) which ones, longest first.
        starts: (B,) the first slot of each.
        lengths: (B,) falling.
        grid: (T, B) the slots; behind a segment's end its last one again.
    """

    chosen: Ints
    starts: Ints
    lengths: Ints
    grid: Ints

    @property
    def real(self) -> NDArray[np.bool_]:
        """(T, B) False behind a segment's end."""
        return np.arange(len(self.grid))[:, None] < self.lengths

    def rows_of(self, segments: Ints) -> tuple[Ints, Ints]:
        """Which of M segments are in this batch, and in which row each of those is."""
        order = np.argsort(self.chosen)
        rising = self.chosen[order]
        places = np.minimum(np.searchsorted(rising, segments), len(rising) - 1)
        own = np.flatnonzero(rising[places] == segments)
        return own, order[places[own]]


def segment_batches(starts: Ints, stops: Ints, most_slots: int) -> Iterator[SegmentBatch]:
    """Segments of like length together, of so many slots unless one alone has more."""
    lengths = stops - starts
    for chosen in batches_by_length(lengths, most_slots):
        grid = slot_grid(starts[chosen], lengths[chosen])
        yield SegmentBatch(chosen, starts[chosen], lengths[chosen], grid)


def summed_batches(
    emissions: NDArray[np.float32], starts: Ints, stops: Ints, weights: DecodingWeights
) -> Iterator[tuple[SegmentBatch, Lattice]]:
    """Sum over the paths of half-open ranges of slots, each on its own; a batch after the other.

    Args:
        emissions: (S, K).
        starts: (N,).
        stops: (N,).
        weights: the CRF's; tempered, if probabilities should be.
    """
    for batch in segment_batches(starts, stops, _SLOTS_SUMMED):
        yield batch, forward_backward(emissions.take(batch.grid, axis=0), batch.lengths, weights)


@dataclass(frozen=True, slots=True)
class SegmentSums:
    """The lattices of N segments, kept for who asks again.

    Attributes:
        starts: (N,) rising, the first slot of each segment.
        batches: those of `summed_batches`.
    """

    starts: Ints
    batches: tuple[tuple[SegmentBatch, Lattice], ...]

    @classmethod
    def over(
        cls, emissions: NDArray[np.float32], starts: Ints, stops: Ints, weights: DecodingWeights
    ) -> "SegmentSums":
        """Sum and keep; arguments as in `summed_batches`, starts rising."""
        return cls(starts, tuple(summed_batches(emissions, starts, stops, weights)))

    def likeliest(self, slot_count: int) -> tuple[Ints, NDArray[np.float64]]:
        """The likeliest tag of each of S slots, and its probability, (S,)."""
        tags, probabilities = np.zeros(slot_count, dtype=np.int64), np.zeros(slot_count)
        for batch, lattice in self.batches:
            sums = lattice.alpha * lattice.beta
            best = sums.argmax(axis=2)
            certainty = np.take_along_axis(sums, best[:, :, None], 2)[:, :, 0] / lattice.total
            real = batch.real
            slots = batch.grid[real]
            tags[slots] = best[real]
            probabilities[slots] = certainty[real]
        return tags, probabilities

    def marginals(self, slots: Ints) -> NDArray[np.float64]:
        """Probability of each tag at N slots, (N, K); there is at least one segment."""
        owners = owners_of(slots, self.starts)
        found = np.zeros((len(slots), len(self.batches[0][1].ends)))
        for batch, lattice in self.batches:
            own, rows = batch.rows_of(owners)
            steps = slots[own] - batch.starts[rows]
            sums = lattice.alpha[steps, rows] * lattice.beta[steps, rows]
            found[own] = sums / lattice.total[rows, None]
        return found


def segment_marginals(
    emissions: NDArray[np.float32],
    segments: Sequence[tuple[int, int]],
    weights: DecodingWeights,
) -> NDArray[np.float64]:
    """Probability of each tag at each slot, (S, K), each segment on its own."""
    found = np.zeros(emissions.shape)
    for batch, lattice in summed_batches(emissions, *ends_of(segments), weights):
        found[batch.grid[batch.real]] = marginals(lattice)[batch.real]
    return found


def owners_of(slots: Ints, starts: Ints) -> Ints:
    """The segment of each slot, by the rising first slots of segments."""
    found: Ints = np.searchsorted(starts, slots, side="right") - 1
    return found


def ends_of(segments: Sequence[tuple[int, int]]) -> tuple[Ints, Ints]:
    """Half-open ranges as their starts and their stops."""
    ranges = np.array(segments, dtype=np.int64).reshape(-1, 2)
    return ranges[:, 0], ranges[:, 1]
