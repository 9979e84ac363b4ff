"""A job's files: kept, refused, locked, and whole at every moment."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ner_service.batch.options import Options
from ner_service.batch.records import Reject, ShardHead
from ner_service.batch.shards import ShardKey
from ner_service.batch.storage import LocalStorage
from ner_service.batch.store import ShardStore
from ner_service.errors import ConfigError, NerError
from ner_service.tagger import ModelInfo

MODEL = ModelInfo("fake", "0123456789ab", "IOBES", ("PER",), ())
JOB: dict[str, Any] = {
    "input": {"files": 1, "bytes": 3},
    "model": {"name": "fake", "version": "0123456789ab"},
    "options": {"precision": "full"},
    "program": "1.0",
}


def shard(number: int, rejects: int = 0) -> bytes:
    faults = [Reject("a", line, "broken") for line in range(rejects)]
    head = ShardHead(f"digest{number}", 1, 2, {"PER": 1}, faults)
    return head.to_line() + f"line {number}\n".encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ShardStore]:
    store = ShardStore(str(tmp_path / "out.jsonl"))
    with store.storage.locked(store.folder):
        yield store


def begin(store: ShardStore, job: dict[str, Any] = JOB, *, fresh: bool = False) -> set[ShardKey]:
    return set(store.begin(job, fresh=fresh, resumable=True))


def finish(store: ShardStore, count: int) -> None:
    keys = [ShardKey(0, number) for number in range(count)]
    store.finish(keys, {"job": JOB, "modified": 5, "summary": {}}, MODEL, Options())


def test_shards_become_the_output_and_leave_nothing_but_the_manifest(store: ShardStore):
    assert begin(store) == set()
    for number in (1, 0):
        store.save(ShardKey(0, number), shard(number))
    finish(store, 2)
    assert Path(store.output).read_text() == "line 0\nline 1\n"
    left = sorted(path.name for path in Path(store.output).parent.iterdir())
    assert left == ["out.jsonl", "out.jsonl.manifest.json"]


def test_finished_shards_are_kept(store: ShardStore):
    begin(store)
    store.save(ShardKey(0, 1), shard(1, rejects=2))
    again = ShardStore(store.output)
    heads = again.begin(JOB, fresh=False, resumable=True)
    assert heads == {ShardKey(0, 1): ShardHead.of(shard(1, rejects=2))}


def test_what_a_killed_job_was_writing_counts_for_nothing(store: ShardStore):
    begin(store)
    Path(store.folder, ".0000000-0000000.shard.writing").write_bytes(shard(0)[:10])
    Path(store.folder, "0000000-0000001.shard").write_bytes(b"not a head\n")
    assert begin(store) == set()


def test_rejects_are_listed_in_order_and_no_old_list_stays(store: ShardStore):
    begin(store)
    store.save(ShardKey(0, 0), shard(0, rejects=1))
    store.save(ShardKey(0, 1), shard(1, rejects=2))
    finish(store, 2)
    lines = [json.loads(line) for line in Path(store.rejected).read_text().splitlines()]
    assert lines == [
        {"source": "a", "line": 0, "reason": "broken"},
        {"source": "a", "line": 0, "reason": "broken"},
        {"source": "a", "line": 1, "reason": "broken"},
    ]
    Path(store.folder).mkdir()
    begin(store, fresh=True)
    store.save(ShardKey(0, 0), shard(0))
    finish(store, 1)
    assert not Path(store.rejected).exists()


@pytest.mark.parametrize("part", ["input", "model", "options", "program"])
def test_another_job_on_the_same_shards_is_refused(store: ShardStore, part: str):
    begin(store)
    store.save(ShardKey(0, 0), shard(0))
    value = JOB[part]
    other = {**JOB, part: "2.0" if isinstance(value, str) else {**value, next(iter(value)): 7}}
    with pytest.raises(NerError, match=rf"belongs to another job \({part}.*--fresh starts over"):
        begin(store, other)
    assert begin(store) == {ShardKey(0, 0)}
    assert begin(store, other, fresh=True) == set()


def test_a_finished_job_is_found_again(store: ShardStore):
    begin(store)
    store.save(ShardKey(0, 0), shard(0))
    finish(store, 1)
    found = store.find_finished(JOB, 5)
    assert found is not None
    assert found["job"] == JOB


def test_a_job_killed_while_it_cleaned_up_is_finished(store: ShardStore):
    begin(store)
    store.save(ShardKey(0, 0), shard(0))
    finish(store, 1)
    Path(store.folder).mkdir()
    Path(store.folder, "0000000-0000000.shard").write_bytes(shard(0))
    assert store.find_finished(JOB, 5) is not None
    assert not Path(store.folder).exists()


def test_a_job_killed_between_output_and_manifest_ends_again(store: ShardStore):
    begin(store)
    store.save(ShardKey(0, 0), shard(0))
    Path(store.output).write_text("line 0\n")
    assert begin(store) == {ShardKey(0, 0)}
    finish(store, 1)
    assert Path(store.output).read_text() == "line 0\n"


def test_an_output_that_others_have_changed_is_not_taken_for_finished(store: ShardStore):
    begin(store)
    store.save(ShardKey(0, 0), shard(0))
    finish(store, 1)
    with pytest.raises(NerError, match="made before its input changed"):
        store.find_finished(JOB, 6)
    with pytest.raises(NerError, match="belongs to another job"):
        store.find_finished({**JOB, "program": "2.0"}, 5)
    Path(store.output).write_text("more than there was\n")
    with pytest.raises(NerError, match="altered since it was made"):
        store.find_finished(JOB, 5)
    Path(store.output).unlink()
    assert store.find_finished(JOB, 5) is None


def test_a_file_that_was_there_before_is_not_overwritten(store: ShardStore):
    Path(store.output).write_text("precious")
    with pytest.raises(NerError, match="exists already; --fresh replaces it"):
        begin(store)
    assert begin(store, fresh=True) == set()
    Path(store.output).write_text("")
    assert begin(store) == set()


def test_a_damaged_manifest_is_an_error(store: ShardStore):
    begin(store)
    Path(store.folder, "manifest.json").write_text("{")
    with pytest.raises(NerError, match=r"manifest\.json: expected a job's manifest"):
        begin(store)


def test_two_jobs_on_one_output_are_told_apart(store: ShardStore):
    with (
        pytest.raises(NerError, match="another job is writing here"),
        LocalStorage().locked(store.folder),
    ):
        pass


def test_a_program_started_under_the_lock_does_not_hold_it(tmp_path: Path):
    folder = str(tmp_path / "out.shards")
    storage = LocalStorage()
    with storage.locked(folder):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with storage.locked(folder):
            pass
    finally:
        child.communicate(b"\n")


def test_a_job_that_never_began_leaves_no_folder(tmp_path: Path):
    folder = tmp_path / "out.shards"
    with LocalStorage().locked(str(folder)):
        assert folder.is_dir()
    assert not folder.exists()


def test_own_files_are_known_by_any_name(store: ShardStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(Path(store.output).parent)
    for name in ("out.jsonl", "./out.jsonl.rejected.jsonl", "out.jsonl.shards/x", store.manifest):
        assert store.is_own(name)
    assert not store.is_own("out.jsonl.gz")


def test_options_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="the output has fields"):
        Options(keep=("title", "id"))
    with pytest.raises(ConfigError, match="each field once"):
        Options(keep=("title", "title"))
    with pytest.raises(ConfigError, match="output parquet cannot be compressed"):
        Options(output_format="parquet", compression="gz")
