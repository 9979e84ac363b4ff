"""Words to numbers: the one place where it happens, for training and serving alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_service.artifact.config import NetworkConfig
from ner_service.artifact.vocabulary import (
    BOUNDARY_ID,
    UNKNOWN_ID,
    VectorTable,
    Vocabulary,
    WordForms,
    word_shape,
)

_UNKNOWN_CHARACTER = 1


@dataclass(frozen=True, slots=True)
class WordFeatures:
    """Columns for N words.

    Attributes:
        one_hot_ids: (N,) int64, position of the 1 in the word's one-hot vector.
        vector_rows: (N, tables) int64, row in each vector table, -1 where it has none.
        characters: (N, C) int64, 0 behind the word's end.
        shapes: (N,) int64, position of the 1 in the shape's one-hot vector.
    """

    one_hot_ids: NDArray[np.int64]
    vector_rows: NDArray[np.int64]
    characters: NDArray[np.int64]
    shapes: NDArray[np.int64]

    def __len__(self) -> int:
        """N."""
        return len(self.one_hot_ids)


class WordFeaturizer:
    """Looks words up in an artifact's vocabulary and vector tables."""

    def __init__(
        self, config: NetworkConfig, vocabulary: Vocabulary, vector_tables: Sequence[VectorTable]
    ) -> None:
        """Keep references; nothing is copied."""
        self._head = config.character_head
        self._tail = config.character_tail
        self._vocabulary = vocabulary
        self._tables = tuple(vector_tables)
        self._character_ids = _by_code_point(vocabulary.character_ids)

    def features(self, words: Sequence[str]) -> WordFeatures:
        """Columns for the given words, each of which depends on that word alone."""
        vocabulary = self._vocabulary
        return WordFeatures(
            one_hot_ids=np.array(
                [vocabulary.word_ids.get(word, UNKNOWN_ID) for word in words], dtype=np.int64
            ),
            vector_rows=self._vector_rows(words),
            characters=self._characters(words),
            shapes=np.array(
                [vocabulary.shape_ids.get(word_shape(word), UNKNOWN_ID) for word in words],
                dtype=np.int64,
            ),
        )

    def boundary(self) -> WordFeatures:
        """Columns for the boundary between two sentences, N = 1."""
        boundary_id = np.array([BOUNDARY_ID], dtype=np.int64)
        return WordFeatures(
            one_hot_ids=boundary_id,
            vector_rows=np.full((1, len(self._tables)), -1, dtype=np.int64),
            characters=np.zeros((1, self._head + self._tail), dtype=np.int64),
            shapes=boundary_id,
        )

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Vectors of rows (N, tables), the tables side by side, (N, D)."""
        widths = [table.width for table in self._tables]
        vectors = np.empty((len(rows), sum(widths)), dtype=np.float32)
        begin = 0
        for index, (table, width) in enumerate(zip(self._tables, widths, strict=True)):
            table.gather(rows[:, index], out=vectors[:, begin : begin + width])
            begin += width
        return vectors

    def _vector_rows(self, words: Sequence[str]) -> NDArray[np.int64]:
        rows = np.full((len(words), len(self._tables)), -1, dtype=np.int64)
        forms = WordForms.of(words)
        for index, table in enumerate(self._tables):
            rows[:, index] = table.find_forms(forms)
        return rows

    def _characters(self, words: Sequence[str]) -> NDArray[np.int64]:
        """A word's head, and its tail where it is longer than both together."""
        head, tail = self._head, self._tail
        read = [
            word if len(word) <= head + tail else word[:head] + word[len(word) - tail :]
            for word in words
        ]
        code_points = np.frombuffer("".join(read).encode("utf-32-le", "surrogatepass"), np.uint32)
        found = self._character_ids[np.minimum(code_points, len(self._character_ids) - 1)]
        lengths = np.fromiter(map(len, read), dtype=np.int64, count=len(read))
        ids = np.zeros((len(words), head + tail), dtype=np.int64)
        ids[np.arange(head + tail) < lengths[:, None]] = found
        return ids


def _by_code_point(ids: Mapping[str, int]) -> NDArray[np.int64]:
    """The id of every code point up to the last known one; behind it, one more for all others."""
    known = {ord(character): number for character, number in ids.items() if len(character) == 1}
    table = np.full(max(known, default=-1) + 2, _UNKNOWN_CHARACTER, dtype=np.int64)
    table[[*known]] = [*known.values()]
    return table
