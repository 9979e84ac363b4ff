"""The memory of one model: learns examples, and lets them vote when texts are tagged."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ner_service.artifact import Artifact
from ner_service.inference.analyser import Analyser
from ner_service.inference.analysis import Neighbour
from ner_service.inference.decoder import Decoder, Summed
from ner_service.inference.decoding import DecodingWeights
from ner_service.inference.lattices import SegmentSums, ends_of
from ner_service.memory.crf import extended_tags, extended_weights
from ner_service.memory.electorate import Electorate, States
from ner_service.memory.examples import Example
from ner_service.memory.forms import CachedWords
from ner_service.memory.recalled import Recalled
from ner_service.memory.vectors import EXACT_UP_TO
from ner_service.memory.votes import Voting, count_votes, mixed
from ner_service.tags import tags_from_spans
from ner_service.text import Tokens

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Memory:
    """Taught tokens of one model; to be used by one thread at a time, like the tagger.

    The tag set only grows, so that an answer's tag ids stay valid.

    Attributes:
        decoder: for the extended tags; made when first something is learnt, as is the next.
        analyser: likewise.
    """

    decoder: Decoder
    analyser: Analyser
    _model_weights: DecodingWeights

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
        self._artifact, self._seen = artifact, seen
        self._config = artifact.config
        self.labels: tuple[str, ...] = ()
        self.tags = artifact.config.tags
        self._count = 0
        self._electorate = Electorate(exact_up_to=exact_up_to)
        # Columns, not tuples: the garbage collector has nothing to look through.
        self._entry_examples: list[str] = []
        self._entry_places: list[int] = []
        self._entry_texts: list[str] = []
        self._of_example: dict[str, Ints] = {}

    def __len__(self) -> int:
        """How many tokens are remembered."""
        return self._count

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
        tags = np.array(
            [
                tag_ids[tag]
                for own, words_of in zip(spans, tokens, strict=True)
                for tag in tags_from_spans(own, len(words_of), self._config.scheme)
            ],
            dtype=np.int64,
        )
        numbers = self._electorate.add(
            words,
            np.concatenate([own for own in states if len(own)]),
            tags=tags,
            kinds=self._seen(words),
            foreign=tags >= len(self._config.tags),
        )
        self._count += len(words)
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
            if numbers is not None:
                self._electorate.remove(numbers)
                self._count -= len(numbers)

    def recall(
        self,
        words: CachedWords,
        states: States,
        emissions: Floats,
        segments: Sequence[tuple[int, int]],
        boundaries: NDArray[np.int64],
    ) -> Recalled:
        """Let the memory vote on documents of S slots together.

        Args:
            words: the tokens' texts.
            states: (S, H) hidden states.
            emissions: (S, K') of the model; overwritten.
            segments: of the slots.
            boundaries: rising, the slots between sentences.
        """
        emissions /= np.float32(self._config.temperature)
        Decoder.force_boundaries(emissions, boundaries)
        sums = SegmentSums.over(emissions, *ends_of(segments), self._model_weights)
        best, certainty = sums.likeliest(len(emissions))
        slots = np.delete(np.arange(len(emissions)), boundaries)
        ballot = self._electorate.ballot(
            slots,
            self._electorate.forms.find_cached(words),
            states,
            best[slots],
            certainty[slots],
            self.voting,
        )
        width = len(self.tags)
        extended = np.full((len(emissions), width), -np.inf, dtype=np.float32)
        extended[:, : emissions.shape[1]] = emissions
        voted, rows = np.unique(ballot.rows, return_inverse=True)
        votes = count_votes(replace(ballot, rows=rows), self._electorate.tags, (len(voted), width))
        marginals = sums.marginals(voted)
        if len(voted):
            extended[voted] = mixed(extended[voted], marginals, votes)
        return Recalled(self, states, extended, Summed(sums, voted), marginals, votes)

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
        # All are asked, whatever the model holds.
        every = replace(self.voting, sure=1.1, uncertain=1.1, least=0.0)
        best, certainty = marginals.argmax(axis=1), marginals.max(axis=1)
        slots = np.arange(len(words))
        forms = self._electorate.forms.find(words)
        ballot = self._electorate.ballot(slots, forms, states, best, certainty, every)
        for row, entry, cosine, weight in zip(
            ballot.rows.tolist(),
            ballot.entries.tolist(),
            ballot.cosines.tolist(),
            ballot.weights.tolist(),
            strict=True,
        ):
            tag = self.tags[self._electorate.tags[entry]]
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

    def _extend(self, labels: Iterable[str]) -> None:
        config = self._config
        known = {*config.labels, *self.labels}
        new = tuple(dict.fromkeys(label for label in labels if label not in known))
        if not new and self._entry_texts:
            return
        self._model_weights = Decoder(self._artifact).weights
        self.labels += new
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
