"""A thousand hostile records among ten thousand good ones: all told apart, none in the way."""

import json
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from ner_service.artifact.store import WEIGHTS
from tests.jobs import read_jsonl, run_tag

# What is wrong with a record, and how the reason begins.
HOSTILE: dict[str, Callable[[int], bytes]] = {
    "not UTF-8": lambda n: b'{"id": %d, "text": "Bob \xff\xfe"}' % n,
    "broken JSON: Expecting": lambda n: b'{"id": %d, "text": "Bob' % n + b'" "left"}',
    "broken JSON: Unterminated": lambda n: b'{"id": %d, "text": "Bob' % n,
    "broken JSON: nested": lambda _: b'{"text": ' + b"[" * 50_000,
    "broken JSON: NaN": lambda _: b'{"text": "Bob", "x": NaN}',
    "expected a JSON object": lambda n: b'["text", %d]' % n,
    "no text field": lambda n: b'{"id": %d, "body": "Bob"}' % n,
    "text: expected a string": lambda n: b'{"id": %d, "text": %d}' % (n, n),
    "id: expected a string": lambda n: b'{"id": [%d], "text": "Bob"}' % n,
    "expected valid Unicode": lambda n: b'{"id": %d, "text": "\\ud83d"}' % n,
    "document too long": lambda _: b'{"text": "%s"}' % (b"x" * 1_000_001),
    "tokens: expected": lambda _: b'{"tokens": ["Bob", 7]}',
}
LONG_LINE = b'{"text": "' + b"x" * (17 * 2**20) + b'"}'


def test_hostile_records_are_rejected_and_good_ones_tagged(tmp_path: Path, tiny_model: Path):
    generator = random.Random(3)
    path = tmp_path / "in.jsonl"
    kinds = list(HOSTILE)
    # The long ones are few: a hundred would fill a disk.
    expected = [generator.choice([kind for kind in kinds if kind != "document too long"])
                for _ in range(995)]  # fmt: skip
    expected += ["document too long"] * 3 + ["line too long"] * 2
    places = sorted(generator.sample(range(11_000), 1000))
    generator.shuffle(expected)
    hostile = dict(zip(places, expected, strict=True))
    good = []
    with path.open("wb") as file:
        for line in range(11_000):
            kind = hostile.get(line)
            if kind is None:
                good.append(line)
                # Text that is odd, and good all the same.
                odd = generator.choice(["Bob\u0000left", "\U0001f600 Bob", "", "\r\n", "Bob " * 9])
                file.write(json.dumps({"id": line, "text": odd}).encode())
            else:
                file.write(LONG_LINE if kind == "line too long" else HOSTILE[kind](line))
            file.write(generator.choice([b"\n", b"\r\n", b"\n\n"]))
    output, summary = tmp_path / "out.jsonl", tmp_path / "summary.json"
    done = run_tag(
        path, "--model", tiny_model, "--output", output, "--workers", "2", "--summary", summary
    )
    assert done.returncode == 3, done.stderr
    told = json.loads(summary.read_text())
    assert (told["documents"], told["rejected"]) == (10_000, 1000)
    assert [document["id"] for document in read_jsonl(output)] == good
    rejects = read_jsonl(tmp_path / "out.jsonl.rejected.jsonl")
    assert [reject["line"] for reject in rejects] == sorted(reject["line"] for reject in rejects)
    for reject, (_, kind) in zip(rejects, sorted(hostile.items()), strict=True):
        assert str(reject["reason"]).startswith(kind), (reject, kind)
    assert Counter(expected).total() == len(rejects)


def test_damaged_model_ends_the_job_with_the_name_of_the_file(tmp_path: Path, tiny_model: Path):
    model = shutil.copytree(tiny_model, tmp_path / "model")
    content = bytearray((model / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (model / WEIGHTS).write_bytes(content)
    (tmp_path / "in.txt").write_text("Bob")
    done = run_tag(tmp_path / "in.txt", "--model", model, "--output", tmp_path / "out.jsonl")
    assert done.returncode == 1
    assert f"{WEIGHTS}: altered or damaged" in done.stderr.decode()
    assert not (tmp_path / "out.jsonl").exists()
