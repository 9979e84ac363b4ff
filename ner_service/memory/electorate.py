"""Taught tokens as neighbours: who of them votes on a slot, and with what weight."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ner_service.memory.forms import FormTable
from ner_service.memory.vectors import EXACT_UP_TO, VectorIndex
from ner_service.memory.votes import NEW, Ballot, Voting, kernel_weights

_SLACK = 0.05
"""So far below a cosine may the one of projections lie: by five times its standard error at .95,
by half of it at 0, where only forms that the model never saw have votes of any weight."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class States(Protocol):
    """Hidden states of slots, taken by an array of slots."""

    def __getitem__(self, slots: Ints, /) -> Floats:
        """(N, H) of N slots."""
        ...


_Votes = tuple[Ints, Ints, Floats, NDArray[np.float64]]


class Electorate:
    """Taught tokens by number, 0 and up: their states, forms and tags.

    Attributes:
        forms: which of them share a form.
        tags: (N,) theirs.
    """

    def __init__(self, *, exact_up_to: int = EXACT_UP_TO) -> None:
        """Start empty; up to so many states are searched exactly."""
        self._exact_up_to = exact_up_to
        self.forms = FormTable()
        self._index: VectorIndex | None = None
        self.tags: Ints = np.zeros(0, dtype=np.int64)
        self._entry_forms: Ints = np.zeros(0, dtype=np.int64)
        # Of each form the tag that all its latest tokens have, -1 where they differ.
        self._unanimous: Ints = np.zeros(0, dtype=np.int64)
        self._foreign_forms: set[int] = set()

    def add(
        self,
        words: Sequence[str],
        states: Floats,
        *,
        tags: Ints,
        kinds: Ints,
        foreign: NDArray[np.bool_],
    ) -> Ints:
        """Add N tokens, at least one; gives their numbers.

        Args:
            words: their texts.
            states: (N, H) their hidden states.
            tags: (N,) their tag ids.
            kinds: (N,) what the model has seen of them: TRAINED, KNOWN or NEW.
            foreign: (N,) whether their tag is one that the model lacks.
        """
        if self._index is None:
            self._index = VectorIndex(states.shape[1], exact_up_to=self._exact_up_to)
        numbers = self._index.add(unit(states))
        forms = self.forms.add(words, numbers.tolist(), kinds.tolist())
        self.tags = np.concatenate([self.tags, tags])
        self._entry_forms = np.concatenate([self._entry_forms, forms])
        self._foreign_forms.update(forms[foreign].tolist())
        self._note_unanimous(forms)
        return numbers

    def remove(self, numbers: Ints) -> None:
        """Let tokens vote no more."""
        if len(numbers) and self._index is not None:
            self._index.remove(numbers)
            self.forms.remove(self._entry_forms[numbers].tolist(), numbers.tolist())
            self._note_unanimous(self._entry_forms[numbers])

    def ballot(
        self,
        slots: Ints,
        forms: Ints,
        states: States,
        best: Ints,
        certainty: NDArray[np.float64],
        voting: Voting,
    ) -> Ballot:
        """Who votes on which slot.

        Args:
            slots: (N,) those that tokens stand at.
            forms: (N,) of those tokens, -1 for one that was not taught.
            states: (S, H) of all slots.
            best: (N,) the likeliest tags, by the model.
            certainty: (N,) their probabilities.
            voting: who is asked and what votes weigh.
        """
        if self._index is None or not len(slots):
            return _concatenated([])
        # Of most words' forms nobody would say anything else than the model does.
        dissent = (certainty <= voting.sure) | (self._unanimous[forms] != best)
        asking = np.flatnonzero((forms >= 0) & dissent)
        latest = self.forms.latest(forms[asking])  # (N, LATEST)
        real = latest >= 0
        agreeing = (self.tags[latest] == best[asking, None]) & real
        share = agreeing.sum(axis=1) / np.maximum(real.sum(axis=1), 1)
        sure = certainty[asking] > voting.sure
        kept = real.any(axis=1) & ~(sure & (share > voting.agreeing))
        doubted = np.flatnonzero(kept & sure)
        kept[doubted] = self._is_heard(
            states[slots[asking[doubted]]],
            self._kinds(forms[asking[doubted]]),
            np.where(agreeing[doubted], -1, latest[doubted]),
            voting,
        )
        asking, latest = asking[kept], latest[kept]
        parts = [self._form_votes(slots[asking], forms[asking], latest, states, voting)]
        unsure = slots[certainty < voting.uncertain]
        if len(unsure) and voting.states.weight:
            parts.append(self._state_votes(unsure, states, voting))
        return _concatenated(parts)

    def _note_unanimous(self, forms: Ints) -> None:
        forms = np.unique(forms)
        room = int(forms[-1]) + 1 - len(self._unanimous)
        if room > 0:
            self._unanimous = np.pad(self._unanimous, (0, room), constant_values=-1)
        latest = self.forms.latest(forms)  # (N, LATEST)
        tags = self.tags[latest]
        agreed = ((tags == tags[:, :1]) | (latest < 0)).all(axis=1) & (latest[:, 0] >= 0)
        self._unanimous[forms] = np.where(agreed, tags[:, 0], -1)

    def _kinds(self, forms: Ints) -> Ints:
        kinds = self.forms.kinds(forms)
        if self._foreign_forms:  # of a label that it lacks the model cannot know anything
            kinds = np.where(np.isin(forms, list(self._foreign_forms)), NEW, kinds)
        return kinds

    def _is_heard(
        self, states: Floats, kinds: Ints, entries: Ints, voting: Voting
    ) -> NDArray[np.bool_]:
        """Whether votes of N slots' dissenters may amount to something, (N,).

        Args:
            states: (N, H).
            kinds: (N,) of the slots' forms.
            entries: (N, E) the dissenters, -1 for none.
            voting: what votes weigh.
        """
        rows, columns = np.nonzero(entries >= 0)
        reach = self._reach(states, kinds, rows, entries[rows, columns], voting)
        heard: NDArray[np.bool_] = (
            np.bincount(rows, weights=reach, minlength=len(states)) > voting.audible
        )
        return heard

    def _reach(
        self, queries: Floats, kinds: Ints, rows: Ints, entries: Ints, voting: Voting
    ) -> NDArray[np.float64]:
        """What votes may weigh, (V,): states are compared by projections, a quarter as long.

        Args:
            queries: (N, H), of any length.
            kinds: (N,) of their forms.
            rows: (V,) the query of each vote.
            entries: (V,) who votes.
            voting: what votes weigh.
        """
        assert self._index is not None
        cosines = self._index.near_cosines(entries, self._index.projected(queries), rows)
        return kernel_weights(voting.forms, kinds[rows], np.minimum(cosines + _SLACK, 1.0))

    def _form_votes(
        self, slots: Ints, forms: Ints, latest: Ints, states: States, voting: Voting
    ) -> _Votes:
        assert self._index is not None
        kinds = self._kinds(forms)
        queries = unit(states[slots])
        rows, columns = np.nonzero(latest >= 0)
        if voting.least:
            reach = self._reach(queries, kinds, rows, latest[rows, columns], voting)
            rows, columns = rows[reach >= voting.least], columns[reach >= voting.least]
        entries = latest[rows, columns]
        cosines = np.full(latest.shape, -2.0, dtype=np.float32)
        cosines[rows, columns] = np.einsum("nh,nh->n", self._index.vectors[entries], queries[rows])
        order = np.argsort(-cosines, axis=1, kind="stable")[:, : voting.neighbours]
        nearest = np.take_along_axis(latest, order, 1)
        ordered = np.take_along_axis(cosines, order, 1)
        rows, columns = np.nonzero(ordered > -2.0)
        near = ordered[rows, columns]
        weights = kernel_weights(voting.forms, kinds[rows], near)
        return slots[rows], nearest[rows, columns], near, weights

    def _state_votes(self, slots: Ints, states: States, voting: Voting) -> _Votes:
        assert self._index is not None
        entries, cosines = self._index.search(unit(states[slots]), voting.neighbours)
        rows, columns = np.nonzero(entries >= 0)
        near = cosines[rows, columns]
        kinds = np.zeros(len(rows), dtype=np.int64)
        weights = kernel_weights((voting.states,), kinds, near)
        return slots[rows], entries[rows, columns], near, weights


def unit(states: Floats) -> Floats:
    """States of length 1: cells without bounds have states of any length."""
    lengths = np.linalg.norm(states, axis=1, keepdims=True)
    result: Floats = states / np.maximum(lengths, np.float32(1e-12))
    return result


def _concatenated(parts: Sequence[_Votes]) -> Ballot:
    nothing = np.zeros(0, dtype=np.int64)
    none: _Votes = (nothing, nothing, np.zeros(0, np.float32), np.zeros(0))
    return Ballot(*(np.concatenate(columns) for columns in zip(none, *parts, strict=True)))
