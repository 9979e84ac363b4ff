"""Commands and functions, timed again and again in turn; medians and spreads."""

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.bench import ROOT

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_SAMPLE_SECONDS = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")

Figures = dict[str, float]


def spread(values: Sequence[float]) -> Figures:
    """Median, least and most of the runs."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "runs": len(values),
    }


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> Figures:
    """Ratio of the runs that stood beside each other, so that a drifting machine cancels out."""
    return spread([a / b for a, b in zip(numerators, denominators, strict=True)])


def environment(threads: int = 1) -> dict[str, str]:
    """One thread a process unless told otherwise; no hint about the processor, for anybody."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    return {**kept, **dict.fromkeys(_THREADS, str(threads)), "PYTHONPATH": str(ROOT)}


@dataclass(frozen=True, slots=True)
class CommandRun:
    """One run of a command.

    Attributes:
        seconds: from start to end.
        largest_bytes: peak resident memory of its largest process.
        together_bytes: peak of the resident memory of all its processes; what they share is
            counted for each.
    """

    seconds: float
    largest_bytes: int
    together_bytes: int


def run_command(
    command: Sequence[str | Path], *, environ: Mapping[str, str] | None = None
) -> CommandRun:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    peaks = [0, 0]
    begun = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        env=dict(environ or environment()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    ended = threading.Event()
    sampler = threading.Thread(target=_sample, args=(process.pid, peaks, ended), daemon=True)
    sampler.start()
    _, errors = process.communicate()
    seconds = time.perf_counter() - begun
    ended.set()
    sampler.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {process.returncode}\n{errors[-2000:]}")
    return CommandRun(seconds, *peaks)


def _sample(root: int, peaks: list[int], ended: threading.Event) -> None:
    while not ended.wait(_SAMPLE_SECONDS):
        sizes = [resident_bytes(process) for process in family(root)]
        peaks[0] = max(peaks[0], *sizes)
        peaks[1] = max(peaks[1], sum(sizes))


def family(root: int) -> list[int]:
    """A process and all that descend from it."""
    found = [root]
    for process in found:
        try:
            tasks = list(Path(f"/proc/{process}/task").iterdir())
            for task in tasks:
                found += map(int, (task / "children").read_text().split())
        except OSError:  # it has ended
            continue
    return found


def resident_bytes(process: int) -> int:
    """Resident memory of a process, 0 if it has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def in_turn(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Let each contender run once a round; what each returns, round by round.

    The order turns from round to round, so that nobody always runs behind the same one.
    """
    results: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for index in range(rounds):
        shift = index % len(names)
        for name in names[shift:] + names[:shift]:
            results[name].append(contenders[name]())
    return results


def seconds_of(function: Callable[[], object]) -> float:
    """How long a call takes."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun
