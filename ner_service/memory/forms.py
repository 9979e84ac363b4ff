"""Which taught tokens share a form: the folded spelling of a word."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

LATEST = 32
"""Of a form that was taught more often, the latest tokens are asked."""

_UNASKED = -2

Ints = NDArray[np.int64]


def fold(word: str) -> str:
    """The form of a word."""
    return word.casefold()


@dataclass(frozen=True, slots=True)
class CachedWords:
    """N words, and where a cache has them.

    Attributes:
        documents: the words, document by document.
        rows: (N,) numbers of the words: while the era lasts, equal numbers are equal words.
        era: which one; it ends when the cache is emptied.
    """

    documents: Sequence[Sequence[str]]
    rows: NDArray[np.int32]
    era: int


class FormTable:
    """The taught tokens of each form, the latest of them as rows of one matrix."""

    def __init__(self) -> None:
        """Start empty."""
        self._ids: dict[str, int] = {}
        self._era = 0
        self._of_rows: Ints = np.zeros(0, dtype=np.int64)
        self._entries: list[list[int]] = []
        self._latest = np.full((0, LATEST), -1, dtype=np.int64)
        self._kinds = np.zeros(0, dtype=np.int64)

    def add(self, words: Sequence[str], entries: Sequence[int], kinds: Sequence[int]) -> Ints:
        """Add taught tokens; gives the form of each.

        Args:
            words: as they are spelled.
            entries: their numbers.
            kinds: what the model has seen of each; of one form's the least counts.
        """
        forms = []
        self._of_rows = np.zeros(0, dtype=np.int64)
        for word, entry, kind in zip(words, entries, kinds, strict=True):
            form = self._ids.setdefault(fold(word), len(self._entries))
            if form == len(self._entries):
                self._new_form(kind)
            self._entries[form].append(entry)
            self._kinds[form] = min(int(self._kinds[form]), kind)
            forms.append(form)
        for form in set(forms):
            self._refresh(form)
        return np.array(forms, dtype=np.int64)

    def remove(self, forms: Sequence[int], entries: Sequence[int]) -> None:
        """Take tokens out again."""
        for form, entry in zip(forms, entries, strict=True):
            self._entries[form].remove(entry)
        for form in set(forms):
            self._refresh(form)

    def find(self, words: Sequence[str]) -> Ints:
        """The form of each word, -1 for one that was not taught."""
        ids = self._ids
        return np.array([ids.get(fold(word), -1) for word in words], dtype=np.int64)

    def find_cached(self, words: CachedWords) -> Ints:
        """The same, where most words were asked for in this era before."""
        if words.era != self._era:
            self._era, self._of_rows = words.era, np.zeros(0, dtype=np.int64)
        room = int(words.rows.max(initial=-1)) + 1 - len(self._of_rows)
        if room > 0:
            self._of_rows = np.pad(self._of_rows, (0, room), constant_values=_UNASKED)
        forms: Ints = self._of_rows[words.rows]
        new = np.flatnonzero(forms == _UNASKED)
        if len(new):
            texts = list(chain.from_iterable(words.documents))
            forms[new] = self.find([texts[i] for i in new.tolist()])
            self._of_rows[words.rows[new]] = forms[new]
        return forms

    def latest(self, forms: Ints) -> Ints:
        """(N, LATEST) the latest taught tokens of N forms, -1 behind the last."""
        result: Ints = self._latest[forms]
        return result

    def kinds(self, forms: Ints) -> Ints:
        """What the model has seen of each form."""
        result: Ints = self._kinds[forms]
        return result

    def _new_form(self, kind: int) -> None:
        self._entries.append([])
        if len(self._entries) > len(self._latest):
            room = max(256, len(self._latest))
            self._latest = np.pad(self._latest, ((0, room), (0, 0)), constant_values=-1)
            self._kinds = np.pad(self._kinds, (0, room))
        self._kinds[len(self._entries) - 1] = kind

    def _refresh(self, form: int) -> None:
        latest = self._entries[form][: -LATEST - 1 : -1]
        self._latest[form] = -1
        self._latest[form, : len(latest)] = latest
