"""Sums over the paths of many segments under a CRF, and who is where among them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_service.inference.decoding import DecodingWeights, Lattice, forward_backward, marginals
from ner_service.inference.emissions import batches_by_length, slot_grid

_SLOTS_A_BATCH = 16_384

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


def segment_batches(starts: Ints, stops: Ints) -> Iterator[SegmentBatch]:
    """Segments of like length together."""
    lengths = stops - starts
    for chosen in batches_by_length(lengths, _SLOTS_A_BATCH):
        grid = slot_grid(starts[chosen], lengths[chosen])
        yield SegmentBatch(chosen, starts[chosen], lengths[chosen], grid)


@dataclass(frozen=True, slots=True)
class SegmentSums:
    """The lattices of N segments.

    Attributes:
        starts: (N,) rising, the first slot of each segment.
        batches: how they were taken together.
        lattices: of each batch.
        batch_of: (N,) the batch of each segment ...
        row_of: (N,) ... and its row there.
    """

    starts: Ints
    batches: tuple[SegmentBatch, ...]
    lattices: tuple[Lattice, ...]
    batch_of: Ints
    row_of: Ints

    @classmethod
    def over(
        cls, emissions: NDArray[np.float32], starts: Ints, stops: Ints, weights: DecodingWeights
    ) -> "SegmentSums":
        """Sum over the paths of half-open ranges of slots, each on its own.

        Args:
            emissions: (S, K).
            starts: (N,) rising.
            stops: (N,).
            weights: the CRF's; tempered, if probabilities should be.
        """
        batches = tuple(segment_batches(starts, stops))
        lattices = tuple(
            forward_backward(emissions[batch.grid], batch.lengths, weights) for batch in batches
        )
        batch_of, row_of = np.zeros_like(starts), np.zeros_like(starts)
        for index, batch in enumerate(batches):
            batch_of[batch.chosen] = index
            row_of[batch.chosen] = np.arange(len(batch.chosen))
        return cls(starts, batches, lattices, batch_of, row_of)

    def owners(self, slots: Ints) -> Ints:
        """The segment of each slot."""
        found: Ints = np.searchsorted(self.starts, slots, side="right") - 1
        return found

    def likeliest(self, slot_count: int) -> tuple[Ints, NDArray[np.float64]]:
        """The likeliest tag of each of S slots, and its probability, (S,)."""
        tags, probabilities = np.zeros(slot_count, dtype=np.int64), np.zeros(slot_count)
        for batch, lattice in zip(self.batches, self.lattices, strict=True):
            sums = lattice.alpha * lattice.beta
            best = sums.argmax(axis=2)
            certainty = np.take_along_axis(sums, best[:, :, None], 2)[:, :, 0] / lattice.total
            real = batch.real
            slots = batch.grid[real]
            tags[slots] = best[real]
            probabilities[slots] = certainty[real]
        return tags, probabilities

    def marginals(self, slots: Ints) -> NDArray[np.float64]:
        """Probability of each tag at N slots, (N, K)."""
        owners = self.owners(slots)
        steps, rows, batch_of = slots - self.starts[owners], self.row_of[owners], self.batch_of
        found = np.zeros((len(slots), self.lattices[0].alpha.shape[2] if self.lattices else 0))
        for index, lattice in enumerate(self.lattices):
            own = np.flatnonzero(batch_of[owners] == index)
            step, row = steps[own], rows[own]
            sums = lattice.alpha[step, row] * lattice.beta[step, row]
            found[own] = sums / lattice.total[row, None]
        return found


def segment_marginals(
    emissions: NDArray[np.float32],
    segments: Sequence[tuple[int, int]],
    weights: DecodingWeights,
) -> NDArray[np.float64]:
    """Probability of each tag at each slot, (S, K), each segment on its own."""
    found = np.zeros(emissions.shape)
    starts, stops = ends_of(segments)
    for batch in segment_batches(starts, stops):
        lattice = forward_backward(emissions[batch.grid], batch.lengths, weights)
        found[batch.grid[batch.real]] = marginals(lattice)[batch.real]
    return found


def ends_of(segments: Sequence[tuple[int, int]]) -> tuple[Ints, Ints]:
    """Half-open ranges as their starts and their stops."""
    ranges = np.array(segments, dtype=np.int64).reshape(-1, 2)
    return ranges[:, 0], ranges[:, 1]
