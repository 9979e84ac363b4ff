"""One input of gigabytes through `ner-service tag`: memory a process, and rate against 20 MB.

`python -m tests.benchmarks.large_input --bytes 2000000000` writes docs/large-input.md.

At the rate of a few cores 2 GB of text take the better part of an hour. With `--tagged 0.05` one
story in twenty is the text of a document and the other nineteen are a field that is passed through
(`--keep body`): reading, cutting into shards, sending to workers, parsing, writing and joining see
every byte, and the model's part costs a twentieth. With `--tagged 1`, the default, all is tagged.

The stories come over and over, each time with other digits, so that new words go on coming.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_service.artifact import load_artifact
from ner_service.artifact.locate import resolve_model
from tests.benchmarks.bench import DATA, MEGABYTE, ROOT, read_stories, say
from tests.benchmarks.machine import processor
from tests.benchmarks.timing import CommandRun, run_command
from training.markdown import table

START_BYTES = 100_000
SMALL_BYTES = 20 * MEGABYTE
MOST_BYTES_A_PROCESS = 500 * MEGABYTE
LEAST_RATE = 0.9
"""Least rate on the large input, of that on the small one."""


@dataclass(frozen=True, slots=True)
class Job:
    """How the command is run.

    Attributes:
        model: directory of the model.
        workers: processes that tag.
        precision: of the network.
        tagged: share of the stories that are tagged; the rest is passed through.
        work: folder for inputs and outputs.
    """

    model: Path
    workers: int
    precision: str
    tagged: float
    work: Path


@dataclass(frozen=True, slots=True)
class Measured:
    """One run.

    Attributes:
        size: of the input, in bytes.
        words: that were tagged.
        run: seconds and memory.
    """

    size: int
    words: int
    run: CommandRun


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    stories = read_stories(options.texts)
    with tempfile.TemporaryDirectory(prefix="large-", dir=options.work) as work:
        job = Job(
            model=resolve_model(options.model).absolute(),
            workers=options.workers,
            precision=options.precision,
            tagged=options.tagged,
            work=Path(work),
        )
        starts = [measure(job, stories, START_BYTES) for _ in range(options.rounds)]
        smalls = [measure(job, stories, options.small_bytes) for _ in range(options.rounds)]
        large = measure(job, stories, options.bytes)
    page = report(job, starts, smalls, large)
    options.output.write_text(page, encoding="utf-8")
    say(f"{options.output} written")
    return 0


def measure(job: Job, stories: Sequence[str], size: int) -> Measured:
    """Write an input, run the command on it, and count what came out."""
    path, output = job.work / "in.jsonl", job.work / "out.jsonl"
    written = documents = words = 0
    with path.open("wb") as file:
        for text, body in pairs(stories, job.tagged):
            written += file.write(json.dumps({"text": text, "body": body}).encode() + b"\n")
            documents += 1
            words += len(text.split())
            if written >= size:
                break
    command = [sys.executable, "-m", "ner_service", "tag", path, "--output", output, "--quiet"]
    options = ["--model", job.model, "--precision", job.precision, "--workers", str(job.workers)]
    run = run_command([*command, *options, "--keep", "body", "--fresh"])
    summary = json.loads((job.work / "out.jsonl.manifest.json").read_text("utf-8"))["summary"]
    if (summary["documents"], summary["rejected"]) != (documents, 0):
        raise RuntimeError(f"expected {documents} documents, got {summary}")
    path.unlink()
    output.unlink()
    say(
        f"{written / MEGABYTE:,.1f} MB, {words:,} words tagged: {run.seconds:.1f} s, "
        f"largest process {run.largest_bytes / MEGABYTE:.0f} MB"
    )
    return Measured(written, words, run)


def pairs(stories: Sequence[str], tagged: float) -> Iterator[tuple[str, str]]:
    """A text to tag and what goes with it, for ever."""
    group = round(1 / tagged)
    generator = random.Random(7)
    while True:
        digits = list("0123456789")
        generator.shuffle(digits)
        others = str.maketrans("0123456789", "".join(digits))
        for begin in range(0, len(stories), group):
            text, *rest = (story.translate(others) for story in stories[begin : begin + group])
            yield text, "\n\n".join(rest)


def report(
    job: Job, starts: Sequence[Measured], smalls: Sequence[Measured], large: Measured
) -> str:
    """The page, every figure from this run."""
    artifact = load_artifact(job.model)
    start = statistics.median(one.run.seconds for one in starts)
    rates = sorted((one.size - START_BYTES) / (one.run.seconds - start) for one in smalls)
    small = statistics.median(rates)
    rate = (large.size - START_BYTES) / (large.run.seconds - start)
    largest = large.run.largest_bytes
    tagged = (
        "all of it is tagged"
        if job.tagged == 1
        else f"{job.tagged:.0%} of it is tagged; the rest is read, parsed, sent to workers and "
        "written, but not tagged, so the rates below say how the way around the model scales, "
        "not how fast text is tagged"
    )
    lines = [
        "# One large input",
        "",
        "Written by `python -m tests.benchmarks.large_input`; figures are never typed.",
        "",
        f"- Processor: {processor()}.",
        f"- Model: {artifact.config.name} {artifact.version}, {job.precision} precision, "
        f"{job.workers} workers.",
        "- Input: JSON lines, Reuters stories of 1987 over and over with changing digits; "
        f"{tagged}.",
        "",
        table(
            ("input, MB", "words tagged", "seconds", "largest process, MB", "all processes, MB"),
            [_row(one) for one in (*starts, *smalls, large)],
        ),
        "",
        f"- Starting takes {start:.2f} s, the median of the shortest runs, and is left out of the "
        "rates.",
        f"- Rate on {smalls[0].size / MEGABYTE:,.0f} MB: {small / MEGABYTE:.2f} MB/s "
        f"({rates[0] / MEGABYTE:.2f} to {rates[-1] / MEGABYTE:.2f} in {len(rates)} runs); "
        f"on {large.size / MEGABYTE:,.0f} MB: {rate / MEGABYTE:.2f} MB/s, "
        f"{rate / small:.2f} times that ({_verdict(rate / small >= LEAST_RATE)}: at least "
        f"{LEAST_RATE}).",
        f"- The largest process held {largest / MEGABYTE:,.0f} MB at its peak, what it shares with "
        f"others included ({_verdict(largest <= MOST_BYTES_A_PROCESS)}: at most "
        f"{MOST_BYTES_A_PROCESS / MEGABYTE:.0f} MB).",
    ]
    return "\n".join(lines) + "\n"


def _row(one: Measured) -> tuple[str, ...]:
    return (
        f"{one.size / MEGABYTE:,.1f}",
        f"{one.words:,}",
        f"{one.run.seconds:,.1f}",
        f"{one.run.largest_bytes / MEGABYTE:,.0f}",
        f"{one.run.together_bytes / MEGABYTE:,.0f}",
    )


def _verdict(is_met: bool) -> str:
    return "met" if is_met else "not met"


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"expected a share above 0 and at most 1, got {text}")
    return share


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=2000 * MEGABYTE)
    parser.add_argument("--small-bytes", type=int, default=SMALL_BYTES)
    parser.add_argument("--tagged", type=_share, default=1.0, help="share of the stories [1]")
    parser.add_argument("--model", default="conll2003")
    parser.add_argument("--precision", choices=("full", "int8"), default="full")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="of the short runs")
    parser.add_argument("--texts", type=Path, default=DATA / "unlabelled" / "reuters21578.jsonl.gz")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "large-input.md")
    parser.add_argument("--work", type=Path, help="folder for temporary files, 3 times --bytes")
    return parser


if __name__ == "__main__":
    sys.exit(main())
