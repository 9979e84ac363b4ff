"""The costliest tokens: those whose gold tags a model believes in least.

After the error analysis of Tunstall, von Werra and Wolf 2022, "Natural Language Processing with
Transformers", chapter 4: loss by token points at what is hard to learn, and at wrong annotations.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ner_service.artifact import load_artifact
from ner_service.inference.onnx_backend import OnnxBackend
from ner_service.tagger import Tagger
from ner_service.tags import OUTSIDE, split_tag
from training.cases import Case, prepared
from training.emissions import read_emissions
from training.predictions import tagged_pieces

_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class TokenCost:
    """One token of a case.

    Attributes:
        case: which text.
        word: which of its words.
        gold: the gold tag, in BIO.
        loss: -log of its probability, in nats.
    """

    case: int
    word: int
    gold: str
    loss: float


@dataclass(frozen=True, slots=True)
class WordCost:
    """All tokens of one form: how many, and their losses added up."""

    text: str
    count: int
    loss: float


def token_costs(
    path: Path,
    cases: Sequence[Case],
    *,
    labels: Iterable[str] | None = None,
    threads: int | None = None,
) -> list[TokenCost]:
    """The loss of every token under a model, given the corpus's own tokens.

    Args:
        path: the model directory.
        cases: made with gold tokens.
        labels: those that are scored; a token without one of them may have any other. None: all.
        threads: of the network.

    Returns:
        Tokens in order, without those whose label the model does not know.
    """
    artifact = load_artifact(path)
    backend = OnnxBackend(artifact.path, threads=threads)
    tagger = Tagger(artifact, backend)
    documents = [prepared(tagger, case, "gold") for case in cases]
    believed = _by_bio(
        read_emissions(artifact, backend, documents).shared().marginals(),
        artifact.config.tags,
        labels,
    )
    columns, probabilities = believed
    costs = []
    place = 0
    for index, case in enumerate(cases):
        tags = [tag for sentence in tagged_pieces(case, ()) for _, tag, _ in sentence]
        for word, tag in enumerate(tags):
            if tag in columns:
                probability = max(probabilities[place + word, columns[tag]], _LEAST)
                costs.append(TokenCost(index, word, tag, float(-np.log(probability))))
        place += len(tags)
    return costs


def word_costs(cases: Sequence[Case], costs: Iterable[TokenCost]) -> list[WordCost]:
    """Costs by form, the costliest first."""
    losses: defaultdict[str, list[float]] = defaultdict(list)
    for cost in costs:
        losses[cases[cost.case].word(cost.word)].append(cost.loss)
    found = [WordCost(text, len(each), sum(each)) for text, each in losses.items()]
    return sorted(found, key=lambda cost: (-cost.loss, cost.text))


def _by_bio(
    marginals: NDArray[np.float64], tags: Sequence[str], labels: Iterable[str] | None
) -> tuple[dict[str, int], NDArray[np.float64]]:
    """Probabilities of the BIO tags of the scored labels, and the column of each."""
    wanted = None if labels is None else set(labels)
    columns: dict[str, int] = {OUTSIDE: 0}
    target = []
    for tag in tags:
        prefix, label = split_tag(tag)
        name = OUTSIDE
        if label and (wanted is None or label in wanted):
            name = f"{'B' if prefix in 'BS' else 'I'}-{label}"
        target.append(columns.setdefault(name, len(columns)))
    summed = np.zeros((len(marginals), len(columns)))
    for source, column in enumerate(target):
        summed[:, column] += marginals[:, source]
    return columns, summed
