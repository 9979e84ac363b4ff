"""The bounded cache of word rows: everything below the recurrence, computed once a word."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from ner_service.inference.backend import Backend
from ner_service.inference.features import WordFeaturizer

BOUNDARY_ROW = 0
NO_FORM = -1
CAPACITY = 60_000
_BATCH = 512


class WordRows:
    """Rows of words by the words' text.

    A row depends on its word alone, so the cache never changes an answer. When it would overflow
    a new era begins with an empty one: simpler than an order of eviction, and rare. Not for several
    threads at once.

    Attributes:
        matrix: (R, width), the rows. Those that are there stay while somebody has the matrix: an
            era that begins has another.
        forms: (R,) a number for the word of each row, the same for words that differ in case alone;
            `NO_FORM` for the boundary's; likewise.
        era: how often it was emptied; within one, a row is one word's.
    """

    def __init__(
        self,
        backend: Backend,
        featurizer: WordFeaturizer,
        *,
        width: int,
        capacity: int = CAPACITY,
    ) -> None:
        """Hold up to `capacity` rows of `width` numbers."""
        self._backend = backend
        self._featurizer = featurizer
        self._capacity = capacity
        self._ids: dict[str, int] = {}
        self._form_ids: dict[str, int] = {}
        self.era = 0
        self.matrix = np.empty((capacity + 1, width), dtype=np.float32)
        self.forms = np.full(capacity + 1, NO_FORM, dtype=np.int32)
        boundary = featurizer.boundary()
        vectors = featurizer.vectors(boundary.vector_rows)
        self.matrix[BOUNDARY_ROW] = backend.encode_words(boundary, vectors)[0]

    def look_up(self, documents: Sequence[Sequence[str]]) -> list[list[int]]:
        """Place in `matrix` of every word of each document, valid until the next call."""
        known = self._ids
        place = known.__getitem__
        try:  # in short texts mostly every word is known, in long ones an early one is not
            return [list(map(place, words)) for words in documents]
        except KeyError:
            self._add_missing(documents)
        return [list(map(place, words)) for words in documents]

    def _add_missing(self, documents: Sequence[Sequence[str]]) -> None:
        known = self._ids
        distinct = set(chain.from_iterable(documents))
        missing = distinct.difference(known)
        if len(known) + len(missing) > self._capacity:
            known.clear()
            self._form_ids.clear()
            self.era += 1
            missing = distinct
            # More different words at once than the cache holds: this once it is larger.
            self._begin(max(len(missing), self._capacity))
        self._add(sorted(missing, key=len))  # words of like length share a batch

    def _begin(self, capacity: int) -> None:
        boundary = self.matrix[BOUNDARY_ROW]
        self.matrix = np.empty((capacity + 1, len(boundary)), dtype=np.float32)
        self.matrix[BOUNDARY_ROW] = boundary
        self.forms = np.full(capacity + 1, NO_FORM, dtype=np.int32)

    def _add(self, words: list[str]) -> None:
        first = len(self._ids) + 1
        for begin in range(0, len(words), _BATCH):
            batch = words[begin : begin + _BATCH]
            features = self._featurizer.features(batch)
            vectors = self._featurizer.vectors(features.vector_rows)
            self.matrix[first + begin : first + begin + len(batch)] = self._backend.encode_words(
                features, vectors
            )
        number = self._form_ids.setdefault
        for place, word in enumerate(words, start=first):
            form = word.lower()
            # A word in lower case is its own form: no second copy is kept.
            self.forms[place] = number(word if word == form else form, len(self._form_ids))
        self._ids.update(zip(words, range(first, first + len(words)), strict=True))
