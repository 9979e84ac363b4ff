"""One process, one thread: the whole way against the bare recurrence, and each stage's share."""

import functools
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from ner_service import tagger as tagger_module
from ner_service.batch import tagging
from ner_service.batch.options import Options
from ner_service.batch.plan import load_settings
from ner_service.batch.records import Record
from ner_service.batch.shards import Shard, ShardKey, pack
from ner_service.batch.worker import ShardTagger
from ner_service.inference import decoder
from ner_service.inference.consistency import Consistency
from ner_service.inference.onnx_backend import OnnxBackend
from ner_service.inference.rows import WordRows
from ner_service.inference.steps import Steps
from tests.benchmarks.bench import Bench, count_words, say
from tests.benchmarks.timing import ratios, seconds_of, spread

# Stage, where its function lives, and the function's name. What a function spends in one of the
# others is counted there alone.
_STAGES: tuple[tuple[str, Any, str], ...] = (
    ("JSON", tagging, "unpack"),
    ("JSON", tagging, "parse_record"),
    ("JSON", tagging, "write_shard"),
    ("tokenise", tagger_module, "tokenize"),
    ("sentence starts", tagger_module, "sentence_starts"),
    ("windows", tagger_module, "lay_out"),
    ("look-up", WordRows, "look_up"),
    ("features of new words", WordRows, "_fill"),
    ("word encoder", OnnxBackend, "encode_words"),
    ("batches", tagger_module, "emission_steps"),
    ("shared labels", Consistency, "share"),
    ("sentence encoder", OnnxBackend, "encode_sentences"),
    ("Viterbi", decoder, "viterbi"),
    ("probabilities", decoder.Decoder, "_scores"),
)
REST = "rest"

Feed = tuple[NDArray[np.float32], NDArray[np.int64]]


def measure(bench: Bench) -> dict[str, Any]:
    lines = [line.encode() for line in bench.read_lines(bench.sizes.stories)]
    shards = list(cut_shards(lines))
    words = count_words(bench.read_stories(bench.sizes.stories))
    times: dict[str, dict[str, list[float]]] = {
        precision: {"whole": [], "recurrence": []} for precision in ("full", "int8")
    }
    shares: dict[str, list[dict[str, float]]] = {"full": [], "int8": []}
    tokens = 0
    feeds = {precision: _feeds(bench, precision, shards) for precision in times}
    for round_number in range(bench.sizes.rounds):
        for precision, measured in times.items():
            whole, recurrence = _in_turn(bench, precision, shards, feeds[precision])
            measured["whole"].append(whole)
            measured["recurrence"].append(recurrence)
            shares[precision].append(shares_of(load_worker(bench.model, precision), shards))
            batches = [batch for shard in feeds[precision] for batch in shard]
            tokens = sum(int(lengths.sum()) for _, lengths in batches)
        say(f"  round {round_number + 1}")
    return {
        "stories": len(lines),
        "words": words,
        "slots": tokens,
        "precisions": {
            precision: {
                "words_per_second": spread([words / s for s in measured["whole"]]),
                "recurrence_words_per_second": spread([words / s for s in measured["recurrence"]]),
                "share_of_recurrence_rate": ratios(measured["recurrence"], measured["whole"]),
                "stages": {
                    stage: spread([run.get(stage, 0.0) for run in shares[precision]])
                    for stage in [*dict.fromkeys(name for name, *_ in _STAGES), REST]
                },
            }
            for precision, measured in times.items()
        },
    }


def load_worker(model: Path, precision: Any) -> ShardTagger:
    """What a process of the tag command does its work with."""
    _, settings = load_settings(str(model), Options(backend="onnx", precision=precision))
    return ShardTagger(settings)


def cut_shards(lines: list[bytes]) -> Iterator[Shard]:
    """As the tag command cuts them."""
    least = Options().shard_bytes
    records: list[Record] = []
    size = 0
    for number, line in enumerate(lines, start=1):
        records.append(Record("stories.jsonl", number, "json", line))
        size += len(line)
        if size >= least or number == len(lines):
            yield Shard(ShardKey(0, number), pack(records), "", size)
            records, size = [], 0


def _tag(worker: ShardTagger, shards: list[Shard]) -> None:
    for shard in shards:
        worker.tag(shard.payload, shard.digest)


def _in_turn(
    bench: Bench, precision: Any, shards: list[Shard], feeds: list[list[Feed]]
) -> tuple[float, float]:
    """Seconds of the whole way and of the recurrence alone, shard by shard: the machine's pace
    changes from one second to the next.
    """
    # A worker of its own, so that every run meets every word for the first time.
    worker = load_worker(bench.model, precision)
    backend = OnnxBackend(bench.model, precision=precision, threads=1)
    whole = recurrence = 0.0
    for shard, batches in zip(shards, feeds, strict=True):
        whole += seconds_of(lambda s=shard: worker.tag(s.payload, s.digest))
        recurrence += seconds_of(lambda b=batches: _replay(backend, b))
    return whole, recurrence


def _feeds(bench: Bench, precision: Any, shards: list[Shard]) -> list[list[Feed]]:
    """Every batch that the sentence encoder is given on the way, by shard."""
    feeds: list[list[Feed]] = []
    original = OnnxBackend.encode_sentences

    def noting(self: OnnxBackend, rows: Any, lengths: Any) -> NDArray[np.float32]:
        feeds[-1].append((rows, lengths))
        return original(self, rows, lengths)

    worker = load_worker(bench.model, precision)
    with mock.patch.object(OnnxBackend, "encode_sentences", noting):
        for shard in shards:
            feeds.append([])
            worker.tag(shard.payload, shard.digest)
    return feeds


def _replay(backend: OnnxBackend, feeds: list[Feed]) -> None:
    for rows, lengths in feeds:
        backend.encode_sentences(rows, lengths)


def shares_of(worker: ShardTagger, shards: list[Shard]) -> dict[str, float]:
    """Each stage's share of a run's time; their sum is 1."""
    with _stage_clocks() as spent:
        whole = seconds_of(lambda: _tag(worker, shards))
    shares = {stage: seconds / whole for stage, seconds in spent.items()}
    return {**shares, REST: 1.0 - sum(shares.values())}


@contextmanager
def _stage_clocks() -> Iterator[dict[str, float]]:
    spent: dict[str, float] = {}
    inner: list[float] = []  # time that the running functions spent in others with a clock

    @contextmanager
    def clock(stage: str) -> Iterator[None]:
        inner.append(0.0)
        begun = time.perf_counter()
        try:
            yield
        finally:
            taken = time.perf_counter() - begun
            spent[stage] = spent.get(stage, 0.0) + taken - inner.pop()
            if inner:
                inner[-1] += taken

    def clocked(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            with clock(stage):
                return function(*arguments, **named)

        @functools.wraps(function)
        def go(*arguments: Any) -> Steps[Any]:
            steps, result = function(*arguments), None
            while True:
                with clock(stage):
                    try:
                        work = steps.send(result)
                    except StopIteration as end:
                        return end.value
                result = yield work  # what is done meanwhile has a clock of its own

        return go if inspect.isgeneratorfunction(function) else call

    with ExitStack() as stack:
        for stage, home, name in _STAGES:
            timed = clocked(stage, getattr(home, name))
            stack.enter_context(mock.patch.object(home, name, timed))
        yield spent
