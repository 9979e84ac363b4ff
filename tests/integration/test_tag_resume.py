"""A job killed at any moment and started again ends as one that was never disturbed."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.jobs import kill, run_tag, start_tag

KILLS = 25


def write_input(folder: Path) -> Path:
    """Documents of different lengths, and some that will be rejected."""
    generator = random.Random(5)
    words = ["Bob", "bought", "a", "toy", "in", "Lisbon", ".", "Costa", "of", "SPAIN", "2,000"]
    path = folder / "in.jsonl"
    with path.open("w") as file:
        for number in range(12_000):
            if number % 500 == 250:
                file.write("{broken\n")
            text = " ".join(generator.choices(words, k=generator.randrange(5, 120)))
            file.write(json.dumps({"id": number, "text": text}) + "\n")
    return path


def children_of(process: int) -> list[int]:
    try:
        listed = Path(f"/proc/{process}/task/{process}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(child) for child in listed.split()]


def workers_of(process: int) -> list[int]:
    """The nursery is the job's child, and the workers are the nursery's."""
    return [worker for nursery in children_of(process) for worker in children_of(nursery)]


def family_of(process: int) -> list[int]:
    return [*children_of(process), *workers_of(process)]


def ends_soon(process: int, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def files_of(output: Path) -> dict[str, bytes]:
    """The output and its rejects; the manifest tells of one run's seconds."""
    return {
        path.name: path.read_bytes()
        for path in output.parent.glob(f"{output.name}*")
        if path.is_file() and not path.name.endswith(".manifest.json")
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A folder with an input and the output of one run with one worker."""
    folder = tmp_path_factory.mktemp("resume")
    path = write_input(folder)
    (folder / "once").mkdir()
    done = run_tag(
        path, "--model", tiny_model, "--output", folder / "once" / "out.jsonl",
        "--shard-documents", "250", "--workers", "1", "--quiet",
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    return folder


def test_killed_25_times_it_ends_as_if_undisturbed(undisturbed: Path, tiny_model: Path):
    generator = random.Random(7)
    expected = files_of(undisturbed / "once" / "out.jsonl")
    output = undisturbed / "killed" / "out.jsonl"
    output.parent.mkdir()
    summary = undisturbed / "summary.json"
    kills, kept, orphans = 0, [], []
    longest = 1.0
    while kills < KILLS:
        workers = generator.choice(["1", "2", "3"])
        began = time.monotonic()
        process = start_tag(
            undisturbed / "in.jsonl", "--model", tiny_model, "--output", output,
            "--shard-documents", "250", "--workers", workers, "--summary", summary, "--quiet",
            stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            _, errors = process.communicate(timeout=generator.uniform(0.05, 1.0) * longest)
        except subprocess.TimeoutExpired:
            orphans += family_of(process.pid)
            kill(process)
            kills += 1
            # Reaches any stage of a run on a machine of any speed.
            longest = min(longest * 1.2, 60.0)
            continue
        assert process.returncode == 3, errors
        longest = time.monotonic() - began
        kept.append(json.loads(summary.read_text())["shards_kept"])
        assert files_of(output) == expected
        for path in output.parent.iterdir():
            path.unlink()
    done = run_tag(
        undisturbed / "in.jsonl", "--model", tiny_model, "--output", output,
        "--shard-documents", "250", "--summary", summary, "--quiet",
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    kept.append(json.loads(summary.read_text())["shards_kept"])
    assert files_of(output) == expected
    assert not output.with_name("out.jsonl.shards").exists()
    assert max(kept) > 0
    assert all(ends_soon(orphan) for orphan in orphans)


def test_interrupted_from_the_keyboard_it_ends_and_keeps_its_shards(
    undisturbed: Path, tiny_model: Path
):
    output = undisturbed / "interrupted.jsonl"
    arguments = (
        undisturbed / "in.jsonl", "--model", tiny_model, "--output", output,
        "--shard-documents", "50", "--workers", "2", "--quiet",
    )  # fmt: skip
    process = start_tag(*arguments, stderr=subprocess.PIPE, start_new_session=True)
    shards = Path(f"{output}.shards")
    while len(list(shards.glob("*.shard"))) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    summary = undisturbed / "interrupted-summary.json"
    assert run_tag(*arguments, "--summary", summary).returncode == 3
    assert json.loads(summary.read_text())["shards_kept"] >= 3
    expected = (undisturbed / "once" / "out.jsonl").read_bytes()
    assert output.read_bytes() == expected


@pytest.mark.parametrize("victims", [workers_of, children_of, family_of])
def test_who_is_killed_costs_a_retry_and_no_record(
    undisturbed: Path, tiny_model: Path, victims: Callable[[int], list[int]]
):
    output = undisturbed / f"retried-{victims.__name__}.jsonl"
    process = start_tag(
        undisturbed / "in.jsonl", "--model", tiny_model, "--output", output,
        "--shard-documents", "250", "--workers", "2", "--quiet", stderr=subprocess.PIPE,
    )  # fmt: skip
    shards = Path(f"{output}.shards")
    while len(list(shards.glob("*.shard"))) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    for victim in victims(process.pid):
        os.kill(victim, signal.SIGKILL)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 3, errors
    assert output.read_bytes() == (undisturbed / "once" / "out.jsonl").read_bytes()
