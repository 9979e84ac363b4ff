"""Which taught tokens share a form: the folded spelling of a word."""

import contextlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

LATEST = 32
"""Of a form that was taught more often, the latest tokens are asked."""

_MOST_FOUND = 100_000
"""Words whose forms are kept at hand."""

Ints = NDArray[np.int64]


def fold(word: str) -> str:
    """The form of a word."""
    return word.casefold()


class FormTable:
    """The taught tokens of each form, the latest of them as rows of one matrix."""

    def __init__(self) -> None:
        """Start empty."""
        self._ids: dict[str, int] = {}
        self._found: dict[str, int] = {}
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
        self._found.clear()
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
        known = self._found
        with contextlib.suppress(KeyError):  # most texts have no word that was not met before
            return _numbers(known, words)
        missing = set(words).difference(known)
        if len(known) > _MOST_FOUND:
            known.clear()
            missing = set(words)
        known.update((word, self._ids.get(fold(word), -1)) for word in missing)
        return _numbers(known, words)

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


def _numbers(known: Mapping[str, int], words: Sequence[str]) -> Ints:
    return np.fromiter(map(known.__getitem__, words), dtype=np.int64, count=len(words))
