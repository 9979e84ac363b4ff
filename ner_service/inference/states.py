"""Windows through the network, to hidden states and emissions."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ner_service.inference.backend import Backend
from ner_service.inference.emissions import SLOTS_A_BATCH, batches_by_length, slot_grid
from ner_service.text.windows import Window


def compute_states(
    backend: Backend,
    matrix: NDArray[np.float32],
    row_ids: NDArray[np.int32],
    windows: Sequence[Window],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Run every window and keep what belongs to the slots it answers for.

    Args:
        backend: runs the sentence encoder.
        matrix: (R, word_width), word rows.
        row_ids: (S,) row of each slot of all documents, one behind the other.
        windows: over those slots, at least one; their kept ranges cover all slots once.

    Returns:
        Hidden states (S, H) and emissions (S, K).
    """
    results: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
    lengths = np.array([window.stop - window.start for window in windows], dtype=np.int64)
    for chosen in batches_by_length(lengths, SLOTS_A_BATCH):
        batch = [windows[index] for index in chosen]
        starts = np.array([window.start for window in batch])
        slots = slot_grid(starts, lengths[chosen])  # (T, B)
        outputs = backend.encode_states(matrix[row_ids[slots]], lengths[chosen])
        if results is None:
            states, emissions = (
                np.empty((len(row_ids), output.shape[2]), dtype=np.float32) for output in outputs
            )
            results = states, emissions
        keep_from = np.array([window.keep_start for window in batch])
        keep_to = np.array([window.keep_stop for window in batch])
        steps = np.arange(len(slots))[:, None] + starts
        kept = (steps >= keep_from) & (steps < keep_to)
        for result, output in zip(results, outputs, strict=True):
            result[slots[kept]] = output[kept]
    assert results is not None
    return results
