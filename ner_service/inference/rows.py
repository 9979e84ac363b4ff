"""The bounded cache of word rows: everything below the recurrence, computed once a word."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ner_service.inference.backend import Backend
from ner_service.inference.features import WordFeaturizer

BOUNDARY_ROW = 0
NO_FORM = -1
CAPACITY = 60_000
_BATCH = 512


class _Places(dict[str, int]):
    """Places by word, counted from 1; whoever asks for a new word's gives it the next one."""

    def __missing__(self, word: str) -> int:
        place = self[word] = len(self) + 1
        return place


class WordRows:
    """Rows of words by the words' text.

    A row depends on its word alone, so the cache never changes an answer. When it would overflow
    a new era begins with an empty one: simpler than an order of eviction, and rare. Not for several
    threads at once.

    Attributes:
        matrix: (R, width), the rows. Those that are there stay while somebody has the matrix: an
            era that begins has another.
        era: how often it was emptied; within one, a row is one word's.
    """

    def __init__(
        self,
        backend: Backend,
        featurizer: WordFeaturizer,
        *,
        capacity: int = CAPACITY,
    ) -> None:
        """Hold up to `capacity` rows."""
        self._backend = backend
        self._featurizer = featurizer
        self._capacity = capacity
        self._places = _Places()
        self._form_ids: dict[str, int] = {}
        self._numbered = 0  # words whose forms have a number
        self.era = 0
        boundary = featurizer.boundary()
        vectors = featurizer.vectors(boundary.vector_rows)
        self._boundary = backend.encode_words(boundary, vectors)[0]
        self._make_room(capacity)

    @property
    def forms(self) -> NDArray[np.int32]:
        """(R,) a number for the word of each row, the same for words that differ in case alone.

        `NO_FORM` for the boundary's. As with `matrix`, those that are there stay.
        """
        places = self._places
        number = self._form_ids.setdefault
        for word, place in islice(reversed(places.items()), len(places) - self._numbered):
            form = word.lower()
            # A word in lower case is its own form: no second copy is kept.
            self._forms[place] = number(word if word == form else form, len(self._form_ids))
        self._numbered = len(places)
        return self._forms

    def look_up(self, documents: Sequence[Sequence[str]]) -> list[list[int]]:
        """Place in `matrix` of every word of each document, valid until the next call."""
        places = self._places
        known = len(places)
        try:
            found = self._find(documents)
            if len(places) > self._capacity:
                known = self._numbered = 0
                places.clear()
                self._form_ids.clear()
                self.era += 1
                found = self._find(documents)
                # More different words at once than the cache holds: this once it is larger.
                self._make_room(max(len(places), self._capacity))
            if len(places) > known:
                self._fill(known)
        except BaseException:  # whatever it was: a place without a row must not be found
            while len(places) > known:
                places.popitem()  # the latest
            raise
        return found

    def _find(self, documents: Sequence[Sequence[str]]) -> list[list[int]]:
        place = self._places.__getitem__
        return [list(map(place, words)) for words in documents]

    def _make_room(self, capacity: int) -> None:
        self.matrix = np.empty((capacity + 1, len(self._boundary)), dtype=np.float32)
        self.matrix[BOUNDARY_ROW] = self._boundary
        self._forms = np.full(capacity + 1, NO_FORM, dtype=np.int32)

    def _fill(self, known: int) -> None:
        """Work out the rows of all words but the first `known`."""
        places = self._places
        # Words of like length share a batch.
        words = sorted(islice(reversed(places), len(places) - known), key=len)
        for begin in range(0, len(words), _BATCH):
            batch = words[begin : begin + _BATCH]
            features = self._featurizer.features(batch)
            vectors = self._featurizer.vectors(features.vector_rows)
            rows = self._backend.encode_words(features, vectors)
            self.matrix[[places[word] for word in batch]] = rows
