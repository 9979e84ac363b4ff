"""The two commands, run as the command line runs them."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ner_service.cli import run

TEXT = "Bob bought a toy in Lisbon of Costa .\r\nthe bank\u2028of SPAIN and [PER_1] \U0001f600\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_bytes(TEXT.encode())
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("0123456789abcdef0123456789abcdef\n")
    return path


def redact(tiny_model: Path, *arguments: object) -> int:
    return run(["redact", "--model", str(tiny_model), *map(str, arguments)])


def test_a_text_comes_back_byte_for_byte(tiny_model, text, tmp_path, capfdbinary):
    mapping, redacted = tmp_path / "mapping.json", tmp_path / "redacted.txt"
    assert redact(tiny_model, text, "--mapping", mapping, "--output", redacted) == 0
    names = json.loads(mapping.read_text("utf-8"))["mapping"].values()
    assert names
    assert not any(f" {name} ".encode() in redacted.read_bytes() for name in names)
    assert mapping.stat().st_mode & 0o077 == 0
    assert run(["restore", str(redacted), "--mapping", str(mapping), "--strict"]) == 0
    out, err = capfdbinary.readouterr()
    assert out == TEXT.encode()
    assert err == b""


def test_standard_input_is_read(tiny_model, monkeypatch, capfdbinary):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(TEXT.encode())))
    assert redact(tiny_model, "--mode", "mask") == 0
    out, _ = capfdbinary.readouterr()
    assert len(out.decode()) == len(TEXT)
    assert "*" in out.decode()


def test_a_key_seals_the_mapping(tiny_model, text, key, tmp_path, capfd):
    mapping, redacted = tmp_path / "mapping.json", tmp_path / "redacted.txt"
    arguments = (text, "--mapping", mapping, "--key-file", key, "--output", redacted)
    assert redact(tiny_model, *arguments) == 0
    assert isinstance(json.loads(mapping.read_text())["mapping"], str)
    back = ["restore", str(redacted), "--mapping", str(mapping)]
    assert run(back) == 1
    assert "--key-file" in capfd.readouterr().err
    assert run([*back, "--key-file", str(key)]) == 0
    assert capfd.readouterr().out == TEXT


def test_a_session_goes_on(tiny_model, text, tmp_path, capfd):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    assert redact(tiny_model, text, "--mapping", first) == 0
    one = capfd.readouterr().out
    assert redact(tiny_model, text, "--session", first, "--mapping", second) == 0
    assert capfd.readouterr().out == one
    assert json.loads(first.read_text()) == json.loads(second.read_text())


def test_lost_and_doubled_placeholders_are_told(tmp_path, capfd):
    mapping, text = tmp_path / "mapping.json", tmp_path / "text.txt"
    names = {"[PER_1]": "Ann", "[PER_2]": "Bob"}
    mapping.write_text(json.dumps({"mapping": names, "counts": {"[PER_1]": 1, "[PER_2]": 1}}))
    text.write_text("[PER_1] and [PER_1]")
    arguments = ["restore", str(text), "--mapping", str(mapping)]
    assert run(arguments) == 0
    assert run([*arguments, "--strict"]) == 1
    out, err = capfd.readouterr()
    assert out == "Ann and Ann" * 2
    assert err == "ner-service: lost: [PER_2]\nner-service: doubled: [PER_1]\n" * 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--labels", "XYZ"], 2, "the model has no XYZ"),
        (["--mode", "mask", "--mapping", "m.json"], 2, "only pseudonyms can be restored"),
        (["--mode", "hash"], 1, "at least 16 bytes"),
        (["--session", "missing.json"], 1, "missing.json: No such file"),
        (["--key-file", "missing.key"], 1, "missing.key: No such file"),
        (["--output", "missing/out.txt"], 1, "missing/out.txt: No such file"),
        (["--mapping", "missing/out.json"], 1, "missing/out.json: No such file"),
    ],
)
def test_faults_are_told_in_one_line(tiny_model, text, capfd, arguments, code, message):
    assert redact(tiny_model, text, *arguments) == code
    error = capfd.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_broken_text_or_mapping_is_told(tmp_path, capfd):
    broken = tmp_path / "broken"
    broken.write_bytes(b"\xff")
    assert run(["restore", str(tmp_path / "missing"), "--mapping", str(broken)]) == 1
    assert "expected a mapping file that redact wrote" in capfd.readouterr().err
    broken.write_text('{"mapping": {}, "counts": {}}')
    assert run(["restore", str(tmp_path / "missing"), "--mapping", str(broken)]) == 1
    assert "missing: No such file" in capfd.readouterr().err
    text = tmp_path / "text"
    text.write_bytes(b"abc\xff")
    assert run(["restore", str(text), "--mapping", str(broken)]) == 1
    assert "not UTF-8 at byte 3" in capfd.readouterr().err
