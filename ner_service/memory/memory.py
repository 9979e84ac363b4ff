"""The memory of one model: learns examples, and lets them vote when texts are tagged."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ner_service.artifact import Artifact
from ner_service.inference.analyser import Analyser
from ner_service.inference.analysis import Neighbour
from ner_service.inference.decoder import Decoder
from ner_service.memory.crf import extended_tags, extended_weights
from ner_service.memory.examples import Example
from ner_service.memory.forms import FormTable
from ner_service.memory.lattices import segment_marginals
from ner_service.memory.recalled import Recalled
from ner_service.memory.vectors import EXACT_UP_TO, VectorIndex
from ner_service.memory.votes import (
    NEW,
    Ballot,
    Voting,
    count_votes,
    kernel_weights,
    mixed,
)
from ner_service.tags import tags_from_spans
from ner_service.text import Tokens

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Memory:
    """Taught tokens of one model; to be used by one thread at a time, like the tagger.

    The decoder and the analyser are those for the extended tags; the tag set only grows, so that
    an answer's tag ids stay valid.
    """

    def __init__(
        self,
        artifact: Artifact,
        seen: Callable[[Sequence[str]], Ints],
        *,
        voting: Voting | None = None,
        exact_up_to: int = EXACT_UP_TO,
    ) -> None:
        """Start empty.

        Args:
            artifact: the model.
            seen: what the model has seen of words: TRAINED, KNOWN or NEW.
            voting: what votes weigh.
            exact_up_to: how many states are searched exactly.
        """
        self.voting = voting or Voting()
        self._artifact, self._seen, self._exact_up_to = artifact, seen, exact_up_to
        self._config = artifact.config
        self._model_weights = Decoder(artifact).weights
        self.labels: tuple[str, ...] = ()
        self._forms = FormTable()
        self._index: VectorIndex | None = None
        # Columns, not tuples: the garbage collector has nothing to look through.
        self._entry_examples: list[str] = []
        self._entry_places: list[int] = []
        self._entry_texts: list[str] = []
        self._entry_tags = np.zeros(0, dtype=np.int64)
        self._entry_forms = np.zeros(0, dtype=np.int64)
        self._foreign_forms: set[int] = set()
        self._of_example: dict[str, Ints] = {}
        self._extend(())

    def __len__(self) -> int:
        """How many tokens are remembered."""
        return sum(map(len, self._of_example.values()))

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The ids of the examples that are remembered."""
        return tuple(self._of_example)

    @property
    def examples(self) -> int:
        """How many examples are remembered."""
        return len(self._of_example)

    def learn(
        self,
        examples: Sequence[Example],
        tokens: Sequence[Tokens],
        states: Sequence[Floats],
    ) -> None:
        """Remember examples, of each its tokens and their hidden states (tokens, H).

        Raises:
            ConfigError: an entity is not one of whole tokens; nothing is learnt.
        """
        spans = [e.spans(own) for e, own in zip(examples, tokens, strict=True)]
        self._extend(span.label for own in spans for span in own)
        tag_ids = {tag: index for index, tag in enumerate(self.tags)}
        words = list(chain.from_iterable(own.texts for own in tokens))
        if not words:
            nothing = np.zeros(0, dtype=np.int64)
            self._of_example.update((example.id, nothing) for example in examples)
            return
        tags = [
            tag_ids[tag]
            for own, words_of in zip(spans, tokens, strict=True)
            for tag in tags_from_spans(own, len(words_of), self._config.scheme)
        ]
        stacked = unit(np.concatenate([own for own in states if len(own)]))
        if self._index is None:
            self._index = VectorIndex(stacked.shape[1], exact_up_to=self._exact_up_to)
        numbers = self._index.add(stacked)
        forms = self._forms.add(words, numbers.tolist(), self._seen(words).tolist())
        self._entry_tags = np.concatenate([self._entry_tags, np.array(tags, dtype=np.int64)])
        self._entry_forms = np.concatenate([self._entry_forms, forms])
        foreign = np.array(tags) >= len(self._config.tags)
        self._foreign_forms.update(forms[foreign].tolist())
        begin = 0
        for example, own in zip(examples, tokens, strict=True):
            self._entry_examples += [example.id] * len(own)
            self._entry_places += range(len(own))
            self._entry_texts += own.texts
            self._of_example[example.id] = numbers[begin : begin + len(own)]
            begin += len(own)

    def forget(self, identifiers: Iterable[str]) -> None:
        """Remember examples no more."""
        for identifier in identifiers:
            numbers = self._of_example.pop(identifier, None)
            if numbers is not None and len(numbers) and self._index is not None:
                self._index.remove(numbers)
                self._forms.remove(self._entry_forms[numbers].tolist(), numbers.tolist())

    def recall(
        self,
        words: Sequence[Sequence[str]],
        states: Floats,
        emissions: Floats,
        segments: Sequence[tuple[int, int]],
        boundaries: NDArray[np.bool_],
    ) -> Recalled:
        """Let the memory vote on documents of S slots together.

        Args:
            words: the tokens' texts, document by document.
            states: (S, H) hidden states.
            emissions: (S, K') of the model; overwritten.
            segments: of the slots.
            boundaries: (S,) True between sentences.
        """
        emissions /= np.float32(self._config.temperature)
        Decoder.force_boundaries(emissions, boundaries)
        marginals = segment_marginals(emissions, segments, self._model_weights)
        forms = self._forms.find(list(chain.from_iterable(words)))
        ballot = self._ballot(np.flatnonzero(~boundaries), forms, states, marginals, self.voting)
        width = len(self.tags)
        extended = np.full((len(emissions), width), -np.inf, dtype=np.float32)
        extended[:, : emissions.shape[1]] = emissions
        voted, rows = np.unique(ballot.rows, return_inverse=True)
        votes = count_votes(replace(ballot, rows=rows), self._entry_tags, (len(voted), width))
        if len(voted):
            extended[voted] = mixed(extended[voted], marginals[voted], votes)
        return Recalled(self, states, marginals, extended, voted, votes)

    def neighbours(
        self, words: Sequence[str], states: Floats, marginals: NDArray[np.float64], count: int
    ) -> list[tuple[Neighbour, ...]]:
        """The neighbours of tokens, those with the heaviest votes first, whoever was asked.

        Args:
            words: N tokens.
            states: (N, H) their hidden states.
            marginals: (N, K) of the model.
            count: how many of each.
        """
        found: list[dict[int, Neighbour]] = [{} for _ in words]
        forms = self._forms.find(words)
        every = replace(self.voting, sure=1.1, uncertain=1.1)  # asked whatever the model holds
        ballot = self._ballot(np.arange(len(words)), forms, states, marginals, every)
        for row, entry, cosine, weight in zip(
            ballot.rows.tolist(),
            ballot.entries.tolist(),
            ballot.cosines.tolist(),
            ballot.weights.tolist(),
            strict=True,
        ):
            tag = self.tags[self._entry_tags[entry]]
            before = found[row][entry].weight if entry in found[row] else 0.0
            found[row][entry] = Neighbour(
                self._entry_examples[entry],
                self._entry_places[entry],
                self._entry_texts[entry],
                tag,
                round(cosine, 6),
                round(weight + before, 6),
            )
        return [
            tuple(sorted(own.values(), key=lambda n: (-n.weight, -n.similarity))[:count])
            for own in found
        ]

    def _ballot(
        self,
        slots: Ints,
        forms: Ints,
        states: Floats,
        marginals: NDArray[np.float64],
        voting: Voting,
    ) -> Ballot:
        """Who votes on which slot; `forms` are those of the tokens at `slots`."""
        if self._index is None or not len(slots):
            nothing = np.zeros(0, dtype=np.int64)
            return Ballot(nothing, nothing, np.zeros(0, np.float32), np.zeros(0))
        best = marginals[slots].argmax(axis=1)
        certainty = marginals[slots, best]
        asking = np.flatnonzero(forms >= 0)
        latest = self._forms.latest(forms[asking])  # (N, LATEST)
        real = latest >= 0
        agreeing = (self._entry_tags[latest] == best[asking, None]) & real
        share = agreeing.sum(axis=1) / np.maximum(real.sum(axis=1), 1)
        idle = (certainty[asking] > voting.sure) & (share > voting.agreeing)
        idle |= ~real.any(axis=1)
        asking, latest = asking[~idle], latest[~idle]
        parts = [self._form_votes(slots[asking], forms[asking], latest, states, voting)]
        unsure = slots[certainty < voting.uncertain]
        if len(unsure) and voting.states.weight:
            parts.append(self._state_votes(unsure, states, voting))
        return Ballot(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _form_votes(
        self, slots: Ints, forms: Ints, latest: Ints, states: Floats, voting: Voting
    ) -> tuple[Ints, Ints, Floats, NDArray[np.float64]]:
        assert self._index is not None
        queries = unit(states[slots])
        real = latest >= 0
        rows, columns = np.nonzero(real)
        entries = latest[rows, columns]
        cosines = np.full(latest.shape, -2.0, dtype=np.float32)
        cosines[rows, columns] = np.einsum("nh,nh->n", self._index.vectors[entries], queries[rows])
        order = np.argsort(-cosines, axis=1, kind="stable")[:, : voting.neighbours]
        nearest = np.take_along_axis(latest, order, 1)
        rows, columns = np.nonzero(nearest >= 0)
        near = np.take_along_axis(cosines, order, 1)[rows, columns]
        kinds = self._forms.kinds(forms)
        if self._foreign_forms:  # of a label that it lacks the model cannot know anything
            foreign = np.isin(forms, list(self._foreign_forms))
            kinds = np.where(foreign, NEW, kinds)
        weights = kernel_weights(voting.forms, kinds[rows], near)
        return slots[rows], nearest[rows, columns], near, weights

    def _state_votes(
        self, slots: Ints, states: Floats, voting: Voting
    ) -> tuple[Ints, Ints, Floats, NDArray[np.float64]]:
        assert self._index is not None
        entries, cosines = self._index.search(unit(states[slots]), voting.neighbours)
        rows, columns = np.nonzero(entries >= 0)
        near = cosines[rows, columns]
        kinds = np.zeros(len(rows), dtype=np.int64)
        weights = kernel_weights((voting.states,), kinds, near)
        return slots[rows], entries[rows, columns], near, weights

    def _extend(self, labels: Iterable[str]) -> None:
        known = {*self._config.labels, *self.labels}
        self.labels += tuple(dict.fromkeys(label for label in labels if label not in known))
        config = self._config
        self.tags = extended_tags(config.tags, self.labels, config.scheme)
        weights = extended_weights(self._model_weights, self.tags, len(config.tags), config.scheme)
        # The weights are tempered already, and so are the emissions that `recall` gives.
        extended = replace(config, labels=(*config.labels, *self.labels), temperature=1.0)
        stored = {
            "crf.transitions": weights.transitions,
            "crf.start_transitions": weights.start,
            "crf.end_transitions": weights.end,
        }
        self.decoder = Decoder(replace(self._artifact, config=extended, weights=stored))
        self.analyser = Analyser.build(self.tags, config.scheme, self.decoder.weights)


def unit(states: Floats) -> Floats:
    """States of length 1: cells without bounds have states of any length."""
    lengths = np.linalg.norm(states, axis=1, keepdims=True)
    result: Floats = states / np.maximum(lengths, np.float32(1e-12))
    return result
