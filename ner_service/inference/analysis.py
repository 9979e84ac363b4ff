"""What the model held possible beside its answer: other spans, other labellings, marginals."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ner_service.entities import Entity
from ner_service.inference.nbest import k_best_combinations
from ner_service.text.tokenizer import Tokens

LEAST_PROBABILITY = 0.001
"""Smaller probabilities are not looked for: there would be too many of them to be of use."""
MOST_LABELLINGS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an analysis should hold.

    Attributes:
        nbest: how many labellings.
        least: least probability of a reading, None for no readings.
        marginals: whether marginals are wanted.
    """

    nbest: int = 0
    least: float | None = None
    marginals: bool = False


@dataclass(frozen=True, slots=True)
class Labelling:
    """One way to label the whole document.

    Attributes:
        entities: in the order of the text, each with the probability of its span.
        log_probability: natural logarithm of the probability of exactly this labelling.
    """

    entities: tuple[Entity, ...]
    log_probability: float

    @property
    def probability(self) -> float:
        """Probability of exactly this labelling; 0.0 where it is too small for a number."""
        return math.exp(self.log_probability)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A taught token that is near to a token of the text.

    Attributes:
        example: the id of the example.
        token: its place among the example's tokens.
        text: its surface.
        tag: as it was taught.
        similarity: cosine of the hidden states.
        weight: of its vote; votes of weight 1 count as much as a model that is sure.
    """

    example: str
    token: int
    text: str
    tag: str
    similarity: float
    weight: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the model held of one entity.

    Attributes:
        tokens: for each of its tokens the likely tags and their marginals, likeliest first.
        runners_up: other labels of the very same span and their exact probabilities, likeliest
            first.
        neighbours: of each token in memory, heaviest votes first; empty without a memory.
    """

    tokens: tuple[dict[str, float], ...]
    runners_up: dict[str, float]
    neighbours: tuple[tuple[Neighbour, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the model held possible; what was not asked for is empty.

    Attributes:
        readings: every span, chosen or not, of at least the probability asked for.
        nbest: the best labellings, best first.
        marginals: (tokens, K) probability of each tag at each token.
        neighbours: of each token of an entity; of other tokens none.
    """

    readings: tuple[Entity, ...] = ()
    nbest: tuple[Labelling, ...] = ()
    marginals: NDArray[np.float64] | None = None
    neighbours: tuple[tuple[Neighbour, ...], ...] = ()

    def candidates(self, chosen: Iterable[Entity], least: float = 0.0) -> tuple[Entity, ...]:
        """The readings of at least that probability that were not chosen."""
        taken = {(entity.start, entity.end, entity.label) for entity in chosen}
        return tuple(
            reading
            for reading in self.readings
            if reading.score >= least and (reading.start, reading.end, reading.label) not in taken
        )

    def explain(self, entity: Entity, tokens: Tokens, tags: Sequence[str]) -> Explanation:
        """Explain an entity, wherever it is from, by what the model held of its tokens.

        Args:
            entity: of the document.
            tokens: the document's.
            tags: the model's, in id order.
        """
        own = tokens.within(entity.start, entity.end)
        rows = () if self.marginals is None else self.marginals[own.start : own.stop]
        begin = bisect_left(self.readings, entity.start, key=lambda reading: reading.start)
        others: dict[str, float] = {}
        for reading in self.readings[begin:]:
            if reading.start > entity.start:
                break
            if reading.end == entity.end and reading.label != entity.label:
                others[reading.label] = reading.score
        return Explanation(
            tuple(_likely(row, tags) for row in rows),
            _falling(others),
            self.neighbours[own.start : own.stop],
        )


def join_analyses(parts: Sequence[Analysis], wanted: Wanted) -> Analysis:
    """The analysis of a document from those of its consecutive pieces."""
    if len(parts) == 1:
        return parts[0]
    return Analysis(
        tuple(reading for part in parts for reading in part.readings),
        _joined_labellings([part.nbest for part in parts], wanted.nbest),
        _joined_marginals([part.marginals for part in parts if part.marginals is not None])
        if wanted.marginals
        else None,
        tuple(chain.from_iterable(part.neighbours for part in parts)),
    )


def _joined_labellings(parts: Sequence[tuple[Labelling, ...]], count: int) -> tuple[Labelling, ...]:
    if not count:
        return ()
    log_probabilities = [[labelling.log_probability for labelling in part] for part in parts]
    return tuple(
        Labelling(
            tuple(
                entity
                for index, part in enumerate(parts)
                for entity in part[combination.ranks.get(index, 0)].entities
            ),
            combination.log_probability,
        )
        for combination in k_best_combinations(log_probabilities, count)
    )


def _joined_marginals(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """One below the other; a label that was taught in between has none before."""
    width = max(part.shape[1] for part in parts)
    return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts])


def _likely(row: NDArray[np.float64], tags: Sequence[str]) -> dict[str, float]:
    likely = np.flatnonzero(row >= LEAST_PROBABILITY)
    return _falling({tags[tag]: round(float(row[tag]), 6) for tag in likely.tolist()})


def _falling(probabilities: dict[str, float]) -> dict[str, float]:
    return dict(sorted(probabilities.items(), key=lambda item: -item[1]))
