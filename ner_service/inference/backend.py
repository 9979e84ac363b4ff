"""What a backend is: the two halves of the network as functions over arrays."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ner_service.inference.features import WordFeatures

BackendName = Literal["auto", "onnx", "torch"]
Precision = Literal["full", "half", "int8"]

PROCESSOR_SLOTS = 1536
"""Padded slots read at once: matrices large enough for the processor, small enough for its caches.
Fifteen windows of 100 run faster than one, and a tenth faster than forty."""


class Backend(Protocol):
    """Runs the network; a word's row and a window's emissions depend on nothing beside it.

    Attributes:
        slots_a_batch: padded slots that the sentence encoder reads best at once.
    """

    slots_a_batch: int

    def encode_words(
        self, features: WordFeatures, vectors: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """N words and their vectors (N, D) to rows (N, word_width)."""
        ...

    def encode_sentences(
        self, rows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Rows (T, B, word_width) of windows of the given lengths to emissions (T, B, K)."""
        ...

    def encode_states(
        self, rows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same, to states (T, B, S) and emissions (T, B, K)."""
        ...
