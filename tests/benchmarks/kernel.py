"""The sentence encoder alone, one thread: tokens/s by length, batch, width; GEMM's peak beside."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ner_service.artifact import Artifact, load_artifact
from ner_service.artifact.config import NetworkConfig
from ner_service.inference.onnx_backend import OnnxBackend
from ner_service.network import TaggerNetwork
from tests.benchmarks.bench import Bench, say
from tests.benchmarks.timing import in_turn, ratios, seconds_of, spread
from training.export import export_graphs, quantize_sentence_encoder

_LENGTH, _BATCH = 100, 16
_LENGTHS = (5, 10, 20, 50, 100, 200)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
_WIDTHS = (100, 150, 200, 256, 300, 400)
_GEMM_SIZE, _GEMM_RUNS = 1024, 8


@dataclass(frozen=True, slots=True)
class Point:
    """One shape of the input and of the network."""

    axis: str
    precision: str
    length: int
    batch: int
    width: int

    @property
    def value(self) -> int:
        """What varies on its axis."""
        return {"length": self.length, "batch": self.batch, "width": self.width}[self.axis]


def measure(bench: Bench) -> dict[str, Any]:
    artifact = load_artifact(bench.model)
    network = artifact.config.network
    backends = {
        (precision, width): _backend(artifact, bench.work, width, precision)
        for width in sorted({*_WIDTHS, network.hidden_width})
        for precision in ("full", "int8")
    }
    contenders: dict[str, Callable[[], float]] = {"gemm": _gemm_seconds}
    points = _points(network.hidden_width)
    for name, point in points.items():
        backend = backends[point.precision, point.width]
        contenders[name] = _reader(backend, network, point, bench.sizes.kernel_tokens)
    seconds = in_turn(contenders, bench.sizes.rounds)
    peak = [2 * _GEMM_SIZE**3 * _GEMM_RUNS / s for s in seconds["gemm"]]
    say(f"  {len(points)} points")
    work = {name: _flops(artifact, point.width) for name, point in points.items()}
    return {
        "word_width": network.word_width,
        "hidden_width": network.hidden_width,
        "length": _LENGTH,
        "batch": _BATCH,
        "gemm_gflops": spread([flops / 1e9 for flops in peak]),
        "points": [
            {
                "axis": point.axis,
                "value": point.value,
                "precision": point.precision,
                "tokens_per_second": spread([1 / s for s in seconds[name]]),
                "share_of_gemm": ratios([work[name] / s for s in seconds[name]], peak),
            }
            for name, point in points.items()
        ],
    }


def _flops(artifact: Artifact, width: int) -> int:
    """Multiplications and additions in the matrix products of one token."""
    network = artifact.config.network
    recurrence = network.directions * 2 * 4 * width * (network.word_width + width)
    return recurrence + 2 * network.directions * width * len(artifact.config.tags)


def _points(width: int) -> dict[str, Point]:
    points = []
    for precision in ("full", "int8"):
        points += [Point("length", precision, length, _BATCH, width) for length in _LENGTHS]
        points += [Point("batch", precision, _LENGTH, batch, width) for batch in _BATCHES]
        widths = sorted({*_WIDTHS, width})
        points += [Point("width", precision, _LENGTH, _BATCH, hidden) for hidden in widths]
    return {f"{point.axis} {point.value} {point.precision}": point for point in points}


def _backend(artifact: Artifact, work: Path, width: int, precision: Any) -> OnnxBackend:
    """The artifact's architecture with another width and random weights."""
    path = work / f"width-{width}"
    if not path.is_dir():
        torch.manual_seed(1)
        network = replace(artifact.config.network, cell="lstm", layers=1, hidden_width=width)
        config = replace(artifact.config, network=network)
        path.mkdir(parents=True)
        graphs = export_graphs(TaggerNetwork(config, artifact.vocabulary), config)
        for name, graph in graphs.items():
            (path / name).write_bytes(graph)
        quantize_sentence_encoder(path)
    return OnnxBackend(path, precision=precision, threads=1)


def _reader(
    backend: OnnxBackend, network: NetworkConfig, point: Point, tokens: int
) -> Callable[[], float]:
    generator = np.random.default_rng(2)
    shape = (point.length, point.batch, network.word_width)
    rows = generator.standard_normal(shape, dtype=np.float32)
    lengths = np.full(point.batch, point.length, dtype=np.int64)
    repeats = max(1, tokens // (point.length * point.batch))

    def read() -> float:
        """Seconds a token."""
        backend.encode_sentences(rows, lengths)

        def all_of_them() -> None:
            for _ in range(repeats):
                backend.encode_sentences(rows, lengths)

        return seconds_of(all_of_them) / (repeats * point.length * point.batch)

    return read


def _gemm_seconds() -> float:
    generator = np.random.default_rng(3)
    left, right = generator.standard_normal((2, _GEMM_SIZE, _GEMM_SIZE), dtype=np.float32)
    product = left @ right

    def multiply() -> None:
        for _ in range(_GEMM_RUNS):
            np.matmul(left, right, out=product)

    return seconds_of(multiply)
