"""Servers as processes of their own, and the plain sockets to try them with."""

import contextlib
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
FAKE = ("-m", "tests.serve_fake")
REAL = ("-m", "ner_service", "serve")


class Server:
    """A running server. `port` is where it listens; `lines` are its log lines so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict] = []
        # One client for all: making one costs more than most requests.
        self.http = httpx.Client(timeout=120, verify=False)
        self.port = 0
        self._serving: queue.Queue[dict | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for text in self.process.stderr:
            try:
                line = json.loads(text)
            except ValueError:
                line = {"event": "(not json)", "text": text}
            self.lines.append(line)
            if line["event"] == "serving":
                self._serving.put(line)
        self._serving.put(None)

    def wait_until_serving(self) -> None:
        line = self._serving.get(timeout=60)
        assert line is not None, self.lines
        self.port = line["port"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        code = self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        return code


@contextlib.contextmanager
def running(*command: str, **settings: object) -> Iterator[Server]:
    """Start `python COMMAND` with settings (without their NER_) and end it afterwards."""
    server = start(*(command or FAKE), **settings)
    try:
        server.wait_until_serving()
        yield server
    finally:
        stop(server)


def start(*command: str, **settings: object) -> Server:
    given = {"port": 0, "drain_seconds": 0, **settings}
    environment = {f"NER_{name.upper()}": str(value) for name, value in given.items()}
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Server(process)


def stop(server: Server) -> None:
    if server.process.poll() is None:
        server.signal(signal.SIGINT)
        try:
            server.wait()
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()
    server.process.stderr.close()
    server.http.close()


def free_port() -> int:
    """A port that nobody listened at a moment ago, for what cannot choose one itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def read_all(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            received += chunk
    return bytes(received)


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    """One answer; the connection stays open for more."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def head(path: str = "/v1/entities", *lines: str, length: int | None = None) -> bytes:
    """The head of a POST request."""
    fields = ["Host: test", "Content-Type: application/json", *lines]
    if length is not None:
        fields.append(f"Content-Length: {length}")
    return "\r\n".join([f"POST {path} HTTP/1.1", *fields, "", ""]).encode()
