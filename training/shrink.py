"""A smaller network that does nearly what a larger one does: `python -m training.shrink`.

Words' rows and recurrent states are looked at over a corpus and raw texts, and what tells little
is left out: nothing is trained. A run may go on from there (`start` in its configuration).
"""

import logging
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ner_service.artifact import Artifact, load_artifact
from ner_service.artifact.locate import resolve_model
from ner_service.errors import ConfigError
from ner_service.inference.features import WordFeaturizer
from ner_service.inference.onnx_backend import OnnxBackend
from ner_service.inference.rows import WordRows
from ner_service.inference.states import state_steps
from ner_service.inference.steps import finish
from ner_service.inference.torch_backend import load_network
from ner_service.tagger import PreparedDocument, Tagger
from training.cases import make_cases, prepared
from training.corpus import Corpus, iter_documents, load_split
from training.emissions import row_ids_of
from training.export import write_model
from training.report import report_derived
from training.self_train import read_texts
from training.usage import OneLineParser, run_command

_PROJECTION = "word_encoder.projection"
_OUTPUT = "sentence_encoder.output"
_CELL = "sentence_encoder.recurrence.layers.0.{}"
_RECURRENT_SHARE = 0.5
"""How much it counts what a gate reads amiss, against what the output does."""
_RIDGE = 1e-4
"""Of the greatest variance, taken for the least: where states say the same, there is one answer."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Weights = dict[str, Floats]


class Moments:
    """Mean and covariance of vectors that come in batches.

    Attributes:
        count: of the vectors.
    """

    def __init__(self, width: int) -> None:
        """Of vectors of `width` numbers, none yet."""
        self.count = 0
        self._sum = np.zeros(width)
        self._products = np.zeros((width, width))

    def add(self, vectors: NDArray[np.float32]) -> None:
        """Take vectors (N, width) in."""
        exact = vectors.astype(np.float64)
        self.count += len(exact)
        self._sum += exact.sum(axis=0)
        self._products += exact.T @ exact

    @property
    def mean(self) -> Floats:
        """(width,)."""
        return self._sum / self.count

    @property
    def covariance(self) -> Floats:
        """(width, width)."""
        mean = self.mean
        return self._products / self.count - np.outer(mean, mean)


def observe(
    artifact: Artifact, corpus: Corpus, texts: Iterable[str], *, tokens: int
) -> tuple[Moments, Moments]:
    """Moments of words' rows and of states, in all of a corpus and so many tokens of raw texts.

    Raises:
        ConfigError: there is no token.
    """
    config = artifact.config
    backend = OnnxBackend(artifact.path, threads=1)
    tagger = Tagger(artifact, backend)
    featurizer = WordFeaturizer(config.network, artifact.vocabulary, artifact.vector_tables)
    words = WordRows(backend, featurizer)
    rows = Moments(config.network.word_width)
    states = Moments(config.network.state_width)
    for document in chain(_gold(tagger, corpus), _raw(tagger, texts, tokens)):
        layout = document.layout
        if not layout.slot_count:
            continue
        row_ids = row_ids_of(words, document)
        found, _ = finish(state_steps(backend, words.matrix, row_ids, layout.windows))
        rows.add(words.matrix[row_ids])
        states.add(found[np.arange(layout.slot_count)])
    if not rows.count:
        raise ConfigError("corpus: expected at least one token, got none")
    return rows, states


def _gold(tagger: Tagger, corpus: Corpus) -> Iterator[PreparedDocument]:
    documents = [document for split in corpus.splits.values() for document in iter_documents(split)]
    for case in make_cases(documents, corpus.scheme):
        yield prepared(tagger, case, "gold")


def _raw(tagger: Tagger, texts: Iterable[str], tokens: int) -> Iterator[PreparedDocument]:
    for text in texts:
        if tokens <= 0:
            return
        document = tagger.prepare(text)
        tokens -= len(document.tokens.texts)
        yield document


def narrowed(weights: Weights, rows: Moments, width: int) -> Weights:
    """The weights with words' rows of `width` numbers.

    The gates read a row through one matrix. Of all matrices of that rank this takes the one whose
    products with the rows differ least, in squares: Chen et al. 2021, "DRONE: Data-aware Low-rank
    Compression for Large NLP Models". Its one factor goes into the words' projection, the other is
    what gates read by from now on.
    """
    left = dict(weights)
    readers = [f"{cell}.weight_ih_l0" for cell in _cells(weights)]
    gates = np.concatenate([weights[reader] for reader in readers])
    variances, axes = np.linalg.eigh(rows.covariance)
    deviations = np.sqrt(np.maximum(variances, _RIDGE * variances.max()))
    gains, sizes, directions = np.linalg.svd(
        gates @ (axes * deviations) @ axes.T, full_matrices=False
    )
    down = directions[:width] @ (axes / deviations) @ axes.T
    up = gains[:, :width] * sizes[:width]
    left[f"{_PROJECTION}.weight"] = down @ weights[f"{_PROJECTION}.weight"]
    left[f"{_PROJECTION}.bias"] = down @ (weights[f"{_PROJECTION}.bias"] - rows.mean)
    parts = zip(_cells(weights), np.split(up, len(readers)), strict=True)
    for (cell, part), old in zip(parts, np.split(gates, len(readers)), strict=True):
        left[f"{cell}.weight_ih_l0"] = part
        left[f"{cell}.bias_ih_l0"] = weights[f"{cell}.bias_ih_l0"] + old @ rows.mean
    return left


def thinned(weights: Weights, states: Moments, units: int) -> Weights:
    """The weights with `units` units in each direction.

    A unit is its rows in every gate and its columns in whatever reads it, and goes as a whole: Wen
    et al. 2018, "Learning Intrinsic Sparse Structures within Long Short-Term Memory". One after the
    other goes the one that is missed least, and what was read of it is read of the others.
    """
    left = dict(weights)
    cells = _cells(weights)
    output = _Reading(weights[f"{_OUTPUT}.weight"], states.mean, states.covariance)
    width = len(states.mean) // len(cells)
    gates, kept = [], []
    for direction, cell in enumerate(cells):
        own = slice(direction * width, (direction + 1) * width)
        matrix = weights[f"{cell}.weight_hh_l0"]
        gates.append(_Reading(matrix, states.mean[own], states.covariance[own, own]))
        kept.append(np.arange(width))
    for _ in range(width - units):
        for direction, reading in enumerate(gates):
            units_left = kept[direction]
            missed = output.missed(direction * width + units_left)
            missed += _RECURRENT_SHARE * reading.missed(units_left)
            place = missed.argmin()
            output.drop(direction * width + units_left[place])
            reading.drop(units_left[place])
            kept[direction] = np.delete(units_left, place)
    for cell, reading, units_left in zip(cells, gates, kept, strict=True):
        # Gates lie one below the other.
        rows = np.concatenate([gate + units_left for gate in range(0, len(reading.matrix), width)])
        left[f"{cell}.weight_hh_l0"] = reading.matrix[np.ix_(rows, units_left)]
        left[f"{cell}.bias_hh_l0"] = (weights[f"{cell}.bias_hh_l0"] + reading.constant)[rows]
        for name in ("weight_ih_l0", "bias_ih_l0"):
            left[f"{cell}.{name}"] = weights[f"{cell}.{name}"][rows]
    states_left = np.concatenate([width * direction + own for direction, own in enumerate(kept)])
    left[f"{_OUTPUT}.weight"] = output.matrix[:, states_left]
    left[f"{_OUTPUT}.bias"] = weights[f"{_OUTPUT}.bias"] + output.constant
    return left


class _Reading:
    """What reads states through a matrix, while states go.

    With what is known of the states this is the surgery of Hassibi and Stork 1993, "Second order
    derivatives for network pruning: Optimal Brain Surgeon", equation 5, on linear regression: what
    is left of the matrix is the least squares answer.

    Attributes:
        matrix: (N, S), zero where states are gone.
        constant: (N,) to be added to what is read.
    """

    def __init__(self, matrix: Floats, mean: Floats, covariance: Floats) -> None:
        """Of states with that mean (S,) and covariance (S, S)."""
        self.matrix = matrix.copy()
        self.constant = np.zeros(len(matrix))
        self._mean = mean
        least = _RIDGE * covariance.max() * np.eye(len(covariance))
        self._precision = np.linalg.inv(covariance + least)

    def missed(self, states: Ints) -> Floats:
        """Mean square of what is read amiss, all N together, if one more state goes: (states,)."""
        squares = np.square(self.matrix[:, states]).sum(axis=0)
        missed: Floats = squares / self._precision[states, states]
        return missed

    def drop(self, state: int) -> None:
        """Read what this state told from the others."""
        told = self._precision[state] / self._precision[state, state]
        read = np.outer(self.matrix[:, state], told)
        self.matrix -= read
        self.constant += read @ self._mean
        self._precision -= np.outer(self._precision[:, state], told)


def shrink(
    model: Path,
    output: Path,
    *,
    corpus: Corpus,
    texts: Iterable[str],
    tokens: int,
    word_width: int | None = None,
    units: int | None = None,
) -> None:
    """Write the smaller model directory; the temperature is that of the larger model.

    Args:
        model: a model directory.
        output: the new one, whose name the model gets.
        corpus: what to look at.
        texts: raw text to look at besides.
        tokens: how many of them.
        word_width: of a word's row; as it is if None.
        units: in each direction; as many as there are if None.

    Raises:
        ArtifactError: the model is damaged.
        ConfigError: the model is not built so, or not larger than what is asked for.
    """
    artifact = load_artifact(model)
    network = artifact.config.network
    if network.cell == "none" or network.layers > 1 or not network.projection:
        raise ConfigError(f"model: expected one recurrent layer and a projection in {model}")
    smaller = replace(
        network,
        word_width=_asked("word-width", word_width, network.word_width),
        hidden_width=_asked("units", units, network.hidden_width),
    )
    if smaller == network:
        raise ConfigError("expected a word-width or units that are less than the model's")
    rows, states = observe(artifact, corpus, texts, tokens=tokens)
    weights = {name: array.astype(np.float64) for name, array in artifact.weights.items()}
    if smaller.word_width < network.word_width:
        weights = narrowed(weights, rows, smaller.word_width)
    if smaller.hidden_width < network.hidden_width:
        weights = thinned(weights, states, smaller.hidden_width)
    config = replace(artifact.config, name=output.name, network=smaller)
    single = {name: array.astype(np.float32) for name, array in weights.items()}
    tables = zip(config.vector_tables, artifact.vector_tables, strict=True)
    write_model(
        output,
        load_network(replace(artifact, config=config, weights=single)),
        config=config,
        vocabulary=artifact.vocabulary,
        vector_tables={table.name: own for table, own in tables},
    )


def _asked(name: str, wanted: int | None, there: int) -> int:
    if wanted is None:
        return there
    if not 0 < wanted <= there:
        raise ConfigError(f"{name}: expected from 1 to {there}, got {wanted}")
    return wanted


def _cells(weights: Weights) -> list[str]:
    """Of each direction."""
    return [cell for cell in map(_CELL.format, (0, 1)) if f"{cell}.weight_hh_l0" in weights]


def main(arguments: list[str] | None = None) -> int:
    """Shrink a model and fit its temperature; 2 for wrong usage, 1 for a failure."""
    parser = OneLineParser(prog="python -m training.shrink", description=main.__doc__)
    parser.add_argument("--model", required=True, help="model directory or name")
    parser.add_argument("--word-width", type=int, help="numbers in a word's row")
    parser.add_argument("--units", type=int, help="units in each direction")
    parser.add_argument("--corpus", required=True, help="training set: file, folder or name")
    parser.add_argument("--texts", type=Path, nargs="*", default=[], help="JSON lines")
    parser.add_argument("--tokens", type=int, default=50_000, help="of the texts; 50,000")
    parser.add_argument("--development", required=True, help="development set, likewise")
    parser.add_argument("--output", type=Path, required=True, help="the new model directory")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return run_command(lambda: _shrink(options))


def _shrink(options: Namespace) -> None:
    model = resolve_model(options.model)
    shrink(
        model,
        options.output,
        corpus=load_split(options.corpus, split="train"),
        texts=_mixed(read_texts(options.texts)),
        tokens=options.tokens,
        word_width=options.word_width,
        units=options.units,
    )
    larger = load_artifact(model).config
    shrunk = {
        "from": larger.name,
        "word_width": larger.network.word_width,
        "hidden_width": larger.network.hidden_width,
    }
    development = load_split(options.development, split="validation")
    report_derived(options.output, model, development, {"shrunk": shrunk})


def _mixed(texts: Iterable[str]) -> list[str]:
    """In an order in which the first of them are like all of them."""
    read = list(texts)
    return [read[index] for index in np.random.default_rng(1).permutation(len(read))]


if __name__ == "__main__":
    sys.exit(main())
