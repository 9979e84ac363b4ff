"""Tokens/s on a GPU, in full and in half precision: `python -m tests.benchmarks.gpu`.

Runs where there is a GPU and writes gpu.json beside this file; `make bench` puts what that says
into its report.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ner_service.artifact import Artifact, load_artifact
from ner_service.artifact.locate import resolve_model
from ner_service.inference.backend import Precision
from ner_service.inference.torch_backend import GPU_SLOTS, TorchBackend, has_gpu
from ner_service.tagger import Tagger
from tests.benchmarks.bench import DATA, ROOT, count_words, read_stories, say
from tests.benchmarks.machine import processor, when
from tests.benchmarks.timing import in_turn, ratios, seconds_of, spread

OUTPUT = ROOT / "tests" / "benchmarks" / "gpu.json"
_PRECISIONS: tuple[Precision, ...] = ("full", "half")
_LENGTH = 100
_BATCHES = (1, 16, 64, 256, 1024, 4096)
_LEAST_TOKENS, _MOST_RUNS = 400_000, 40


def measure(model: Path, stories: Sequence[str], *, rounds: int) -> dict[str, Any]:
    """Each precision in turn: the sentence encoder by batch, and the way from text to entities."""
    artifact = load_artifact(model)
    backends = {
        precision: TorchBackend(artifact, precision=precision, threads=1)
        for precision in _PRECISIONS
    }
    readers = {
        (precision, batch): _reader(backends[precision], artifact, batch)
        for precision in _PRECISIONS
        for batch in _BATCHES
    }
    named = {f"{precision} {batch}": reader for (precision, batch), reader in readers.items()}
    seconds = in_turn(named, rounds)
    say("sentence encoder")
    taggers = {p: _taggers(artifact, backends[p], stories) for p in _PRECISIONS}
    whole = in_turn({p: lambda t=t: seconds_of(t) for p, t in taggers.items()}, rounds + 1)
    words = count_words(list(stories))
    say("text to entities")
    return {
        "device": torch.cuda.get_device_name() if has_gpu() else "none: the processor",
        "processor": processor(),
        "torch": torch.__version__,
        "run": when(),
        "model": artifact.config.name,
        "hidden_width": artifact.config.network.hidden_width,
        "slots_a_batch": GPU_SLOTS,
        "length": _LENGTH,
        "encoder": [
            {
                "precision": precision,
                "batch": batch,
                "tokens_per_second": spread([1 / s for s in seconds[f"{precision} {batch}"]]),
            }
            for precision, batch in readers
        ],
        "stories": len(stories),
        "words": words,
        # The first pass meets every word for the first time and makes the GPU ready.
        "words_per_second": {p: spread([words / s for s in whole[p][1:]]) for p in _PRECISIONS},
        "half_times_full": ratios(whole["full"][1:], whole["half"][1:]),
        "answers": _answers(artifact, backends, stories),
    }


def _reader(backend: TorchBackend, artifact: Artifact, batch: int) -> Callable[[], float]:
    generator = np.random.default_rng(2)
    shape = (_LENGTH, batch, artifact.config.network.word_width)
    rows = generator.standard_normal(shape, dtype=np.float32)
    lengths = np.full(batch, _LENGTH, dtype=np.int64)
    repeats = min(max(3, _LEAST_TOKENS // (_LENGTH * batch)), _MOST_RUNS)

    def read() -> float:
        """Seconds a token, rows in and emissions out of the GPU's memory included."""
        backend.encode_sentences(rows, lengths)

        def all_of_them() -> None:
            for _ in range(repeats):
                backend.encode_sentences(rows, lengths)

        return seconds_of(all_of_them) / (repeats * _LENGTH * batch)

    return read


def _taggers(
    artifact: Artifact, backend: TorchBackend, stories: Sequence[str]
) -> Callable[[], object]:
    tagger = Tagger(artifact, backend)
    return lambda: tagger.tag_documents([tagger.prepare(text) for text in stories])


def _answers(
    artifact: Artifact, backends: dict[Precision, TorchBackend], stories: Sequence[str]
) -> dict[str, int]:
    """Entities that both precisions find, and those that only one does."""
    found = []
    for backend in backends.values():
        tagger = Tagger(artifact, backend)
        documents = tagger.tag_documents([tagger.prepare(text) for text in stories])
        found.append(
            {
                (number, entity.start, entity.end, entity.label)
                for number, document in enumerate(documents)
                for entity in document.entities
            }
        )
    full, half = found
    return {"in_both": len(full & half), "in_one": len(full ^ half)}


def main(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__)
    parser.add_argument("--model", default="conll2003", help="directory or name")
    parser.add_argument("--texts", type=Path, default=DATA / "unlabelled" / "reuters21578.jsonl.gz")
    parser.add_argument("--stories", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="FILE")
    options = parser.parse_args(arguments)
    if not has_gpu():
        say("expected a GPU that torch can use, found none")
        return 1
    figures = measure(
        resolve_model(options.model),
        read_stories(options.texts, options.stories),
        rounds=options.rounds,
    )
    options.output.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
