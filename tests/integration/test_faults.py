"""What happens to machines: kills, clients that leave, full disks, clocks that jump.

Signals under load, half-sent requests and bad artifacts are in `test_server_lifecycle`,
`test_server_sockets` and `test_server_model`.
"""

import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.server import FAKE, ROOT, Server, free_port, head, read_answer, running
from tests.soak.observe import failures_in, files_of, outcomes_of

BODY = b'{"text": "Bob bought a toy Yoda"}'
# Long in work, and longer in its answer than any buffer.
LONG = json.dumps({"text": "Bob left. " * 12_000, "include": ["tokens"]}).encode()
JUMPING = ("-m", "tests.soak.serve_jumping")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(write_timeout_seconds=2) as server:
        yield server


def ask(server: Server) -> int:
    return server.http.post(f"{server.url}/v1/entities", content=BODY).status_code


def reset(connection: socket.socket) -> None:
    """Close without a goodbye, like a client that was killed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def until(true: Callable[[], bool], seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_idle(server: Server) -> bool:
    metrics = server.http.get(f"{server.url}/metrics").text
    return "\nner_queue_documents 0.0\n" in metrics and "\nner_queue_tokens 0.0\n" in metrics


PHASES = {
    "in the head": head(length=len(LONG))[:40],
    "before the body": head(length=len(LONG)),
    "in the body": head(length=len(LONG)) + LONG[:100_000],
    "waiting": head(length=len(LONG)) + LONG,
    "in the answer": head(length=len(LONG)) + LONG,
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("leave", [reset, socket.socket.close], ids=["killed", "closed"])
def test_a_client_that_leaves_costs_nothing_afterwards(server: Server, phase: str, leave):
    assert ask(server) == 200
    files = files_of(server.process.pid)
    connections = [server.connect() for _ in range(2)]
    for connection in connections:
        connection.sendall(PHASES[phase])
    if phase == "waiting":
        until(lambda: not is_idle(server))
    elif phase == "in the answer":
        for connection in connections:
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    else:
        time.sleep(0.1)
    for connection in connections:
        leave(connection)
    until(lambda: is_idle(server) and files_of(server.process.pid) <= files)
    assert ask(server) == 200
    assert failures_in(server) == []


def test_a_client_that_leaves_while_it_waits_is_counted(server: Server):
    assert outcomes_of(server).get("client_gone", 0) > 0


class Caller(threading.Thread):
    """Asks again and again, whoever answers on the port; keeps what came back."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.stopping = threading.Event()
        self.statuses: list[int | str] = []

    def run(self) -> None:
        with httpx.Client(timeout=30) as client:
            while not self.stopping.is_set():
                try:
                    url = f"http://127.0.0.1:{self.port}/v1/entities"
                    self.statuses.append(client.post(url, content=BODY).status_code)
                except httpx.TransportError as error:
                    self.statuses.append(type(error).__name__)
                    time.sleep(0.05)


def test_after_kill_9_under_load_a_new_server_answers_the_same_clients():
    with running() as first:
        callers = [Caller(first.port) for _ in range(8)]
        for caller in callers:
            caller.start()
        try:
            until(lambda: all(len(caller.statuses) > 5 for caller in callers))
            first.process.kill()
            first.process.wait()
            until(lambda: all(isinstance(caller.statuses[-1], str) for caller in callers))
            with running(port=first.port):
                until(lambda: all(caller.statuses[-1] == 200 for caller in callers))
        finally:
            for caller in callers:
                caller.stopping.set()
            for caller in callers:
                caller.join(timeout=60)
    answered = {status for caller in callers for status in caller.statuses if status != 200}
    # Connections break and are refused; no half or wrong answer is taken for one.
    assert answered <= {"ConnectError", "ReadError", "RemoteProtocolError", "WriteError"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk to offer")
def test_a_full_disk_for_logs_loses_lines_and_nothing_else():
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with Path("/dev/full").open("w") as full:
        process = subprocess.Popen(
            [sys.executable, *FAKE],
            cwd=ROOT,
            env={"PATH": "", "NER_PORT": str(port), "NER_DRAIN_SECONDS": "0"},
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=full,
        )
    try:
        with httpx.Client(timeout=30) as client:

            def is_ready() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return client.get(f"{url}/readyz").status_code == 200
                return False

            until(is_ready, seconds=60)
            for body, status in ((BODY, 200), (b"{", 400), (b'{"text": 1}', 422)) * 20:
                assert client.post(f"{url}/v1/entities", content=body).status_code == status
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(b"\x00\r\n\r\n")  # what uvicorn itself writes a line about
            assert read_answer(connection)[0] == 400
        process.terminate()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()


def test_a_clock_that_jumps_changes_no_answer_and_no_timer():
    settings = {"header_timeout_seconds": 1, "body_timeout_seconds": 1, "deadline_seconds": 30}
    with running(*JUMPING, **settings) as server:
        assert [ask(server) for _ in range(50)] == [200] * 50
        long = server.http.post(f"{server.url}/v1/entities", content=LONG)
        assert long.status_code == 200
        begin = time.monotonic()
        with server.connect() as connection:
            connection.sendall(head(length=len(BODY)) + BODY[:5])
            assert read_answer(connection)[0] == 408
        with server.connect() as connection:
            connection.sendall(b"POST")
            assert connection.recv(100) == b""
        assert 1.5 < time.monotonic() - begin < 20
        # The wall clock really is all over the place.
        days = {server.http.get(f"{server.url}/healthz").headers["date"][:16]}

        def has_jumped() -> bool:
            days.add(server.http.get(f"{server.url}/healthz").headers["date"][:16])
            return len(days) > 1

        until(has_jumped)
        server.signal()
        assert server.wait() == 0
        assert failures_in(server) == []
