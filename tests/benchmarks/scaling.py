"""What a million documents cost: one core, two cores, a Ray cluster; and memory against size.

`python -m tests.benchmarks.scaling` writes docs/scaling.md. `--quick` only proves that it works.
Each arrangement is run on a smaller and on a larger input: the difference is what documents cost,
the rest is what starting costs.
"""

import argparse
import gzip
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_service.artifact import load_artifact
from ner_service.tagger import resolve_model
from tests.benchmarks.bench import DATA, ROOT, say
from tests.benchmarks.machine import _processor as processor
from tests.benchmarks.timing import CommandRun, run_command

MEGABYTE = 1_000_000
MILLION = 1_000_000
SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Arrangement:
    """A way to run the same job.

    Attributes:
        name: in the table.
        cores: it may use.
        options: of the command.
    """

    name: str
    cores: int
    options: tuple[str, ...]


ARRANGEMENTS = (
    Arrangement("one core", 1, ("--workers", "1")),
    Arrangement("two cores", 2, ("--workers", "2")),
    Arrangement("one core, int8", 1, ("--workers", "1", "--precision", "int8")),
    Arrangement("two cores, int8", 2, ("--workers", "2", "--precision", "int8")),
    Arrangement("Ray, two actors on two cores", 2, ("--workers", "2", "--engine", "ray")),
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
    megabytes: tuple[int, ...]


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
            megabytes=(1, 2) if options.quick else tuple(options.megabytes),
        )
        costs = measure_costs(setting)
        growth = measure_growth(setting)
        options.output.write_text(report(setting, costs, growth), encoding="utf-8")
    say(f"{options.output} written")
    return 0


def measure_costs(setting: Setting) -> dict[Arrangement, Cost]:
    """Run all arrangements in turn, round by round."""
    jobs = [_write(setting, count) for count in (setting.small, setting.large)]
    runs: dict[Arrangement, list[tuple[float, float]]] = {name: [] for name in ARRANGEMENTS}
    for round_number in range(setting.rounds):
        for arrangement, measured in runs.items():
            small, large = (_run(setting, arrangement, job).seconds for job in jobs)
            measured.append((small, large))
            say(f"round {round_number + 1}, {arrangement.name}: {small:.1f} s, {large:.1f} s")
    return {arrangement: _cost(measured, *jobs) for arrangement, measured in runs.items()}


def measure_growth(setting: Setting) -> dict[int, tuple[CommandRun, Job]]:
    """Two cores on inputs of growing size, once each."""
    grown = {}
    for megabytes in setting.megabytes:
        job = _write_megabytes(setting, megabytes)
        grown[megabytes] = _run(setting, ARRANGEMENTS[1], job), job
        say(f"{megabytes} MB: {grown[megabytes][0].seconds:.1f} s")
        job.path.unlink()
    return grown


def _run(setting: Setting, arrangement: Arrangement, job: Job) -> CommandRun:
    cores = ",".join(map(str, range(arrangement.cores)))
    command = ["taskset", "-c", cores, sys.executable, "-m", "ner_service", "tag", str(job.path)]
    output = setting.work / "out.jsonl"
    options = ["--model", str(setting.model), "--output", str(output), "--quiet", "--fresh"]
    run = run_command([*command, *options, *arrangement.options])
    manifest = json.loads((setting.work / "out.jsonl.manifest.json").read_text())
    if manifest["summary"]["documents"] != job.documents:
        raise RuntimeError(f"expected {job.documents} documents, got {manifest['summary']}")
    return run


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


def read_stories(path: Path) -> list[str]:
    """All texts of a file of JSON lines."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def _write(setting: Setting, count: int) -> Job:
    path = setting.work / f"{count}.jsonl"
    return _write_until(setting, path, lambda documents, _: documents >= count)


def _write_megabytes(setting: Setting, megabytes: int) -> Job:
    path = setting.work / f"{megabytes}mb.jsonl"
    return _write_until(setting, path, lambda _, size: size >= megabytes * MEGABYTE)


def _write_until(setting: Setting, path: Path, is_enough: Callable[[int, int], bool]) -> Job:
    """The stories, over and over if they must be."""
    documents = words = size = 0
    stories = read_stories(setting.stories)
    with path.open("w", encoding="utf-8") as file:
        while not is_enough(documents, size):
            text = stories[documents % len(stories)]
            size += file.write(json.dumps({"id": documents, "text": text}) + "\n")
            documents += 1
            words += len(text.split())
    return Job(path, documents, words)


def report(
    setting: Setting,
    costs: dict[Arrangement, Cost],
    growth: dict[int, tuple[CommandRun, Job]],
) -> str:
    """The page, every figure from this run."""
    artifact = load_artifact(setting.model)
    baseline = costs[ARRANGEMENTS[0]]
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
        "| arrangement | start, s | documents/s | words/s | hours a million | core-hours a million "
        "| efficiency | most/least |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for arrangement, cost in costs.items():
        hours = cost.a_document * MILLION / 3600
        like = costs[ARRANGEMENTS[2 if "int8" in arrangement.name else 0]]
        efficiency = like.a_document / (cost.a_document * arrangement.cores)
        lines.append(
            f"| {arrangement.name} | {cost.start:.1f} | {1 / cost.a_document:,.0f} "
            f"| {1 / cost.a_word:,.0f} | {hours:.2f} | {hours * arrangement.cores:.2f} "
            f"| {efficiency:.0%} | {cost.spread:.2f} |"
        )
    lines += [
        "",
        "Efficiency is the rate reached, against that of one core times the number of cores.",
        "The Ray cluster is started for each run, on the same cores, and its own processes take a",
        "share of them.",
        "",
        *_million(costs),
        "",
        *_billion(costs),
        "",
        "## Memory and rate against size",
        "",
        "Two workers; the input grows, nothing else; see also [one large input](large-input.md).",
        "",
        "| input | seconds | words/s | largest process | all processes |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {megabytes:,} MB | {run.seconds:,.1f} | {job.words / run.seconds:,.0f} "
        f"| {run.largest_bytes / MEGABYTE:,.0f} MB | {run.together_bytes / MEGABYTE:,.0f} MB |"
        for megabytes, (run, job) in growth.items()
    ]
    return "\n".join(lines) + "\n"


def _million(costs: dict[Arrangement, Cost]) -> list[str]:
    return ["## A million documents", ""] + [
        f"- {arrangement.name}: {cost.start:.1f} s + {cost.a_document * 1000:.3f} ms a document "
        f"x 10^6 documents = {cost.start + cost.a_document * MILLION:,.0f} s "
        f"= {(cost.start + cost.a_document * MILLION) / 3600:.2f} hours"
        for arrangement, cost in costs.items()
    ]


def _billion(costs: dict[Arrangement, Cost]) -> list[str]:
    lines = ["## A billion documents", ""]
    for place in (1, 3):
        arrangement = ARRANGEMENTS[place]
        cost = costs[arrangement]
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
    parser.add_argument("--megabytes", type=int, nargs="+", default=[20, 60])
    parser.add_argument("--quick", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
