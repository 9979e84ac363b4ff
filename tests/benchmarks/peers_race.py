"""Raw text to JSON lines: ours against spaCy and Flair, whole commands, two processes each."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ner_service.artifact import load_artifact
from tests.benchmarks.bench import Bench, count_words, say
from tests.benchmarks.timing import environment, in_turn, ratios, run_command, spread

Command = Callable[[Path, Path], list[str]]  # of the input and the output

_SCRIPTS = Path(__file__).parent / "peers"
_PROCESSES = 2
_TRIAL_SHARE = 4  # Flair's arrangements are tried on this fraction of the stories


def measure(bench: Bench) -> dict[str, Any]:
    stories = write_stories(bench, bench.work / "stories.jsonl", bench.sizes.stories)
    one = write_stories(bench, bench.work / "one_story.jsonl", 1)
    words = count_words(bench.read_stories(bench.sizes.stories))
    commands = _ours(bench)
    arrangement = None
    if bench.peers.is_file():
        commands["spacy"] = _peer(bench, "spacy_ner.py", "--processes", str(_PROCESSES))
        commands["spacy_tokenizer"] = _peer(bench, "spacy_ner.py", "--tokenizer")
        commands["flair"], arrangement = _faster_flair(bench, one)
    contenders: dict[str, Callable[[], float]] = {}
    for name, command in commands.items():
        contenders[name] = _contender(name, command, stories)
        contenders[f"{name} start"] = _contender(name, command, one)
    seconds = in_turn(contenders, bench.sizes.rounds)
    results: dict[str, Any] = {}
    steady: dict[str, list[float]] = {}
    for name in commands:
        starts, wholes = seconds[f"{name} start"], seconds[name]
        steady[name] = [
            max(whole - start, 1e-9) for whole, start in zip(wholes, starts, strict=True)
        ]
        results[name] = {
            "start_seconds": spread(starts),
            "seconds": spread(wholes),
            "words_per_second": spread([words / s for s in wholes]),
            "steady_words_per_second": spread([words / s for s in steady[name]]),
        }
    against = {
        ours: {
            peer: {
                "whole": ratios(seconds[peer], seconds[ours]),
                "steady": ratios(steady[peer], steady[ours]),
            }
            for peer in ("spacy", "flair")
            if peer in commands
        }
        for ours in ("full", "int8")
    }
    return {
        "stories": bench.sizes.stories,
        "words": words,
        "processes": _PROCESSES,
        "flair_arrangement": arrangement,
        "contenders": results,
        "times_faster": against,
    }


def write_stories(bench: Bench, path: Path, count: int) -> Path:
    """The first stories as plain JSON lines."""
    with path.open("w", encoding="utf-8") as output:
        output.writelines(bench.read_lines(count))
    return path


def tag_command(bench: Bench, precision: str, *arguments: str) -> Command:
    """`ner-service tag`, every run from the beginning."""
    command = [sys.executable, "-m", "ner_service", "tag", "--model", str(bench.model.absolute())]
    command += ["--precision", precision, "--quiet", "--fresh", *arguments]
    return lambda source, target: [*command, str(source), "--output", str(target)]


def _ours(bench: Bench) -> dict[str, Command]:
    return {
        precision: tag_command(bench, precision, "--workers", str(_PROCESSES))
        for precision in ("full", "int8")
    }


def _peer(bench: Bench, script: str, *arguments: str) -> Command:
    command = [str(bench.peers.absolute()), str(_SCRIPTS / script), *arguments]
    return lambda source, target: [*command, str(source), str(target)]


def _contender(name: str, command: Command, stories: Path) -> Callable[[], float]:
    output = stories.parent / f"{name}-{stories.name}"

    def run() -> float:
        # Nobody may ask a hub for anything.
        environ = {**environment(), "HF_HUB_OFFLINE": "1"}
        seconds = run_command(command(stories, output), environ=environ).seconds
        say(f"  {name}, {stories.name}: {seconds:.2f} s")
        return seconds

    return run


def _faster_flair(bench: Bench, one: Path) -> tuple[Command, dict[str, Any]]:
    """Flair as two processes or as one process with two threads, and small or large batches.

    Two processes start more slowly than one, so that few stories alone would not tell.
    """
    network = load_artifact(bench.model).config.network
    shape = ["--hidden-width", str(network.hidden_width), "--word-width", str(network.word_width)]
    shape += ["--vector-width", str(network.vectors_width)]
    shape += ["--characters"] if network.characters != "none" else []
    few = write_stories(
        bench, bench.work / "few_stories.jsonl", max(1, bench.sizes.stories // _TRIAL_SHARE)
    )
    commands: dict[str, Command] = {}
    for processes, threads in ((_PROCESSES, 1), (1, _PROCESSES)):
        for batch in (32, 128):
            name = f"processes {processes}, threads {threads}, batches of {batch}"
            arrangement = ["--processes", str(processes), "--threads", str(threads)]
            batches = ["--batch-size", str(batch)]
            commands[name] = _peer(bench, "flair_ner.py", *shape, *arrangement, *batches)
    tried = {}
    for name, command in commands.items():
        start, some = (_contender("flair", command, stories)() for stories in (one, few))
        tried[name] = start + _TRIAL_SHARE * (some - start)  # what all stories would take
    best = min(tried, key=tried.__getitem__)
    return commands[best], {"chosen": best, "tried_seconds": tried}
