"""One temperature, so that a score of 0.9 means right nine times in ten.

Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks", section 4.2: all
scores are divided by one number that is fitted on the development set; the best path stays the
best, so what is found never changes, only how sure the model says it is. There the number minimises
the negative log-likelihood of the true class. A CRF's counterpart would be that of the whole gold
path; but the probability that is given to users is that of a predicted entity, so what is minimised
here is the log loss of just that: of "this entity is right" under its score. It is a proper scoring
rule of the same kind, and not swamped by the many easy tokens outside of entities.

A development set is of the days of the training set, and two thirds of its entities were met there;
of those the model is right more often than it says, of the others less. In texts to come more names
are new. So entities that training had and those that it had not weigh half each.
"""

import logging
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from ner_service.artifact import ArtifactConfig, load_artifact
from ner_service.artifact.config import SCHEMA_VERSION
from ner_service.artifact.locate import resolve_model
from ner_service.artifact.store import CONFIG, write_manifest
from ner_service.errors import ConfigError
from training.consistency import STEP, ConsistencyFit, fit_consistency
from training.corpus import Corpus, load_split
from training.emissions import Development, read_development
from training.measure import reliability_rows
from training.metrics_file import Metrics, read_metrics, save_metrics
from training.reliability import Reliability, measure_reliability
from training.usage import OneLineParser, run_command

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]

LOWEST, HIGHEST = 0.1, 10.0
_ROUNDS = 24
_DIGITS = 4
_CLOSEST = 1e-6
"""Scores are published with six digits; none counts as surer than that."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted temperature and what it does to the predicted entities' scores.

    Attributes:
        temperature: the best one.
        before: reliability at temperature 1.
        after: at the best one.
        loss_before: log loss of "this entity is right", what was met in training and what was not
            weighing half each.
        loss_after: likewise.
    """

    temperature: float
    before: Reliability
    after: Reliability
    loss_before: float
    loss_after: float


def fit(development: Development, *, weight: float | None = None) -> Calibration:
    """Fit the temperature for which the predicted entities' scores are the best probabilities.

    Args:
        development: the corpus.
        weight: with which words share their labels, the model's own if None.
    """
    emissions = development.emissions.shared(weight)

    def judged(temperature: float) -> tuple[Floats, NDArray[np.bool_], Floats]:
        decoded = emissions.decode(temperature)
        right = np.array([span in development.gold for span in decoded.spans], dtype=bool)
        weights = half_each(development.are_seen(decoded.spans))
        return np.array(decoded.scores, dtype=np.float64), right, weights

    if not len(judged(1.0)[0]):
        logger.warning("nothing was predicted, the temperature stays 1")
        best = 1.0
    else:
        logarithm = minimise(
            lambda x: log_loss(*judged(math.exp(x))), math.log(LOWEST), math.log(HIGHEST)
        )
        best = round(math.exp(logarithm), _DIGITS)
    before, after = judged(1.0), judged(best)
    return Calibration(
        best,
        measure_reliability(*before[:2]),
        measure_reliability(*after[:2]),
        log_loss(*before),
        log_loss(*after),
    )


def half_each(seen: NDArray[np.bool_]) -> Floats:
    """Weights, (N,), under which two kinds of things count half each, where there are both."""
    share = seen.mean() if len(seen) else 0.0
    if share in (0.0, 1.0):
        return np.ones(len(seen))
    return np.where(seen, 0.5 / share, 0.5 / (1.0 - share))


