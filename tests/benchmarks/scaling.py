"""What a million documents cost: one core, two cores, a Ray cluster.

`python -m tests.benchmarks.scaling` writes docs/scaling.md. `--quick` only proves that it works.
Each arrangement is run on a smaller and on a larger input: the difference is what documents cost,
the rest is what starting costs.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from ner_service.artifact import load_artifact
from ner_service.artifact.locate import resolve_model
from tests.benchmarks.bench import DATA, ROOT, count_words, read_stories, say
from tests.benchmarks.machine import processor
from tests.benchmarks.timing import in_turn, run_command
from training.markdown import table

MILLION = 1_000_000
SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A way to run the same job.

    Attributes:
        name: in the table.
        cores: it may use, with a worker on each.
        precision: of the network.
        engine: what runs the workers.
    """

    name: str
    cores: int
    precision: str = "full"
    engine: str = "local"

    @property
    def options(self) -> tuple[str, ...]:
        """Of the command."""
        workers = ("--workers", str(self.cores))
        return (*workers, "--precision", self.precision, "--engine", self.engine)


ARRANGEMENTS = (
    Arrangement("one core", 1),
    Arrangement("two cores", 2),
    Arrangement("one core, int8", 1, precision="int8"),
    Arrangement("two cores, int8", 2, precision="int8"),
    Arrangement("Ray, two actors on two cores", 2, engine="ray"),
)


_HEAD = (
    "arrangement",
    "start, s",
    "documents/s",
    "words/s",
    "hours a million",
    "core-hours a million",
    "efficiency",
    "most/least",
)


