"""Marginals of every slot under a CRF."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ner_service.inference.decoding import DecodingWeights, forward_backward, marginals
from ner_service.inference.emissions import batches_by_length, slot_grid

_SLOTS_A_BATCH = 16_384


def segment_marginals(
    emissions: NDArray[np.float32],
    segments: Sequence[tuple[int, int]],
    weights: DecodingWeights,
) -> NDArray[np.float64]:
    """Probability of each tag at each slot, (S, K), each segment on its own."""
    found = np.zeros(emissions.shape)
    starts = np.array([start for start, _ in segments], dtype=np.int64)
    lengths = np.array([stop for _, stop in segments], dtype=np.int64) - starts
    for chosen in batches_by_length(lengths, _SLOTS_A_BATCH):
        grid = slot_grid(starts[chosen], lengths[chosen])
        lattice = forward_backward(emissions[grid], lengths[chosen], weights)
        real = np.arange(len(grid))[:, None] < lengths[chosen]
        found[grid[real]] = marginals(lattice)[real]
    return found