def log_loss(scores: Floats, correct: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Mean negative log-likelihood of being right under the scores; 0 for none.

    Args:
        scores: (N,) probabilities.
        correct: (N,) what came true.
        weights: (N,) of each in the mean, the same if None.
    """
    if not len(scores):
        return 0.0
    sure = np.clip(np.where(correct, scores, 1.0 - scores), _CLOSEST, None)
    return float(np.average(-np.log(sure), weights=weights))


def minimise(
    function: Callable[[float], float], low: float, high: float, *, rounds: int = _ROUNDS
) -> float:
    """The lowest place of a function with one valley, by golden-section search (Kiefer 1953)."""
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(rounds):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2


def calibrate(
    path: Path, corpus: Corpus, *, share: bool = False, threads: int | None = None
) -> tuple[ConsistencyFit | None, Calibration]:
    """Fit what is not trained on a development corpus, and write it into the model directory.

    If asked to, first the weight with which words share their labels, which decides what is found
    and otherwise stays what it is; then, under it, the temperature, which decides how sure the
    model is.

    Args:
        path: the model directory.
        corpus: gold tokens of all its splits are used.
        share: whether to fit the weight.
        threads: of the network.

    Raises:
        ArtifactError: the model is damaged.
    """
    development = read_development(path, corpus, threads=threads)
    agreed = fit_consistency(development) if share else None
    weight = load_artifact(path).config.consistency if agreed is None else agreed.weight
    fitted = fit(development, weight=weight)
    write_fitted(path, consistency=weight, temperature=fitted.temperature)
    return agreed, fitted


def write_fitted(path: Path, *, consistency: float, temperature: float) -> None:
    """Write fitted numbers into a model directory, and its new manifest.

    Raises:
        ArtifactError: the model is damaged.
        ConfigError: the temperature is not acceptable.
    """
    if not 0 < temperature <= 100:
        raise ConfigError(
            f"temperature: expected a number above 0 and up to 100, got {temperature}"
        )
    config = replace(
        load_artifact(path).config,
        schema_version=SCHEMA_VERSION,
        consistency=consistency,
        temperature=temperature,
    )
    written = TypeAdapter(ArtifactConfig).dump_json(config, indent=2) + b"\n"
    (path / CONFIG).write_bytes(written)
    write_manifest(path)


def fitted_metrics(agreed: ConsistencyFit | None, found: Calibration) -> Metrics:
    """What was fitted, as `metrics.json` keeps it."""
    shared: Metrics = {}
    if agreed is not None:
        shared = {"consistency": {"weight": agreed.weight, "step": STEP, "f1": list(agreed.f1)}}
    return shared | {
        "calibration": {
            "temperature": found.temperature,
            "before": reliability_rows(found.before) | {"log_loss": round(found.loss_before, 6)},
            "after": reliability_rows(found.after) | {"log_loss": round(found.loss_after, 6)},
        },
    }


def main(arguments: list[str] | None = None) -> int:
    """Fit a model's temperature and write it into the model; 2 for wrong usage, 1 for a failure."""
    parser = OneLineParser(prog="python -m training.calibration", description=main.__doc__)
    parser.add_argument("--model", required=True, help="model directory or name")
    parser.add_argument("--corpus", required=True, help="development set: file, folder or name")
    parser.add_argument(
        "--consistency",
        action="store_true",
        help="also fit how much a word's other occurrences in a document count",
    )
    options = parser.parse_args(arguments)
    return run_command(lambda: _calibrate(options.model, options.corpus, share=options.consistency))


def _calibrate(model: str, corpus: str, *, share: bool) -> None:
    path = resolve_model(model)
    agreed, found = calibrate(path, load_split(corpus, split="validation"), share=share)
    metrics = read_metrics(path)
    if metrics:
        save_metrics(path, metrics | fitted_metrics(agreed, found))
        write_manifest(path)
    if agreed is not None:
        best = agreed.f1[0] + agreed.gain
        print(f"consistency {agreed.weight}: F1 {agreed.f1[0]:.4f} -> {best:.4f}")
    print(
        f"temperature {found.temperature}: expected calibration error "
        f"{found.before.expected_error:.4f} -> {found.after.expected_error:.4f}, "
        f"log loss {found.loss_before:.4f} -> {found.loss_after:.4f}"
    )


if __name__ == "__main__":
    sys.exit(main())