@dataclass(frozen=True, slots=True)
class Job:
    """An input and how much it holds."""

    path: Path
    documents: int
    words: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one arrangement, medians of the rounds.

    Attributes:
        start: seconds before the first and behind the last document.
        a_document: seconds a document.
        a_word: seconds a word.
        spread: most over least, of the seconds a document.
    """

    start: float
    a_document: float
    a_word: float
    spread: float


@dataclass(frozen=True, slots=True)
class Setting:
    """Of one run of this script."""

    model: Path
    stories: Path
    work: Path
    small: int
    large: int
    rounds: int


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="scaling-") as work:
        setting = Setting(
            model=resolve_model(options.model).absolute(),
            stories=options.texts.absolute(),
            work=Path(work),
            small=20 if options.quick else 1000,
            large=60 if options.quick else 8000,
            rounds=1 if options.quick else options.rounds,
        )
        options.output.write_text(report(setting, measure_costs(setting)), encoding="utf-8")
    say(f"{options.output} written")
    return 0


def measure_costs(setting: Setting) -> dict[Arrangement, Cost]:
    """Run all arrangements in turn, round by round."""
    small, large = (_write(setting, count) for count in (setting.small, setting.large))
    names = {
        (arrangement, job): f"{arrangement.name}, {job.documents} documents"
        for arrangement in ARRANGEMENTS
        for job in (small, large)
    }
    seconds = in_turn(
        {name: partial(_run, setting, name, *case) for case, name in names.items()}, setting.rounds
    )
    costs = {}
    for arrangement in ARRANGEMENTS:
        runs = [seconds[names[arrangement, job]] for job in (small, large)]
        costs[arrangement] = _cost(list(zip(*runs, strict=True)), small, large)
    return costs


def _run(setting: Setting, name: str, arrangement: Arrangement, job: Job) -> float:
    cores = ",".join(map(str, range(arrangement.cores)))
    command = ["taskset", "-c", cores, sys.executable, "-m", "ner_service", "tag", str(job.path)]
    output = setting.work / "out.jsonl"
    options = ["--model", str(setting.model), "--output", str(output), "--quiet", "--fresh"]
    seconds = run_command([*command, *options, *arrangement.options]).seconds
    manifest = json.loads((setting.work / "out.jsonl.manifest.json").read_text())
    if manifest["summary"]["documents"] != job.documents:
        raise RuntimeError(f"expected {job.documents} documents, got {manifest['summary']}")
    say(f"{name}: {seconds:.1f} s")
    return seconds


def _cost(runs: Sequence[tuple[float, float]], small: Job, large: Job) -> Cost:
    more = large.documents - small.documents
    each = [(after - before) / more for before, after in runs]
    a_document = statistics.median(each)
    return Cost(
        start=statistics.median(before - small.documents * a_document for before, _ in runs),
        a_document=a_document,
        a_word=a_document * more / (large.words - small.words),
        spread=max(each) / min(each),
    )


def _write(setting: Setting, count: int) -> Job:
    """The stories, over and over if they must be."""
    path = setting.work / f"{count}.jsonl"
    texts = list(islice(cycle(read_stories(setting.stories)), count))
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"id": n, "text": text}) + "\n" for n, text in enumerate(texts))
    return Job(path, count, count_words(texts))


def report(setting: Setting, costs: Mapping[Arrangement, Cost]) -> str:
    """The page, every figure from this run."""
    artifact = load_artifact(setting.model)
    baseline = costs[_one_core("full")]
    lines = [
        "# What a million documents cost",
        "",
        "Written by `python -m tests.benchmarks.scaling`; figures are never typed.",
        "",
        f"- Processor: {processor()}; the cores are those of one virtual machine.",
        f"- Model: {artifact.config.name} {artifact.version}, full precision unless said.",
        f"- Documents: Reuters stories of 1987, {setting.large:,} of them, "
        f"{baseline.a_document / baseline.a_word:.0f} words each; JSON lines in and out.",
        f"- Medians of {setting.rounds} rounds, arrangements in turn. Each ran on "
        f"{setting.small:,} and on {setting.large:,} documents: the difference is what documents "
        "cost, the rest is what starting costs.",
        "",
        table(_HEAD, [_row(arrangement, costs) for arrangement in costs]),
        "",
        "Efficiency is the rate reached, against that of one core times the number of cores.",
        "The Ray cluster is started for each run, on the same cores, and its own processes take a",
        "share of them. How memory and rate go with the size of the input is in",
        "[benchmarks](benchmarks.md) and, for one of gigabytes, in [one large input]"
        "(large-input.md).",
        "",
        *_million(costs),
        "",
        *_billion(costs),
    ]
    return "\n".join(lines) + "\n"


def _one_core(precision: str) -> Arrangement:
    """What the other arrangements of that precision are compared with."""
    return next(each for each in ARRANGEMENTS if each.cores == 1 and each.precision == precision)


def _row(arrangement: Arrangement, costs: Mapping[Arrangement, Cost]) -> tuple[str, ...]:
    cost = costs[arrangement]
    hours = cost.a_document * MILLION / 3600
    like = costs[_one_core(arrangement.precision)]
    return (
        arrangement.name,
        f"{cost.start:.1f}",
        f"{1 / cost.a_document:,.0f}",
        f"{1 / cost.a_word:,.0f}",
        f"{hours:.2f}",
        f"{hours * arrangement.cores:.2f}",
        f"{like.a_document / (cost.a_document * arrangement.cores):.0%}",
        f"{cost.spread:.2f}",
    )


def _million(costs: Mapping[Arrangement, Cost]) -> list[str]:
    return ["## A million documents", ""] + [
        f"- {arrangement.name}: {cost.start:.1f} s + {cost.a_document * 1000:.3f} ms a document "
        f"x 10^6 documents = {cost.start + cost.a_document * MILLION:,.0f} s "
        f"= {(cost.start + cost.a_document * MILLION) / 3600:.2f} hours"
        for arrangement, cost in costs.items()
    ]


def _billion(costs: Mapping[Arrangement, Cost]) -> list[str]:
    lines = ["## A billion documents", ""]
    for arrangement, cost in costs.items():
        if arrangement.cores == 1 or arrangement.engine != "local":
            continue
        core_seconds = cost.a_document * arrangement.cores * 1000 * MILLION
        days = core_seconds / SECONDS_A_DAY
        cores = int(-(-days // 1))
        lines.append(
            f'- By the row "{arrangement.name}": {cost.a_document * 1000:.3f} ms a document x '
            f"{arrangement.cores} cores x 10^9 documents = {core_seconds:,.0f} core-seconds "
            f"= {days:,.1f} core-days. So {cores:,} cores take a day, or one core {days:,.0f} days."
        )
    lines.append(
        "- This takes for granted that the rate of a core stays what it was here: workers share "
        "nothing but the disk, and the process that writes handles the output alone, "
        "about as many bytes as the input."
    )
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="conll2003")
    parser.add_argument("--texts", type=Path, default=DATA / "unlabelled" / "reuters21578.jsonl.gz")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "scaling.md")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
