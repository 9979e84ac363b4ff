"""One temperature, so that a score of 0.9 means right nine times in ten.

Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks", section 4.2: all
scores are divided by one number that is fitted on the development set; the best path stays the
best, so what is found never changes, only how sure the model says it is. There the number minimises
the negative log-likelihood of the true class. A CRF's counterpart would be that of the whole gold
path; but the probability that is given to users is that of a predicted entity, so what is minimised
here is the log loss of just that: of "this entity is right" under its score. It is a proper scoring
rule of the same kind, and not swamped by the many easy tokens outside of entities.
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
from ner_service.artifact.locate import resolve_model
from ner_service.artifact.store import CONFIG, write_manifest
from ner_service.errors import ConfigError
from ner_service.inference.onnx_backend import OnnxBackend
from ner_service.tagger import Tagger
from ner_service.tags import Span, spans_from_tags
from training.cases import make_cases, prepared
from training.corpus import Corpus, iter_documents, load_split
from training.emissions import CorpusEmissions, read_emissions
from training.reliability import Reliability, measure_reliability
from training.usage import OneLineParser, run_command

logger = logging.getLogger(__name__)

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
        loss_before: mean log loss of "this entity is right".
        loss_after: likewise.
    """

    temperature: float
    before: Reliability
    after: Reliability
    loss_before: float
    loss_after: float


def fit_temperature(path: Path, corpus: Corpus, *, threads: int | None = None) -> Calibration:
    """Fit a model's temperature on a development corpus; the model is left as it is.

    Args:
        path: the model directory.
        corpus: gold tokens of all its splits are used.
        threads: of the network.

    Raises:
        ArtifactError: the model is damaged.
    """
    artifact = load_artifact(path)
    backend = OnnxBackend(artifact.path, threads=threads)
    tagger = Tagger(artifact, backend)
    documents = [d for split in corpus.splits.values() for d in iter_documents(split)]
    cases = make_cases(documents, corpus.scheme)
    emissions = read_emissions(
        artifact, backend, [prepared(tagger, case, "gold") for case in cases]
    )
    gold: list[Span] = []
    first = 0
    for document in documents:
        for sentence in document:
            gold += [
                Span(first + span.start_token, first + span.end_token, span.label)
                for span in spans_from_tags(sentence.tags, corpus.scheme)
            ]
            first += len(sentence)
    return fit(emissions, gold)


def fit(emissions: CorpusEmissions, gold: list[Span]) -> Calibration:
    """Fit the temperature for which the predicted spans' scores are the best probabilities.

    Args:
        emissions: of a corpus.
        gold: spans over all its tokens in a row.
    """
    slots = emissions.token_slots
    known = {
        Span(int(slots[span.start_token]), int(slots[span.end_token - 1]) + 1, span.label)
        for span in gold
    }

    def judged(temperature: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        decoded = emissions.decode(temperature)
        right = np.array([span in known for span in decoded.spans], dtype=bool)
        return np.array(decoded.scores, dtype=np.float64), right

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
        measure_reliability(*before),
        measure_reliability(*after),
        log_loss(*before),
        log_loss(*after),
    )


def log_loss(scores: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Mean negative log-likelihood of being right under the scores; 0 for none."""
    if not len(scores):
        return 0.0
    sure = np.clip(np.where(correct, scores, 1.0 - scores), _CLOSEST, None)
    return float(-np.log(sure).mean())


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


def set_temperature(path: Path, value: float) -> None:
    """Write a temperature into a model directory, and its new manifest.

    Raises:
        ArtifactError: the model is damaged.
        ConfigError: the temperature is not acceptable.
    """
    if not 0 < value <= 100:
        raise ConfigError(f"temperature: expected a number above 0 and up to 100, got {value}")
    config = replace(load_artifact(path).config, temperature=value)
    written = TypeAdapter(ArtifactConfig).dump_json(config, indent=2) + b"\n"
    (path / CONFIG).write_bytes(written)
    write_manifest(path)


def main(arguments: list[str] | None = None) -> int:
    """Fit a model's temperature and write it into the model; 2 for wrong usage, 1 for a failure."""
    parser = OneLineParser(prog="python -m training.calibration", description=main.__doc__)
    parser.add_argument("--model", required=True, help="model directory or name")
    parser.add_argument("--corpus", required=True, help="development set: file, folder or name")
    options = parser.parse_args(arguments)
    return run_command(lambda: _calibrate(options.model, options.corpus))


def _calibrate(model: str, corpus: str) -> None:
    path = resolve_model(model)
    found = fit_temperature(path, load_split(corpus, split="validation"))
    set_temperature(path, found.temperature)
    print(
        f"temperature {found.temperature}: expected calibration error "
        f"{found.before.expected_error:.4f} -> {found.after.expected_error:.4f}, "
        f"log loss {found.loss_before:.4f} -> {found.loss_after:.4f}"
    )


if __name__ == "__main__":
    sys.exit(main())
