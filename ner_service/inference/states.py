"""Windows through the network, to hidden states and emissions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ner_service.inference.backend import Backend
from ner_service.inference.emissions import window_batches
from ner_service.inference.steps import Steps
from ner_service.text.windows import Window


@dataclass(frozen=True, slots=True)
class SlotStates:
    """Hidden states of S slots, left where the network put them: few of them are ever asked for.

    Attributes:
        outputs: (T * B, H) of each batch.
        firsts: where each batch begins, counted through all of them.
        places: (S,) where a slot's state is, counted so.
    """

    outputs: tuple[NDArray[np.float32], ...]
    firsts: tuple[int, ...]
    places: NDArray[np.int64]

    def __getitem__(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """States (N, H) of N slots."""
        places = self.places[slots]
        if len(self.outputs) == 1:
            return self.outputs[0][places]
        result = np.empty((len(places), self.outputs[0].shape[1]), dtype=np.float32)
        for first, output in zip(self.firsts, self.outputs, strict=True):
            own = np.flatnonzero((places >= first) & (places < first + len(output)))
            result[own] = output[places[own] - first]
        return result


def state_steps(
    backend: Backend,
    matrix: NDArray[np.float32],
    row_ids: NDArray[np.int32],
    windows: Sequence[Window],
) -> Steps[tuple[SlotStates, NDArray[np.float32]]]:
    """Run every window and keep what belongs to the slots it answers for, in steps.

    Args:
        backend: runs the sentence encoder.
        matrix: (R, word_width), word rows.
        row_ids: (S,) row of each slot of all documents, one behind the other.
        windows: over those slots, at least one; their kept ranges cover all slots once.

    Returns:
        Hidden states of S slots, and emissions (S, K).
    """
    emissions: NDArray[np.float32] | None = None
    outputs: list[NDArray[np.float32]] = []
    firsts: list[int] = []
    places = np.zeros(len(row_ids), dtype=np.int64)
    end = 0
    for slots, lengths, kept in window_batches(windows, backend.slots_a_batch):
        rows = matrix.take(row_ids.take(slots), axis=0)
        states, output = yield partial(backend.encode_states, rows, lengths)
        if emissions is None:
            emissions = np.empty((len(row_ids), output.shape[2]), dtype=np.float32)
        own = slots.take(kept)
        emissions[own] = output.reshape(-1, output.shape[2]).take(kept, axis=0)
        places[own] = end + kept
        outputs.append(states.reshape(-1, states.shape[2]))
        firsts.append(end)
        end += slots.size
    assert emissions is not None
    return SlotStates(tuple(outputs), tuple(firsts), places), emissions
