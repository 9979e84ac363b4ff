"""A model's figures on named corpora, in several conditions: what goes into `metrics.json`."""

import logging
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from ner_service.errors import ConfigError
from ner_service.tagger import Tagger
from training.cases import TokenSource, WordChange
from training.corpus import Corpus, load_split
from training.evaluation import Evaluation, evaluate, figures, rates
from training.metrics import confusion
from training.mistakes import KINDS, find_mistakes, partial_scores
from training.noise import typing_noise
from training.reliability import Reliability
from training.seen import scores_by_novelty

logger = logging.getLogger(__name__)

Condition = Literal["gold", "raw", "lower", "upper", "noise", "int8"]
CONDITION_NAMES: dict[Condition, str] = {
    "gold": "gold tokens",
    "raw": "raw text",
    "lower": "lower case",
    "upper": "upper case",
    "noise": "typing noise",
    "int8": "int8",
}
ROUNDED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSet:
    """A corpus to be measured on.

    Attributes:
        key: its name in `metrics.json`.
        title: its name for readers.
        path: file, folder or name on the Hub.
        labels: of the corpus that are scored, and what the model calls them; empty keeps all.
        conditions: `gold` tokens, `raw` text, words in `lower` or `upper` case, with typing
            `noise` (these three with gold tokens), and `int8` precision.
        note: a sentence for readers.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    key: str
    title: str
    path: str
    labels: dict[str, str] = field(default_factory=dict)
    conditions: Annotated[tuple[Condition, ...], Field(min_length=1)] = ("gold",)
    note: str = ""

    def load(self) -> Corpus | None:
        """The corpus, None where there is nothing at the path.

        Raises:
            CorpusError: it is broken.
        """
        if not Path(self.path).exists():
            logger.warning("%s is not here: %s is left out", self.path, self.title)
            return None
        return load_split(self.path)


def load_sets(file: Path) -> list[EvaluationSet]:
    """Read the `[[set]]` tables of a TOML file.

    Raises:
        ConfigError: the file is missing, is not TOML, or a value is not acceptable.
    """
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
        return TypeAdapter(list[EvaluationSet]).validate_python(tables.get("set", []))
    except FileNotFoundError:
        raise ConfigError(f"{file}: expected a TOML file, found none") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML ({error})") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{file}: set.{place}: {first['msg']}") from None


def how(condition: Condition) -> tuple[TokenSource, WordChange]:
    """What a condition asks of the words. Noise begins anew with every call."""
    if condition == "raw":
        return "raw", str
    changes: Mapping[str, WordChange] = {
        "lower": str.lower,
        "upper": str.upper,
        "noise": typing_noise(),
    }
    return "gold", changes.get(condition, str)


def measure(
    model: Path,
    corpus: Corpus,
    asked: EvaluationSet,
    *,
    keys: NDArray[np.uint64] | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Measure a model on a corpus in every condition that is asked.

    Args:
        model: the model directory.
        corpus: all its splits are taken.
        asked: how; its path is not looked at.
        keys: of the training entities, to tell seen and unseen ones apart.
        threads: of the network.

    Returns:
        Plain values. Confusion, mistakes, reliability, seen and unseen are of the first condition.

    Raises:
        ArtifactError: the model is damaged.
    """
    labels = asked.labels or None
    tagger = Tagger.load(model.resolve(), backend="onnx", threads=threads)
    found: dict[str, Any] = {
        "title": asked.title,
        "labels": labels,
        "note": asked.note,
        "documents_marked": corpus.documents_marked,
        "conditions": {},
    }
    for number, condition in enumerate(asked.conditions):
        chosen = tagger
        if condition == "int8":
            try:
                chosen = Tagger.load(
                    model.resolve(), backend="onnx", precision="int8", threads=threads
                )
            except ConfigError:
                logger.info("%s has no int8 weights", model)
                continue
        tokens, change = how(condition)
        evaluation = evaluate(chosen, corpus, tokens=tokens, change=change, labels=labels)
        logger.info("%s, %s: f1 %.4f", asked.title, condition, evaluation.scores.overall.f1)
        found["conditions"][condition] = figures(evaluation)
        if number == 0:
            found |= details(evaluation, keys=keys)
    return found


def details(evaluation: Evaluation, *, keys: NDArray[np.uint64] | None = None) -> dict[str, Any]:
    """Everything about one evaluation that is more than its scores."""
    cases, predicted = evaluation.cases, evaluation.predicted_spans
    table = confusion([case.gold for case in cases], predicted)
    kinds = [mistake.kind for mistake in find_mistakes(cases, predicted)]
    result: dict[str, Any] = {
        "confusion": {"labels": table.labels, "counts": table.counts},
        "mistakes": {kind: kinds.count(kind) for kind in KINDS},
        "partial": partial_scores(cases, predicted, table.labels[:-1]),
        "reliability": reliability_rows(evaluation.reliability),
    }
    if keys is not None:
        result["novelty"] = {
            name: rates(scores.overall)
            for name, scores in scores_by_novelty(cases, predicted, keys).items()
        }
    return result


def reliability_rows(reliability: Reliability) -> dict[str, Any]:
    """A reliability table as plain numbers."""
    return {
        "ece": round(reliability.expected_error, ROUNDED),
        "bins": [
            {
                "low": round(each.low, ROUNDED),
                "high": round(each.high, ROUNDED),
                "count": each.count,
                "score": round(each.score, ROUNDED),
                "correct": round(each.correct, ROUNDED),
            }
            for each in reliability.bins
        ],
    }
