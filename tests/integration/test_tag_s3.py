"""Objects of a store as inputs and output, against moto's S3 server on a real socket."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.jobs import run_tag

TEXTS = [("a", "Bob bought a toy Yoda in Lisbon."), ("b", "The Costa bank of SPAIN."), ("c", "")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment variables that lead to a store with a bucket."""
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=file,
            stderr=file,
        )
    try:
        address = wait_for_address(log, server)
        environment = {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        client_of(environment).create_bucket(Bucket="texts")
        yield environment
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def wait_for_address(log: Path, server: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        for word in log.read_text().split():
            if word.startswith("http://127.0.0.1:"):
                urllib.request.urlopen(f"{word}/moto-api/").close()
                return word
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def client_of(environment: dict[str, str]):
    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        region_name="us-east-1",
    )


def lines_of(store: dict[str, str], key: str) -> list[dict[str, object]]:
    body = client_of(store).get_object(Bucket="texts", Key=key)["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


@pytest.fixture(scope="module")
def inputs(store: dict[str, str]) -> dict[str, str]:
    client = client_of(store)
    for name, text in TEXTS:
        line = json.dumps({"id": name, "text": text})
        client.put_object(Bucket="texts", Key=f"in/{name}.jsonl", Body=line.encode() + b"\n{\n")
    client.put_object(Bucket="texts", Key="in/notes.md", Body=b"Ann left.")
    return store


def test_objects_are_tagged_into_an_object(inputs: dict[str, str], tiny_model: Path):
    output = "s3://texts/out/all.jsonl"
    arguments = ("s3://texts/in/*.jsonl", "--model", tiny_model, "--output", output)
    done = run_tag(*arguments, env=inputs)
    assert done.returncode == 3, done.stderr
    assert [line["id"] for line in lines_of(inputs, "out/all.jsonl")] == ["a", "b", "c"]
    rejects = lines_of(inputs, "out/all.jsonl.rejected.jsonl")
    assert [(reject["source"], reject["line"]) for reject in rejects] == [
        (f"s3://texts/in/{name}.jsonl", 2) for name, _ in TEXTS
    ]
    listed = client_of(inputs).list_objects_v2(Bucket="texts", Prefix="out/")["Contents"]
    assert [entry["Key"] for entry in listed if entry["Size"]] == [
        "out/all.jsonl",
        "out/all.jsonl.manifest.json",
        "out/all.jsonl.rejected.jsonl",
    ]
    again = run_tag(*arguments, env=inputs)
    assert again.returncode == 3, again.stderr
    assert b"shards kept" in again.stderr


def test_a_folder_of_objects_and_single_ones_are_read(inputs: dict[str, str], tiny_model: Path):
    for name, count in (("s3://texts/in", 4), ("s3://texts/in/", 4), ("s3://texts/in/notes.md", 1)):
        done = run_tag(name, "--model", tiny_model, "--quiet", env=inputs)
        assert len(done.stdout.splitlines()) == count, done.stderr
    assert json.loads(done.stdout)["id"] == "s3://texts/in/notes.md"


def test_finished_shards_of_an_object_are_kept(inputs: dict[str, str], tiny_model: Path):
    """A job that stops at a broken record has finished the shards before it."""
    output, summary = "s3://texts/kept/all.jsonl", tiny_model.parent / "s3-summary.json"
    base = (
        "s3://texts/in/*.jsonl", "--model", tiny_model, "--output", output,
        "--shard-documents", "1", "--workers", "1", "--quiet",
    )  # fmt: skip
    assert run_tag(*base, "--strict", env=inputs).returncode == 1
    assert run_tag(*base, "--summary", summary, env=inputs).returncode == 3
    assert json.loads(summary.read_text())["shards_kept"] >= 1
    assert len(lines_of(inputs, "kept/all.jsonl")) == 3


def test_what_is_not_there_is_an_error(inputs: dict[str, str], tiny_model: Path):
    for name in ("s3://texts/none.jsonl", "s3://texts/none/*.jsonl", "s3://nobucket/a.jsonl"):
        done = run_tag(name, "--model", tiny_model, env=inputs)
        assert done.returncode == 1
        assert done.stderr.count(b"\n") == 1, done.stderr
        assert name.encode() in done.stderr


def test_an_unknown_scheme_is_an_error(tiny_model: Path):
    done = run_tag("gopher://x/y.txt", "--model", tiny_model, env=dict(os.environ))
    assert done.returncode == 1
    assert done.stderr.startswith(b"ner-service: gopher://x/y.txt: ")
    assert done.stderr.count(b"\n") == 1


def test_brat_is_written_to_local_folders_alone(inputs: dict[str, str], tiny_model: Path):
    done = run_tag(
        "s3://texts/in/notes.md", "--model", tiny_model, "--output", "s3://texts/x.brat", env=inputs
    )
    assert done.returncode == 1
    assert b"BRAT output is a local folder" in done.stderr
