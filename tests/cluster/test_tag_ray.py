"""The cluster engine on a real Ray cluster of three nodes, one of which is killed in mid-run."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ner_service.batch.job import run_job
from ner_service.batch.options import Options
from ner_service.batch.plan import Plan, load_settings
from ner_service.batch.sources import find_sources, make_sections
from ner_service.errors import NerError

# A cluster takes its time to start on a busy machine.
os.environ.setdefault("RAY_raylet_start_wait_time_s", "300")
os.environ.setdefault("RAY_DEDUP_LOGS", "0")

OPTIONS = Options(shard_documents=40)
WORDS = ("Bob", "bought", "a", "toy", "in", "Lisbon", ".", "Costa", "of", "SPAIN")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files, some records broken."""
    generator = random.Random(1)
    folder = tmp_path_factory.mktemp("ray")
    for name in ("a.jsonl", "b.jsonl"):
        with (folder / name).open("w") as file:
            for number in range(1200):
                text = " ".join(generator.choices(WORDS, k=generator.randrange(5, 200)))
                line = json.dumps({"id": number, "text": text})
                file.write(line[: 10 if number % 300 == 7 else None] + "\n")
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    # The nodes' workers must find this checkout, as those of a real cluster find the package.
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    ray.init(address=cluster.address, runtime_env={"env_vars": environment}, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def plan(folder: Path, name: str, engine: str) -> Plan:
    inputs = (str(folder / "a.jsonl"), str(folder / "b.jsonl"))
    output = str(folder / name)
    return Plan(inputs=inputs, output=output, engine=engine, workers=2, quiet=True)


@pytest.mark.usefixtures("cluster")
def test_the_cluster_writes_what_this_machine_writes(inputs: Path, tiny_model: Path):
    here = run_job(plan(inputs, "local.jsonl", "local"), str(tiny_model), OPTIONS)
    there = run_job(plan(inputs, "ray.jsonl", "ray"), str(tiny_model), OPTIONS)
    assert (here.documents, here.rejected) == (2392, 8)
    assert there.to_dict() | {"seconds": 0} == here.to_dict() | {"seconds": 0}
    for suffix in ("", ".rejected.jsonl"):
        local = (inputs / f"local.jsonl{suffix}").read_bytes()
        assert (inputs / f"ray.jsonl{suffix}").read_bytes() == local


def test_a_node_killed_in_mid_run_costs_no_record(inputs: Path, tiny_model: Path, cluster):
    from ray._private.state import actors

    from ner_service.batch.local import run_local
    from ner_service.batch.ray_engine import run_ray

    _, settings = load_settings(str(tiny_model), OPTIONS)
    sources = find_sources([f"{inputs}/?.jsonl"], OPTIONS)
    expected = {
        done.key: done.data for done in run_local(make_sections(sources), settings, {}, workers=1)
    }
    found = {}
    killed = None
    for done in run_ray(list(make_sections(sources)), settings, {}, workers=2):
        found[done.key] = done.data
        if killed is None and len(found) >= 3:
            busy = {actor["Address"]["NodeID"] for actor in actors().values()
                    if actor["State"] == "ALIVE"}  # fmt: skip
            # An actor may be starting anew just now: then at one of the next shards.
            killed = next((node for node in cluster.worker_nodes if node.node_id in busy), None)
            if killed is not None:
                cluster.remove_node(killed, allow_graceful=False)
    assert killed is not None
    assert len(found) > 10
    assert found == expected


@pytest.mark.usefixtures("cluster")
def test_finished_shards_are_not_tagged_again_and_changed_ones_are_noticed(
    inputs: Path, tiny_model: Path
):
    from ner_service.batch.ray_engine import run_ray
    from ner_service.batch.shards import cut

    _, settings = load_settings(str(tiny_model), OPTIONS)
    sections = list(make_sections(find_sources([f"{inputs}/a.jsonl"], OPTIONS)))
    shards = list(cut(sections[0], OPTIONS))
    kept = {shard.key: shard.digest for shard in shards[:-1]}
    done = {one.key: one.data for one in run_ray(sections, settings, kept, workers=1)}
    assert [key for key, data in done.items() if data is not None] == [shards[-1].key]
    assert len(done) == len(shards)
    with pytest.raises(NerError, match=r"a\.jsonl, lines 1 to 40: changed since the job began"):
        list(run_ray(sections, settings, {shards[0].key: "other"}, workers=1))
