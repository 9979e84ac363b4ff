"""Progress: a bar under a terminal, lines in a pipe."""

import os
import pty
import subprocess
from pathlib import Path

from tests.jobs import start_tag


def read_terminal(descriptor: int) -> bytes:
    written = b""
    while True:
        try:
            data = os.read(descriptor, 65_536)
        except OSError:  # the other side is closed
            return written
        if not data:
            return written
        written += data


def tag_under_terminal(*arguments: object) -> tuple[int, bytes, bytes]:
    """Exit code, standard output and what the terminal at standard error got."""
    here, there = pty.openpty()
    process = start_tag(
        *arguments, stdout=subprocess.PIPE, stderr=there, env={**os.environ, "TERM": "xterm"}
    )
    os.close(there)
    drawn = read_terminal(here)
    os.close(here)
    output, _ = process.communicate()
    return process.returncode, output, drawn


def test_the_bar_is_drawn_under_a_terminal_and_not_in_a_pipe(tmp_path: Path, tiny_model: Path):
    path = tmp_path / "in.txt"
    path.write_text("Bob bought a toy Yoda in Lisbon.\n" * 3000)
    arguments = (path, "--unit", "line", "--model", tiny_model, "--shard-documents", "500")
    code, _, drawn = tag_under_terminal(*arguments, "--output", tmp_path / "a.jsonl")
    assert code == 0, drawn
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}".encode() in drawn
    assert b"3,000 documents" in drawn
    assert b"words/s" in drawn
    process = start_tag(*arguments, "--output", tmp_path / "b.jsonl", stderr=subprocess.PIPE)
    _, told = process.communicate()
    assert process.returncode == 0
    assert b"\x1b[" not in told
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}".encode() not in told
    assert all(line.startswith(b"ner-service: ") for line in told.splitlines())
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
