import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ner_service.batch.frames import ERROR, RESULT, receive, send
from ner_service.batch.nursery import Nursery
from ner_service.batch.options import Options
from ner_service.batch.plan import load_settings
from ner_service.batch.shards import cut
from ner_service.batch.sources import Section, find_sources

PATIENCE = 60.0


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    with closing(Nursery()) as some:
        yield some


def ask(connection: socket.socket, *frames: bytes) -> tuple[bytes, bytes] | None:
    connection.settimeout(PATIENCE)
    with connection.makefile("rb") as inbound, connection.makefile("wb") as outbound:
        for frame in frames:
            send(outbound, RESULT, frame)
        return receive(inbound)


def first_shard(folder: Path) -> bytes:
    path = folder / "in.txt"
    path.write_text("Bob bought a toy Yoda .\n")
    (shard,) = cut(Section(0, tuple(find_sources([str(path)], Options()))), Options())
    return b"\n".join((shard.digest.encode(), shard.payload))


def descendants(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(child) for child in children]


def nursery_process() -> int:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for child in descendants(os.getpid()):
            # What a process that has ended was called is nowhere to be read.
            if b"ner_service.batch.fork_server" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
        time.sleep(0.01)
    raise TimeoutError("no nursery")


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def test_workers_tag_what_they_are_given(nursery: Nursery, tiny_model: Path, tmp_path: Path):
    _, settings = load_settings(str(tiny_model), Options())
    shard = first_shard(tmp_path)
    answers = set()
    for _ in range(3):
        with nursery.fork() as connection:
            answers.add(ask(connection, settings.to_json(), shard))
    ((kind, data),) = answers
    assert kind == RESULT
    assert b'"documents":1' in data.replace(b" ", b"")


def test_worker_says_what_is_wrong_with_its_model(nursery: Nursery, tiny_model: Path):
    _, settings = load_settings(str(tiny_model), Options())
    changed = settings.to_json().replace(settings.version.encode(), b"000000000000")
    with nursery.fork() as connection:
        answer = ask(connection, changed)
    assert answer is not None
    assert answer[0] == ERROR
    assert b"changed while the job ran" in answer[1]


def test_workers_are_forked_from_a_single_thread(nursery: Nursery, tiny_model: Path):
    """A fork would inherit the locks that other threads hold."""
    _, settings = load_settings(str(tiny_model), Options())
    with nursery.fork() as connection:
        ask(connection, settings.to_json().replace(settings.version.encode(), b"0" * 12))
    assert len(list(Path(f"/proc/{nursery_process()}/task").iterdir())) == 1


def test_a_nursery_that_is_killed_is_started_again(
    nursery: Nursery, tiny_model: Path, tmp_path: Path
):
    _, settings = load_settings(str(tiny_model), Options())
    first = nursery_process()
    os.kill(first, signal.SIGKILL)
    while is_alive(first):
        time.sleep(0.01)
    with nursery.fork() as connection:
        answer = ask(connection, settings.to_json(), first_shard(tmp_path))
    assert answer is not None
    assert answer[0] == RESULT
    assert nursery_process() != first


def test_closing_ends_everybody_at_once_and_may_be_done_twice(tiny_model: Path):
    _, settings = load_settings(str(tiny_model), Options())
    nursery = Nursery()
    process = nursery_process()
    connection = nursery.fork()
    with connection, connection.makefile("wb") as outbound:
        send(outbound, RESULT, settings.to_json())
        deadline = time.monotonic() + PATIENCE
        while not (workers := descendants(process)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        nursery.close()
        connection.settimeout(PATIENCE)
        # It is reset where the worker was killed before it had read what it was sent.
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b""
    assert not Path(f"/proc/{process}").exists()
    while any(is_alive(worker) for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    nursery.close()
