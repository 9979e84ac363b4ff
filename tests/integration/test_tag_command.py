"""`ner-service tag` as a process: standard streams, exit codes, clear errors."""

import gzip
import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs import kill, read_jsonl, run_tag, start_tag

NOTES = "Bob bought a toy Yoda in\nLisbon. The bank of SPAIN.\n"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_text(NOTES)
    return path


def write_lines(path: Path, count: int) -> Path:
    texts = ("Bob bought a toy in Lisbon %d.", "The Costa bank of SPAIN, %d.", "a toy %d")
    lines = [{"id": f"d{n}", "text": texts[n % 3] % n} for n in range(count)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_text_file_becomes_a_line_of_json(notes: Path, tiny_model: Path):
    done = run_tag(notes, "--model", tiny_model)
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert list(document) == ["id", "model", "entities"]
    assert document["id"] == str(notes)
    assert document["model"]["name"] == "tiny"
    assert document["entities"]
    for entity in document["entities"]:
        assert NOTES[entity["start"] : entity["end"]] == entity["text"]
        assert 0 <= entity["score"] <= 1
    assert done.stderr.startswith(b"ner-service: 1 documents, 13 words, ")


def test_standard_input_is_read_and_inputs_keep_their_order(notes: Path, tiny_model: Path):
    done = run_tag("-", notes, "--model", tiny_model, "--quiet", stdin=NOTES.encode())
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["stdin", str(notes)]
    entities = [json.loads(line)["entities"] for line in done.stdout.splitlines()]
    assert entities[0] == entities[1]
    assert done.stderr == b""


def test_standard_output_is_what_a_file_would_hold(tmp_path: Path, tiny_model: Path):
    path = write_lines(tmp_path / "a.jsonl", 300)
    options = ("--model", tiny_model, "--shard-documents", "20")
    for extra in ((), ("--output-format", "csv"), ("--output-format", "html")):
        printed = run_tag(path, *options, *extra, "--workers", "2")
        output = tmp_path / f"out{len(extra)}{extra[-1:]}"
        assert run_tag(path, *options, *extra, "--output", output).returncode == 0
        assert printed.stdout == output.read_bytes()


def test_a_summary_is_written_on_request(notes: Path, tmp_path: Path, tiny_model: Path):
    summary, output = tmp_path / "summary.json", tmp_path / "out.jsonl"
    done = run_tag(notes, "--model", tiny_model, "--output", output, "--summary", summary)
    assert done.returncode == 0
    told = json.loads(summary.read_text())
    (document,) = read_jsonl(output)
    assert told["documents"] == 1
    assert sum(told["entities"].values()) == len(document["entities"])
    assert (told["rejected"], told["shards"], told["shards_kept"]) == (0, 1, 0)
    assert told["seconds"] > 0


def test_rejects_have_an_exit_code_and_a_file_of_their_own(tmp_path: Path, tiny_model: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "Bob"}\n{"text": \n{"text": "Ann"}\n')
    output = tmp_path / "out.jsonl"
    done = run_tag(path, "--model", tiny_model, "--output", output)
    assert done.returncode == 3
    assert [line["id"] for line in read_jsonl(output)] == [f"{path}:1", f"{path}:3"]
    (reject,) = read_jsonl(tmp_path / "out.jsonl.rejected.jsonl")
    assert reject == {
        "source": str(path),
        "line": 2,
        "reason": "broken JSON: Expecting value: line 1 column 10 (char 9)",
    }
    again = run_tag(path, "--model", tiny_model, "--output", output)
    assert again.returncode == 3  # known from the manifest
    printed = run_tag(path, "--model", tiny_model, "--quiet")
    assert printed.returncode == 3
    assert b"rejected " + str(path).encode() + b", line 2: broken JSON" in printed.stderr


def test_strict_stops_at_a_reject(tmp_path: Path, tiny_model: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "Bob"}\n{"body": "Ann"}\n')
    output = tmp_path / "out.jsonl"
    for more in ((), ("--output", output)):
        done = run_tag(path, "--model", tiny_model, "--strict", "--quiet", *more)
        assert done.returncode == 1
        expected = (
            f"ner-service: rejected {path}, line 2: no text field: expected 'text' (--strict)\n"
        )
        assert done.stderr.decode() == expected
    assert not output.exists()


def test_another_job_on_the_same_output_is_refused_until_fresh(
    notes: Path, tmp_path: Path, tiny_model: Path
):
    output = tmp_path / "out.jsonl"
    base = (notes, "--model", tiny_model, "--output", output)
    assert run_tag(*base).returncode == 0
    done = run_tag(*base, "--labels", "PER")
    assert done.returncode == 1
    assert b"belongs to another job (options labels: None there, ['PER'] here)" in done.stderr
    assert run_tag(*base, "--labels", "PER", "--fresh").returncode == 0
    labels = {entity["label"] for entity in read_jsonl(output)[0]["entities"]}
    assert labels <= {"PER"}


def test_a_label_that_the_model_does_not_have_is_an_error(notes: Path, tiny_model: Path):
    for option, value in (("--labels", "PER,NONE"), ("--threshold", "NONE=0.5")):
        done = run_tag(notes, "--model", tiny_model, option, value)
        assert done.returncode == 1
        assert b"expected labels of the model" in done.stderr


def test_standard_input_cannot_be_resumed_and_says_so(tmp_path: Path, tiny_model: Path):
    output = tmp_path / "out.jsonl"
    base = ("-", "--model", tiny_model, "--output", output)
    done = run_tag(*base, stdin=b"Bob")
    assert done.returncode == 0
    assert b"standard input cannot be resumed" in done.stderr
    done = run_tag(*base, stdin=b"Bob")
    assert done.returncode == 1
    assert b"exists already; --fresh replaces it" in done.stderr


def test_two_jobs_on_one_output_do_not_meet(tmp_path: Path, tiny_model: Path):
    output = tmp_path / "out.jsonl"
    first = start_tag("-", "--model", tiny_model, "--output", output, stdin=subprocess.PIPE)
    try:
        while not (tmp_path / "out.jsonl.shards" / "manifest.json").exists():
            assert first.poll() is None
        second = run_tag("-", "--model", tiny_model, "--output", output, "--fresh", stdin=b"Ann")
        assert second.returncode == 1
        assert b"another job is writing here" in second.stderr
        first.communicate(b"Bob")
        assert first.returncode == 0
    finally:
        kill(first)


def test_a_full_device_is_a_clear_error(notes: Path, tiny_model: Path):
    with open("/dev/full", "wb") as full:
        process = start_tag(
            notes, "--model", tiny_model, "--quiet", stdout=full, stderr=subprocess.PIPE
        )
        _, errors = process.communicate()
    assert process.returncode == 1
    assert errors == b"ner-service: standard output: No space left on device\n"


def test_a_reader_that_goes_away_is_a_clear_error(tmp_path: Path, tiny_model: Path):
    path = write_lines(tmp_path / "a.jsonl", 2000)
    process = start_tag(
        path,
        "--model",
        tiny_model,
        "--shard-documents",
        "50",
        "--quiet",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert errors == b"ner-service: standard output: Broken pipe\n"


def test_a_full_disk_keeps_what_is_finished(tmp_path: Path, tiny_model: Path):
    path = write_lines(tmp_path / "a.jsonl", 3000)
    output = tmp_path / "out.jsonl"
    base = (path, "--model", tiny_model, "--output", output, "--shard-documents", "500")
    limit = 150_000  # of one file: the shards fit, the output does not

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = start_tag(*base, stderr=subprocess.PIPE, preexec_fn=limit_files)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert b"File too large; finished shards are kept" in errors
    assert not output.exists()
    summary = tmp_path / "summary.json"
    assert run_tag(*base, "--summary", summary).returncode == 0
    assert json.loads(summary.read_text())["shards_kept"] == 6
    assert len(read_jsonl(output)) == 3000


def test_a_file_that_cannot_be_read_is_named(notes: Path, tmp_path: Path, tiny_model: Path):
    if os.geteuid() == 0:  # nothing is unreadable to root; a folder in a file's place is
        broken = tmp_path / "link.txt"
        broken.symlink_to(broken)
        expected = "Too many levels of symbolic links"
    else:
        broken = tmp_path / "secret.txt"
        broken.touch(mode=stat.S_IWUSR)
        expected = "Permission denied"
    done = run_tag(f"{tmp_path}/*.txt", "--model", tiny_model, "--quiet")
    assert done.returncode == 1
    assert done.stderr.decode() == f"ner-service: {broken}: {expected}\n"
    assert notes.exists()


def test_what_lies_in_the_working_directory_is_not_imported(
    notes: Path, tmp_path: Path, tiny_model: Path
):
    (tmp_path / "numpy.py").write_text("raise SystemExit('not this one')")
    command = [sys.executable, "-P", "-m", "ner_service", "tag", str(notes)]
    done = subprocess.run(
        [*command, "--model", str(tiny_model)], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_all_formats_agree_on_the_entities(tmp_path: Path, tiny_model: Path):
    from tests.jobs import entities_of

    path = write_lines(tmp_path / "a.jsonl", 60)
    texts = {line["id"]: line["text"] for line in read_jsonl(path)}
    found = {}
    for name in ("out.jsonl", "out.csv", "out.parquet", "out.conll", "out.brat", "out.html"):
        done = run_tag(path, "--model", tiny_model, "--output", tmp_path / name, "--quiet")
        assert done.returncode == 0, done.stderr
        found[name] = entities_of(tmp_path / name, name.rpartition(".")[2], texts)
    assert len(found["out.jsonl"]) > 30
    assert all(entities == found["out.jsonl"] for entities in found.values())


def test_all_inputs_agree_on_the_entities(tmp_path: Path, tiny_model: Path):
    import csv

    import pyarrow as pa
    import pyarrow.parquet as pq
    import zstandard

    lines = read_jsonl(write_lines(tmp_path / "a.jsonl", 60))
    data = (tmp_path / "a.jsonl").read_bytes()
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(data))
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.ZstdCompressor().compress(data))
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["text", "id"])
        writer.writeheader()
        writer.writerows(lines)
    pq.write_table(pa.Table.from_pylist(lines), tmp_path / "a.parquet")
    (tmp_path / "a.txt").write_text("\n".join(line["text"] for line in lines))
    (tmp_path / "p.txt").write_text("\n\n".join(line["text"] for line in lines))
    (tmp_path / "texts").mkdir()
    for number, line in enumerate(lines):
        (tmp_path / "texts" / f"{number:02d}").write_text(line["text"])
    found = []
    for name, *more in (
        ("a.jsonl",),
        ("a.jsonl.gz",),
        ("a.jsonl.zst",),
        ("a.csv",),
        ("a.parquet",),
        ("a.txt", "--unit", "line"),
        ("p.txt", "--unit", "paragraph"),
        ("texts",),
    ):
        done = run_tag(tmp_path / name, "--model", tiny_model, "--quiet", *more)
        assert done.returncode == 0, done.stderr
        found.append([json.loads(line)["entities"] for line in done.stdout.splitlines()])
    assert len(found[0]) == 60
    assert all(entities == found[0] for entities in found)


def test_what_a_cluster_cannot_do_is_an_error(notes: Path, tmp_path: Path, tiny_model: Path):
    base = ("--model", tiny_model, "--engine", "ray")
    done = run_tag(notes, *base)
    assert b"engine ray: expected --output" in done.stderr
    done = run_tag("-", *base, "--output", tmp_path / "x.jsonl")
    assert b"standard input cannot be read by a cluster" in done.stderr
    assert done.returncode == 1


def test_without_ray_the_extra_is_named(notes: Path, tmp_path: Path, tiny_model: Path):
    program = """
import sys
sys.modules["ray"] = None
from ner_service.cli import main
main()
"""
    arguments = ("tag", notes, "--model", tiny_model, "--engine", "ray", "--output")
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments), str(tmp_path / "y.jsonl")],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == b"ner-service: engine ray: expected ray, install ner-service[ray]\n"
