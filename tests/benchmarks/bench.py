"""What all measures share: where things are, and how much of each is measured."""

import gzip
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Attributes:
        rounds: runs of everything that is timed; contenders take turns.
        http_rounds: the same of requests to a server, whose times vary most.
        stories: of the corpus, for the race against the peers and for the stages.
        kernel_tokens: read at each point of the kernel's curves.
        latency_requests: a round, one after the other.
        load_requests: a round, from 64 clients.
        lifetime_requests: that the service answers before its memory is read again.
        megabytes: sizes of the inputs of growing length.
        training_batches: a round.
    """

    rounds: int = 5
    http_rounds: int = 41
    stories: int = 2000
    kernel_tokens: int = 40_000
    latency_requests: int = 400
    load_requests: int = 4000
    lifetime_requests: int = 100_000
    megabytes: tuple[float, ...] = (1, 3, 10, 30, 100)
    training_batches: int = 40


QUICK = Sizes(
    rounds=2,
    http_rounds=2,
    stories=60,
    kernel_tokens=1000,
    latency_requests=20,
    load_requests=128,
    lifetime_requests=256,
    megabytes=(0.1, 0.2),
    training_batches=3,
)


@dataclass(frozen=True, slots=True)
class Bench:
    """The settings of one run of the benchmarks.

    Attributes:
        model: directory of the model.
        stories: JSON lines with a field `text`, plain or gzipped.
        corpus: folder of CoNLL-2003; parity and training are left out where it is missing.
        peers: interpreter of the peers' environment; the race is ours alone where it is missing.
        work: folder for what is written on the way.
        sizes: how much.
        quick: whether the sizes only prove that everything runs.
    """

    model: Path
    stories: Path
    corpus: Path
    peers: Path
    work: Path
    sizes: Sizes
    quick: bool

    def to_json(self) -> str:
        """For a measure that runs in a process of its own."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> "Bench":
        fields: dict[str, Any] = json.loads(text)
        sizes = fields.pop("sizes")
        sizes["megabytes"] = tuple(sizes["megabytes"])
        quick = fields.pop("quick")
        paths = {name: Path(value) for name, value in fields.items()}
        return cls(**paths, sizes=Sizes(**sizes), quick=quick)

    def read_stories(self, limit: int | None = None) -> list[str]:
        """The texts of the first stories."""
        return read_stories(self.stories, limit)

    def read_lines(self, limit: int | None = None) -> Iterator[str]:
        return read_lines(self.stories, limit)


def read_stories(path: Path, limit: int | None = None) -> list[str]:
    """The texts of a file of JSON lines, plain or gzipped; only the first ones if told."""
    return [json.loads(line)["text"] for line in read_lines(path, limit)]


def read_lines(path: Path, limit: int | None = None) -> Iterator[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        yield from islice(lines, limit)


def count_words(texts: list[str]) -> int:
    """Words as white space parts them: the same unit for every contender."""
    return sum(len(text.split()) for text in texts)


def say(message: str) -> None:
    """Tell how far a run has come."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()
