"""Starting and stopping: what is said when it fails, and that no accepted request is lost."""

import contextlib
import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.server import REAL, ROOT, running

SLOW = '{"text": "slowly Bob left"}'


def serve(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *REAL, *arguments],
        cwd=ROOT,
        env=environment or None,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_taken_port_is_one_line_and_exit_code_1():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = serve("--port", str(port))
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"port {port}" in result.stderr


def test_an_unknown_model_is_one_line_and_exit_code_1():
    result = serve("--port", "0", "--model", "no-such-model")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "no-such-model" in result.stderr


def test_a_broken_artifact_is_one_line_and_exit_code_1(tmp_path: Path):
    model = tmp_path / "broken"
    model.mkdir()
    (model / "config.json").write_text("{")
    result = serve("--port", "0", "--model", str(model))
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "broken" in result.stderr


@pytest.mark.parametrize("arguments", [("--port", "x"), ("--port", "70000"), ("--bogus",)])
def test_wrong_usage_is_one_line_and_exit_code_2(arguments: tuple[str, ...]):
    result = serve(*arguments)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1


def test_an_open_server_says_so():
    with running() as server:
        httpx.get(f"{server.url}/healthz")
        assert any(line["event"] == "open" for line in server.lines)
    with running(api_keys="key") as server:
        httpx.get(f"{server.url}/healthz")
        assert not any(line["event"] == "open" for line in server.lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_server_with_exit_code_0(number: signal.Signals):
    with running() as server:
        server.signal(number)
        assert server.wait() == 0
        assert server.lines[-1]["event"] == "stopped"


def test_readiness_fails_during_the_drain_while_requests_are_answered():
    with running(drain_seconds=1.5) as server:
        server.signal()
        begin = time.monotonic()
        while httpx.get(f"{server.url}/readyz").status_code == 200:
            assert time.monotonic() - begin < 1
        response = httpx.post(f"{server.url}/v1/entities", json={"text": "Bob"})
        assert response.status_code == 200
        assert response.headers["connection"] == "close"
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        assert server.wait() == 0
        assert time.monotonic() - begin > 1.2


def test_a_second_signal_skips_the_drain():
    with running(drain_seconds=60) as server:
        server.signal()
        time.sleep(0.2)
        server.signal()
        assert server.wait() == 0


class Client(threading.Thread):
    """Sends requests until nobody listens any more; what was accepted has to be answered."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.answered = 0
        self.failures: list[str] = []

    def run(self) -> None:
        # A connection that is closed between two requests is no loss: nothing was accepted.
        with contextlib.suppress(ConnectionError):
            while True:
                self.use_one_connection()

    def use_one_connection(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            staying = True
            while staying:
                connection.request("POST", "/v1/entities", body=SLOW)
                response = connection.getresponse()
                body = response.read()
                self.answered += 1
                if response.status != 200 or b"Bob" not in body:
                    self.failures.append(f"{response.status} {body!r}")
                staying = response.getheader("connection") != "close"


def test_sigterm_under_load_loses_no_accepted_request():
    with running(drain_seconds=0.5) as server:
        clients = [Client(server.port) for _ in range(16)]
        for client in clients:
            client.start()
        time.sleep(1)
        server.signal()
        assert server.wait() == 0
        for client in clients:
            client.join(timeout=30)
    assert [failure for client in clients for failure in client.failures] == []
    assert all(client.answered for client in clients)


def test_a_request_in_work_is_finished_after_the_socket_closed():
    text = "Bob left. " * 60_000
    with running(drain_seconds=0) as server:
        with server.connect() as connection:
            body = f'{{"text": "{text}"}}'.encode()
            request = b"POST /v1/entities HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n"
            connection.sendall(request % len(body) + body)
            time.sleep(0.3)
            server.signal()
            received = bytearray()
            while chunk := connection.recv(1 << 20):
                received += chunk
        assert received.startswith(b"HTTP/1.1 200")
        assert received.count(b'"label":"PER"') == 60_000
        assert server.wait() == 0


def test_a_client_that_never_finishes_does_not_keep_the_server():
    with running(grace_seconds=1, body_timeout_seconds=30) as server, server.connect() as half:
        half.sendall(b"POST /v1/entities HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n{")
        time.sleep(0.2)
        begin = time.monotonic()
        server.signal()
        assert server.wait() == 0
        assert time.monotonic() - begin < 10


def test_a_killed_server_is_started_again_on_its_port():
    with running() as first:
        connection = first.connect()
        first.process.kill()
        first.process.wait()
        with running(port=first.port) as second:
            assert second.port == first.port
            response = httpx.post(f"{second.url}/v1/entities", json={"text": "Bob"})
            assert response.status_code == 200
        connection.close()
