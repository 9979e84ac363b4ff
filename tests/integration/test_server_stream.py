"""JSON lines over a real socket: in order, as they are ready, and in bounded memory."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.server import Server, head, read_all, running

HEAD = head("/v1/entities", "Transfer-Encoding: chunked").replace(
    b"application/json", b"application/x-ndjson"
)
LINES = {"content-type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(max_body_bytes=100_000, max_text_length=50_000, stream_idle_seconds=2) as server:
        yield server


def post(server: Server, body: bytes) -> list[dict]:
    response = server.http.post(f"{server.url}/v1/entities", content=body, headers=LINES)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def names(line: dict) -> list[str]:
    return [entity["text"] for entity in line["entities"]]


class Stream:
    """A stream that is sent and read at the same time."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.sendall(HEAD)
        self.answer = connection.makefile("rb")
        while self.answer.readline() != b"\r\n":
            pass

    def send(self, data: bytes) -> None:
        self.connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self) -> None:
        self.connection.sendall(b"0\r\n\r\n")

    def read_line(self) -> dict | None:
        size = int(self.answer.readline(), 16)
        data = self.answer.read(size)
        self.answer.readline()
        return json.loads(data) if size else None


@contextlib.contextmanager
def stream(server: Server) -> Iterator[Stream]:
    with server.connect() as connection:
        yield Stream(connection)


def test_each_line_is_answered_by_one_line(server: Server):
    first, second, third = post(
        server,
        b'{"id": "a", "text": "Bob left"}\n'
        b'{"tokens": ["Ann"], "include": ["tokens"]}\r\n'
        b'{"text": "Paris", "labels": ["PER"]}',
    )
    assert first == {
        "index": 0,
        "id": "a",
        "entities": [
            {"text": "Bob", "label": "PER", "start": 0, "end": 3, "score": 0.9, "source": "model"}
        ],
    }
    assert second["tokens"][0]["tag"] == "S-PER"
    assert third["entities"] == []


def test_a_broken_line_is_an_error_line_and_the_others_are_answered(server: Server):
    lines = [
        b'{"text": "Bob"}',
        b"{",
        b'{"text": 5}',
        b"[]",
        b'{"text": "\xff"}',
        b'{"id": "x", "text": "\\ud800"}',
        b'{"id": "long", "text": "%s"}' % (b"x" * 50_001),
        b'{"text": "%s"}' % (b"x" * 200_000),
        b'{"text": "a", "model": "nope"}',
        b'{"text": "a", "labels": ["GPE"]}',
        b'{"text": "Ann"}',
    ]
    answers = post(server, b"\n".join(lines))
    assert [answer["index"] for answer in answers] == list(range(len(lines)))
    assert [answer.get("code") for answer in answers] == [
        None,
        "invalid_json",
        "invalid_request",
        "invalid_request",
        "invalid_json",
        "invalid_text",
        "text_too_long",
        "too_large",
        "unknown_model",
        "invalid_request",
        None,
    ]
    assert answers[6]["id"] == "long"
    assert names(answers[-1]) == ["Ann"]


def test_empty_lines_are_counted_and_not_answered(server: Server):
    assert [answer["index"] for answer in post(server, b'\n \n{"text": "Bob"}\n\r\n\n')] == [2]
    assert post(server, b"") == []


def test_a_line_is_answered_before_the_next_one_is_sent(server: Server):
    with stream(server) as lines:
        for number in range(5):
            lines.send(b'{"text": "Name%d"}\n' % number)
            assert names(lines.read_line()) == [f"Name{number}"]
        lines.send(b'{"text": ')
        lines.send(b'"Ann"}')
        lines.end()
        assert names(lines.read_line()) == ["Ann"]
        assert lines.read_line() is None


def test_many_lines_come_back_in_order(server: Server):
    body = b"".join(
        b'{"text": "%sName%d"}\n' % (b"word " * (number % 50), number) for number in range(3_000)
    )
    answers = post(server, body)  # far beyond the limit of one body
    assert [names(answer) for answer in answers] == [[f"Name{number}"] for number in range(3_000)]


def test_a_silent_stream_is_ended_with_an_error_line(server: Server):
    with stream(server) as lines:
        lines.send(b'{"text": "Bob"}\n')
        assert names(lines.read_line()) == ["Bob"]
        begin = time.monotonic()
        assert lines.read_line()["code"] == "body_timeout"
        assert 1 < time.monotonic() - begin < 10


def test_a_reader_that_stops_stops_the_stream(server: Server):
    """What is in flight is bounded: a client that does not read cannot send for ever."""
    line = b'{"text": "%s", "include": ["tokens"]}\n' % (b"Bob " * 2_000)
    sent = 0

    def send_for_ever(connection: socket.socket) -> None:
        nonlocal sent
        while sent < 100_000_000:
            connection.sendall(b"%x\r\n%s\r\n" % (len(line), line))
            sent += len(line)

    with server.connect() as connection:
        connection.sendall(HEAD)
        connection.settimeout(3)
        with pytest.raises(TimeoutError):
            send_for_ever(connection)
    assert sent < 20_000_000


def test_a_client_that_leaves_harms_nobody(server: Server):
    for _ in range(10):
        with stream(server) as lines:
            lines.send(b'{"text": "Bob"}\n' * 50)
    assert names(post(server, b'{"text": "Ann"}')[0]) == ["Ann"]


def test_held_memory_is_given_back():
    """After streams of every kind, a body that needs the whole allowance is still taken."""
    with running(
        max_body_bytes=50_000, max_buffered_bytes=50_000, body_timeout_seconds=0.5
    ) as small:
        for _ in range(3):
            post(small, b'{"text": "Bob"}\n{\n\n' * 200 + b"x" * 200_000)
            with stream(small) as lines:
                lines.send(b'{"text": "Bob"}\n{"text": ')
        time.sleep(0.5)
        body = b'{"text": "Bob"}' + b" " * 49_000
        response = small.http.post(f"{small.url}/v1/entities", content=body)
        assert response.status_code == 200


def test_a_stream_is_told_when_the_service_stops():
    with running(drain_seconds=0.2) as server, stream(server) as lines:
        lines.send(b'{"text": "Bob"}\n')
        assert names(lines.read_line()) == ["Bob"]
        server.signal()
        assert lines.read_line()["code"] == "not_ready"
        assert lines.read_line() is None
        assert server.wait() == 0


def test_streams_and_requests_share_the_service(server: Server):
    body = b'{"text": "Bob left Paris"}\n' * 2_000
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(len(post(server, body))))
    thread.start()
    seconds = []
    while thread.is_alive():
        begin = time.monotonic()
        assert (
            server.http.post(f"{server.url}/v1/entities", json={"text": "Ann"}).status_code == 200
        )
        seconds.append(time.monotonic() - begin)
    assert answers == [2_000]
    assert max(seconds) < 5


def test_a_compressed_stream_is_refused(server: Server):
    with server.connect() as connection:
        connection.sendall(HEAD.replace(b"Host", b"Content-Encoding: gzip\r\nHost") + b"0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).startswith(b"HTTP/1.1 422")
