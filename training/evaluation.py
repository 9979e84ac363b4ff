"""A tagger's answers for a corpus, compared with the gold entities."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ner_service.entities import Entity
from ner_service.tagger import Tagger
from training.cases import Case, TextSpan, TokenSource, WordChange, make_cases, prepared
from training.corpus import Corpus, iter_documents
from training.metrics import Counts, Scores, score_spans
from training.reliability import Reliability, measure_reliability

_TOKENS_A_CALL = 50_000
"""Enough to fill the network's batches; the answers of a large corpus need not all be in flight."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was asked, what was answered, and how well.

    Attributes:
        cases: the texts with their gold entities.
        predicted: the entities found in each, rising.
        scores: exact matches of bounds and label.
        reliability: of the predicted entities' scores.
        tokens: as the tagger counts them.
        seconds: that tagging took.
    """

    cases: tuple[Case, ...]
    predicted: tuple[tuple[Entity, ...], ...]
    scores: Scores
    reliability: Reliability
    tokens: int
    seconds: float

    @property
    def predicted_spans(self) -> list[list[TextSpan]]:
        """The predicted entities without their scores."""
        return [spans_of(entities) for entities in self.predicted]


def evaluate(
    tagger: Tagger,
    corpus: Corpus,
    *,
    tokens: TokenSource = "gold",
    change: WordChange = str,
    labels: Mapping[str, str] | None = None,
) -> Evaluation:
    """Tag the only split of a corpus and compare.

    Args:
        tagger: with its model.
        corpus: from `load_split`; the documents of all its splits are taken.
        tokens: the corpus's own tokens, or running text.
        change: of every word, for instance to lower case.
        labels: the corpus's labels to keep and what the model calls them; the model's other
            labels are then left out too. None keeps all.
    """
    documents = [document for split in corpus.splits.values() for document in iter_documents(split)]
    cases = make_cases(documents, corpus.scheme, tokens=tokens, change=change, labels=labels)
    return compare(tagger, cases, tokens=tokens, labels=labels)


def compare(
    tagger: Tagger,
    cases: Sequence[Case],
    *,
    tokens: TokenSource = "gold",
    labels: Mapping[str, str] | None = None,
) -> Evaluation:
    """Tag cases and compare; see `evaluate`."""
    begun = time.perf_counter()
    wanted = None if labels is None else set(labels.values())
    predicted: list[tuple[Entity, ...]] = []
    token_count = 0
    batch = []
    pending = 0
    for index, case in enumerate(cases):
        batch.append(prepared(tagger, case, tokens))
        pending += len(batch[-1].tokens)
        if pending >= _TOKENS_A_CALL or index + 1 == len(cases):
            for document in tagger.tag_documents(batch):
                predicted.append(
                    tuple(e for e in document.entities if wanted is None or e.label in wanted)
                )
            token_count += pending
            batch, pending = [], 0
    seconds = time.perf_counter() - begun
    spans = [spans_of(entities) for entities in predicted]
    return Evaluation(
        tuple(cases),
        tuple(predicted),
        score_spans([case.gold for case in cases], spans),
        _reliability(cases, predicted),
        token_count,
        seconds,
    )


def spans_of(entities: Sequence[Entity]) -> list[TextSpan]:
    """Entities without text and score."""
    return [TextSpan(entity.start, entity.end, entity.label) for entity in entities]


def figures(evaluation: Evaluation) -> dict[str, Any]:
    """The scores as plain numbers: `precision`, `recall`, `f1`, `per_label`, `ece`, `counts`."""
    scores = evaluation.scores
    return {
        **_shares(scores.overall),
        "per_label": {label: rates(counts) for label, counts in scores.by_label.items()},
        "ece": round(evaluation.reliability.expected_error, 6),
        "counts": {
            **asdict(scores.overall),
            "documents": len(evaluation.cases),
            "sentences": sum(len(case.sentences) for case in evaluation.cases),
            "words": sum(len(case.words) for case in evaluation.cases),
            "tokens": evaluation.tokens,
        },
        "seconds": round(evaluation.seconds, 3),
    }


def rates(counts: Counts) -> dict[str, float]:
    """Counts with the shares that follow from them, as plain numbers."""
    return {**_shares(counts), **asdict(counts)}


def _shares(counts: Counts) -> dict[str, float]:
    return {
        "precision": round(counts.precision, 6),
        "recall": round(counts.recall, 6),
        "f1": round(counts.f1, 6),
    }


def _reliability(cases: Sequence[Case], predicted: Sequence[Sequence[Entity]]) -> Reliability:
    scores, correct = [], []
    for case, entities in zip(cases, predicted, strict=True):
        gold = set(case.gold)
        for entity, span in zip(entities, spans_of(entities), strict=True):
            scores.append(entity.score)
            correct.append(span in gold)
    return measure_reliability(scores, correct)
