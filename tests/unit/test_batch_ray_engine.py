"""The parts of the cluster engine, without a cluster; tests/cluster has them on three nodes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from ray.exceptions import ActorDiedError, RayTaskError

from ner_service.batch import ray_engine
from ner_service.batch.options import Options
from ner_service.batch.plan import load_settings
from ner_service.batch.ray_engine import ShardSource, TaggingActor, run_ray
from ner_service.batch.records import ShardHead
from ner_service.batch.shards import Done, ShardKey, cut
from ner_service.batch.sources import Section, find_sources, make_sections
from ner_service.batch.worker import ShardTagger
from ner_service.errors import NerError

OPTIONS = Options(shard_documents=3)


@pytest.fixture
def section(tmp_path: Path) -> Section:
    path = tmp_path / "a.jsonl"
    lines = [json.dumps({"id": number, "text": f"Bob {number}"}) for number in range(8)]
    path.write_text("\n".join(lines))
    (section,) = make_sections(find_sources([str(path)], OPTIONS))
    return section


def read(section: Section, kept: dict[ShardKey, str]) -> list[pa.Table]:
    source = ShardSource([section], OPTIONS, kept)
    assert source.estimate_inmemory_data_size() is None
    (task,) = source.get_read_tasks(parallelism=7)
    return list(task())


def test_a_block_is_a_shard_and_actors_write_what_local_workers_write(
    section: Section, tiny_model: Path
):
    _, settings = load_settings(str(tiny_model), OPTIONS)
    actor, tagger = TaggingActor(settings.to_json()), ShardTagger(settings)
    blocks = read(section, {})
    assert [block.num_rows for block in blocks] == [1, 1, 1]
    for block, shard in zip(blocks, cut(section, OPTIONS), strict=True):
        (row,) = actor(block).to_pylist()
        assert (row["section"], row["number"]) == (shard.key.section, shard.key.number)
        assert row["consumed"] == shard.consumed
        assert row["data"] == tagger.tag(shard.payload, shard.digest)


def test_finished_shards_travel_without_their_payload(section: Section, tiny_model: Path):
    _, settings = load_settings(str(tiny_model), OPTIONS)
    first = next(cut(section, OPTIONS))
    blocks = read(section, {first.key: first.digest, ShardKey(9, 9): "of another section"})
    assert blocks[0].column("payload").null_count == 1
    (row,) = TaggingActor(settings.to_json())(blocks[0]).to_pylist()
    assert row["data"] is None
    with pytest.raises(NerError, match="changed since the job began"):
        read(section, {first.key: "another digest"})


def done(number: int) -> Done:
    head = ShardHead(f"digest{number}", 1, 1, {}, [])
    return Done(ShardKey(0, number), 1, head.to_line())


class Cluster:
    """Stands in for the pipeline: gives shards until it breaks, `breaks` times over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, breaks: int, error: Exception) -> None:
        self.known: list[dict[ShardKey, str]] = []
        self._breaks = breaks
        self._error = error
        monkeypatch.setattr(ray_engine, "_run", self._run)
        monkeypatch.setattr(ray_engine.ray, "is_initialized", lambda: True)

    def _run(self, *arguments: object) -> Iterator[Done]:
        known = arguments[2]
        assert isinstance(known, dict)
        self.known.append(dict(known))
        yield done(0)
        if len(self.known) <= self._breaks:
            raise self._error
        yield done(1)


def test_a_pipeline_that_is_lost_goes_on_with_what_is_done(monkeypatch: pytest.MonkeyPatch):
    cluster = Cluster(monkeypatch, 2, ActorDiedError())
    found = list(run_ray([], None, {}))
    assert found == [done(0), done(1)]
    assert cluster.known == [{}, {ShardKey(0, 0): "digest0"}, {ShardKey(0, 0): "digest0"}]


def test_a_cluster_that_is_lost_for_good_is_an_error(monkeypatch: pytest.MonkeyPatch):
    Cluster(monkeypatch, 3, ActorDiedError())
    with pytest.raises(NerError, match="ray: The actor died"):
        list(run_ray([], None, {}))


def test_a_fault_of_the_work_is_told_as_on_this_machine(monkeypatch: pytest.MonkeyPatch):
    cause = NerError("a.jsonl: changed while it was read")
    cluster = Cluster(monkeypatch, 3, RayTaskError("read", "a long\ntraceback", cause))
    with pytest.raises(NerError) as caught:
        list(run_ray([], None, {}))
    assert str(caught.value) == "a.jsonl: changed while it was read"
    assert len(cluster.known) == 1


def test_a_cluster_that_cannot_be_reached_is_an_error_in_one_line(monkeypatch: pytest.MonkeyPatch):
    def time_out(**_: object) -> None:
        raise Exception("The current node timed out during startup.\nSee the log.")  # as Ray does

    monkeypatch.setattr(ray_engine.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray_engine.ray, "init", time_out)
    monkeypatch.setattr(ray_engine.ray, "shutdown", lambda: None)
    with pytest.raises(NerError, match="^ray: The current node timed out during startup") as caught:
        list(run_ray([], None, {}))
    assert "\n" not in str(caught.value)
