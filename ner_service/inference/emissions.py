"""Windows through the network, in batches of like length, to one long array of emissions."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ner_service.inference.backend import Backend
from ner_service.inference.steps import Steps
from ner_service.text.windows import Window


def emission_steps(
    backend: Backend,
    matrix: NDArray[np.float32],
    row_ids: NDArray[np.int32],
    windows: Sequence[Window],
    tag_count: int,
) -> Steps[NDArray[np.float32]]:
    """Run every window and keep the emissions of the slots it answers for, in steps.

    Args:
        backend: runs the sentence encoder.
        matrix: (R, word_width), word rows.
        row_ids: (S,) row of each slot of all documents, one behind the other.
        windows: over those slots; their kept ranges cover all slots once.
        tag_count: K.

    Returns:
        (S, K).
    """
    if len(windows) == 1:  # it covers all slots: the way of a single sentence, without detours
        lengths = np.array([len(row_ids)], dtype=np.int64)
        rows = matrix.take(row_ids, axis=0)[:, None]
        output = yield partial(backend.encode_sentences, rows, lengths)
        only: NDArray[np.float32] = output[:, 0]
        return only
    emissions = np.empty((len(row_ids), tag_count), dtype=np.float32)
    for slots, lengths, kept in window_batches(windows, backend.slots_a_batch):
        rows = matrix.take(row_ids.take(slots), axis=0)  # quicker than indexing
        output = yield partial(backend.encode_sentences, rows, lengths)
        emissions[slots.take(kept)] = output.reshape(-1, tag_count).take(kept, axis=0)
    return emissions


def window_batches(
    windows: Sequence[Window], most_slots: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Windows as the network takes them, at most so many padded slots at once.

    Yields:
        The slots of a batch (T, B), the windows' lengths (B,), and which of the slots a window
        answers for, as places in the flattened (T * B).
    """
    columns = np.array(windows, dtype=np.int64).reshape(-1, len(Window._fields)).T
    all_lengths = columns[1] - columns[0]
    for chosen in batches_by_length(all_lengths, most_slots):
        starts, _, keep_from, keep_to = columns[:, chosen]
        lengths = all_lengths[chosen]
        steps = np.arange(int(lengths[0]))[:, None] + starts
        kept = np.flatnonzero((steps >= keep_from) & (steps < keep_to))
        yield slot_grid(starts, lengths), lengths, kept


def batches_by_length(lengths: NDArray[np.int64], slots: int) -> Iterator[NDArray[np.int64]]:
    """Indices of items, longest first, cut so that a padded batch has at most `slots` slots."""
    order = np.argsort(-lengths, kind="stable")
    begin = 0
    while begin < len(order):
        size = max(1, slots // max(1, int(lengths[order[begin]])))
        yield order[begin : begin + size]
        begin += size


def slot_grid(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Slot of each step of each range, (T, B); behind a range's end its last slot again."""
    steps = np.arange(int(lengths.max()))[:, None]
    grid: NDArray[np.int64] = starts + np.minimum(steps, lengths - 1)
    return grid
