"""Cost against the size of the input: time and peak memory of `ner-service tag`."""

from pathlib import Path
from typing import Any

from tests.benchmarks.bench import MEGABYTE, Bench, say
from tests.benchmarks.peers_race import tag_command
from tests.benchmarks.timing import CommandRun, ratios, run_command, spread

_WORKERS = 2


def measure(bench: Bench) -> dict[str, Any]:
    command = tag_command(bench, "full", "--workers", str(_WORKERS))
    runs: dict[float, list[CommandRun]] = {size: [] for size in bench.sizes.megabytes}
    inputs = {size: _write(bench, size) for size in runs}
    output = bench.work / "growth-output.jsonl"
    for round_number in range(bench.sizes.rounds):
        for size, path in inputs.items():
            runs[size].append(run_command(command(path, output)))
            say(f"  round {round_number + 1}, {size} MB: {runs[size][-1].seconds:.1f} s")
    for path in (*inputs.values(), output):
        path.unlink(missing_ok=True)
    tenth, largest = _tenth_and_largest(tuple(runs))
    return {
        "workers": _WORKERS,
        "sizes": [
            {
                "megabytes": size,
                "seconds": spread([run.seconds for run in measured]),
                "largest_process_bytes": spread([run.largest_bytes for run in measured]),
                "all_processes_bytes": spread([run.together_bytes for run in measured]),
            }
            for size, measured in runs.items()
        ],
        "compared": {"megabytes": largest, "with_megabytes": tenth},
        "time_ratio": ratios(
            [run.seconds for run in runs[largest]], [run.seconds for run in runs[tenth]]
        ),
        "memory_ratio": ratios(
            [run.together_bytes for run in runs[largest]],
            [run.together_bytes for run in runs[tenth]],
        ),
    }


def _tenth_and_largest(sizes: tuple[float, ...]) -> tuple[float, float]:
    """The largest input, and the one that is nearest to a tenth of it."""
    largest = max(sizes)
    return min(sizes, key=lambda size: abs(size - largest / 10)), largest


def _write(bench: Bench, megabytes: float) -> Path:
    """The stories over and over; the ids are left to the program."""
    path = bench.work / f"growth-{megabytes}.jsonl"
    written = 0
    with path.open("w", encoding="utf-8") as output:
        while written < megabytes * MEGABYTE:
            for line in bench.read_lines():
                written += len(line.encode())
                output.write(line)
                if written >= megabytes * MEGABYTE:
                    break
    return path
