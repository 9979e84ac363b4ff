"""Full precision in ONNX Runtime and torch, and int8: how far the answers are the same."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ner_service.entities import Entity
from ner_service.tagger import Document, PreparedDocument, Tagger
from tests.benchmarks.bench import Bench, say
from training.cases import make_cases, prepared
from training.corpus import iter_documents, load_split
from training.evaluation import spans_of
from training.metrics import score_spans

TEST_SET = "eng.testb"
_QUICK_DOCUMENTS = 12


def measure(bench: Bench) -> dict[str, Any]:
    corpus = load_split(str(bench.corpus / TEST_SET))
    documents = [document for split in corpus.splits.values() for document in iter_documents(split)]
    if bench.quick:
        documents = documents[:_QUICK_DOCUMENTS]
    cases = make_cases(documents, corpus.scheme)
    taggers = {
        "onnx": Tagger.load(bench.model, backend="onnx", threads=1),
        "torch": Tagger.load(bench.model, backend="torch", threads=1),
        "int8": Tagger.load(bench.model, backend="onnx", precision="int8", threads=1),
    }
    ready = [prepared(taggers["onnx"], case, "gold") for case in cases]
    answers = {name: tagger.tag_documents(ready) for name, tagger in taggers.items()}
    say("  in a batch")
    for name in ("onnx", "int8"):
        answers[f"{name} alone"] = _alone(taggers[name], ready)
    say("  alone")
    gold = [case.gold for case in cases]
    return {
        "test_set": TEST_SET,
        "documents": len(cases),
        "tokens": sum(len(document.tokens) for document in ready),
        "f1": {
            name: score_spans(gold, [spans_of(d.entities) for d in found]).overall.f1
            for name, found in answers.items()
        },
        "compared": {
            f"{one} / {other}": compare(answers[one], answers[other])
            for one, other in (
                ("onnx", "torch"),
                ("onnx", "onnx alone"),
                ("int8", "onnx"),
                ("int8", "int8 alone"),
            )
        },
    }


def compare(one: Sequence[Document], other: Sequence[Document]) -> dict[str, float]:
    """Tags that differ, and scores of entities that both have.

    Returns:
        `tags_changed` of `tags`, their `share`, the `largest` and `mean` change of a score, and how
        many entities are in both and in one alone.
    """
    pairs = list(zip(one, other, strict=True))
    tags = sum(len(first.tag_ids) for first, _ in pairs)
    changed = sum(int((first.tag_ids != second.tag_ids).sum()) for first, second in pairs)
    differences: list[float] = []
    alone = 0
    for first, second in pairs:
        scores, others = _scores(first.entities), _scores(second.entities)
        differences += [abs(scores[key] - others[key]) for key in scores.keys() & others.keys()]
        alone += len(scores.keys() ^ others.keys())
    return {
        "tags": tags,
        "tags_changed": changed,
        "share": changed / tags,
        "largest": max(differences, default=0.0),
        "mean": float(np.mean(differences)) if differences else 0.0,
        "entities_in_both": len(differences),
        "entities_in_one": alone,
    }


def _scores(entities: Sequence[Entity]) -> dict[tuple[int, int, str], float]:
    return {(entity.start, entity.end, entity.label): entity.score for entity in entities}


def _alone(tagger: Tagger, documents: Sequence[PreparedDocument]) -> list[Document]:
    return [answer for document in documents for answer in tagger.tag_documents([document])]
