"""The server over real sockets: limits, half-sent requests, slow readers, what is not HTTP."""

import concurrent.futures
import contextlib
import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from ner_service.api.protocol import MOST_AHEAD
from tests.server import Server, head, read_all, read_answer, running

BODY = b'{"text": "Bob bought a toy Yoda"}'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(
        max_body_bytes=100_000,
        header_timeout_seconds=0.5,
        body_timeout_seconds=0.5,
        write_timeout_seconds=0.5,
    ) as server:
        yield server


def answer(server: Server, request: bytes) -> tuple[int, dict]:
    with server.connect() as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = read_all(connection)
    line, _, rest = received.partition(b"\r\n")
    return int(line.split()[1]), json.loads(rest.partition(b"\r\n\r\n")[2])


def is_alive(server: Server) -> bool:
    return server.http.post(f"{server.url}/v1/entities", content=BODY).status_code == 200


def test_the_curl_of_the_readme(server: Server):
    response = server.http.post(f"{server.url}/v1/entities", json={"text": "Bob bought a toy Yoda"})
    entity = response.json()["documents"][0]["entities"][0]
    assert (entity["text"], entity["label"], entity["start"], entity["end"]) == ("Bob", "PER", 0, 3)
    assert "server" not in response.headers


def test_a_body_in_chunks_is_read(server: Server):
    chunks = iter([BODY[:10], BODY[10:]])
    response = server.http.post(f"{server.url}/v1/entities", content=chunks)
    assert response.status_code == 200


def test_a_declared_body_over_the_limit_is_413_before_it_is_sent(server: Server):
    with server.connect() as connection:
        connection.sendall(head(length=100_001))
        assert read_answer(connection)[0] == 413


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_sent_body_over_the_limit_is_413_naming_the_limit(server: Server, chunked: bool):
    body = b'{"text": "' + b"x" * 300_000 + b'"}'
    content = iter([body[start : start + 7_000] for start in range(0, len(body), 7_000)])
    response = server.http.post(f"{server.url}/v1/entities", content=content if chunked else body)
    assert response.status_code == 413
    assert "100000 bytes" in response.json()["detail"]


def test_a_connection_is_used_again_after_an_error(server: Server):
    with httpx.Client(base_url=server.url) as client:
        assert client.post("/v1/entities", content=b"{").status_code == 400
        assert client.post("/v1/entities", content=b"x" * 200_000).status_code == 413
        assert client.post("/v1/entities", content=BODY).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [b"", b"P", b"POST /v1/entities HTTP/1.1\r\nHost: te", head(length=50)[:-2]],
    ids=["nothing", "a letter", "half a line", "no blank line"],
)
def test_a_half_sent_head_is_cut_off(server: Server, sent: bytes):
    with server.connect() as connection:
        begin = time.monotonic()
        connection.sendall(sent)
        assert read_all(connection) == b""
        assert 0.3 < time.monotonic() - begin < 10
    assert is_alive(server)


def test_a_head_that_trickles_in_is_cut_off(server: Server):
    def trickle(connection: socket.socket) -> None:
        for byte in head(length=2) * 100:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)

    with server.connect() as connection, pytest.raises((BrokenPipeError, ConnectionResetError)):
        trickle(connection)
    assert is_alive(server)


def test_a_half_sent_body_is_408(server: Server):
    with server.connect() as connection:
        connection.sendall(head(length=len(BODY)) + BODY[:5])
        assert read_answer(connection)[0] == 408
        read_all(connection)  # it is closed a little later
    assert is_alive(server)


def test_a_second_request_on_a_connection_has_its_own_timer(server: Server):
    with server.connect() as connection:
        for _ in range(4):
            connection.sendall(head(length=len(BODY)) + BODY)
            assert read_answer(connection)[0] == 200
            time.sleep(0.3)  # together longer than the timer of one head
        connection.sendall(b"POST")
        assert read_all(connection) == b""


@pytest.mark.parametrize(
    "sent",
    [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01" * 20]
    + [head(length=5)[:-2] + b"Content-Length: 7\r\n\r\n"]
    + [b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n"],
    ids=["bytes", "no target", "tls", "two lengths", "long head"],
)
def test_what_is_not_http_is_a_problem(server: Server, sent: bytes):
    status, body = answer(server, sent + b"\r\n\r\n")
    assert status == 400
    assert body["code"] == "invalid_http"
    assert is_alive(server)


def test_a_broken_chunk_is_a_problem(server: Server):
    status, body = answer(server, head("/v1/entities", "Transfer-Encoding: chunked") + b"zz\r\n")
    assert (status, body["code"]) == (400, "invalid_http")
    assert is_alive(server)


REQUEST = head(length=len(BODY)) + BODY


def answers_to(server: Server, *pieces: bytes) -> list[int]:
    """Statuses of all answers on one connection, which the server has to close."""
    with server.connect() as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.1)
        received = read_all(connection)
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


def test_requests_sent_ahead_are_answered_in_order(server: Server):
    other = head(length=5) + b"{nope"
    last = head("/v1/entities", "Connection: close", length=len(BODY)) + BODY
    assert answers_to(server, REQUEST + other + REQUEST + last) == [200, 400, 200, 200]


def test_only_so_many_requests_may_be_sent_ahead(server: Server):
    probe = b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n"
    assert answers_to(server, REQUEST + probe * 2_000) == [200] * (1 + MOST_AHEAD)
    assert is_alive(server)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upgrade_is_not_made_and_the_request_is_answered(server: Server, method: str):
    # What Java's client asks of every server at first.
    wish = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA"
    asked = head("/v1/entities", wish, length=len(BODY)) + BODY
    if method == "GET":
        asked = f"GET /healthz HTTP/1.1\r\nHost: test\r\n{wish}\r\n\r\n".encode()
    half = len(asked) // 2
    assert (
        answers_to(server, asked[:half], asked[half:] + asked * 50 + REQUEST + b"\0") == [200] * 52
    )


def test_what_is_not_http_behind_a_request_does_not_take_its_answer(server: Server):
    assert answers_to(server, REQUEST + b"\x00\x01\r\n\r\n" + REQUEST) == [200]
    assert is_alive(server)


def test_a_broken_chunk_behind_a_request_ends_the_connection(server: Server):
    broken = head("/v1/entities", "Transfer-Encoding: chunked") + b"zz\r\n"
    assert answers_to(server, REQUEST + broken) in ([], [200])
    assert is_alive(server)


@pytest.mark.parametrize(
    "flood",
    [
        head("/v1/entities", "Transfer-Encoding: chunked") + b"2;" + b"x" * 1_000_000,
        head("/v1/entities", "Transfer-Encoding: chunked") + b"0\r\nX: " + b"x" * 1_000_000,
        b"\r\n" * 500_000,
    ],
    ids=["chunk extension", "trailer", "blank lines"],
)
def test_a_flood_from_which_nothing_comes_is_refused(server: Server, flood: bytes):
    status, body = answer(server, flood)
    assert (status, body["code"]) == (400, "invalid_http")
    assert is_alive(server)


def test_connections_whose_requests_come_in_turns_do_not_mix(server: Server):
    texts = [" ".join([letter * 5] * 20) for letter in "abcd"]
    bodies = [json.dumps({"text": text, "include": ["tokens"]}).encode() for text in texts]
    requests = [head(length=len(body)) + body for body in bodies]
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in texts]
        for begin, end in ((0, 11), (11, -70), (-70, -30), (-30, None)):
            for connection, request in zip(connections, requests, strict=True):
                connection.sendall(request[begin:end])
            time.sleep(0.05)
        for connection, text in zip(connections, texts, strict=True):
            status, body = read_answer(connection)
            assert status == 200
            (document,) = json.loads(body)["documents"]
            assert [token["text"] for token in document["tokens"]] == text.split()


def test_trailers_are_not_read_as_headers(server: Server):
    chunked = head("/v1/entities", "Transfer-Encoding: chunked")
    trailer = b"0\r\nContent-Encoding: gzip\r\n\r\n"
    sent = chunked + b"%x\r\n%s\r\n" % (len(BODY), BODY) + trailer
    with server.connect() as connection:
        for _ in range(2):
            connection.sendall(sent)
            assert read_answer(connection)[0] == 200


def test_blank_lines_between_requests_do_not_count_as_a_head(server: Server):
    with server.connect() as connection:
        for _ in range(2):
            connection.sendall(REQUEST)
            assert read_answer(connection)[0] == 200
            connection.sendall(b"\r\n")
            time.sleep(0.8)  # longer than the timer of a head


def test_a_connection_whose_answer_did_not_wait_for_the_body_is_used_again(server: Server):
    with server.connect() as connection:
        connection.sendall(head("/nowhere", length=10))
        assert read_answer(connection)[0] == 404
        connection.sendall(b"x" * 10)
        time.sleep(0.8)  # longer than the timer of a head
        connection.sendall(REQUEST)
        assert read_answer(connection)[0] == 200


def test_nothing_is_connected_to(server: Server):
    status, _ = answer(server, b"CONNECT test:80 HTTP/1.1\r\nHost: test:80\r\n\r\n")
    assert status == 400


def test_an_early_answer_reaches_a_client_that_is_still_sending(server: Server):
    with server.connect() as connection:
        connection.sendall(head("/nowhere", "Connection: close", length=1_000_000))
        time.sleep(0.2)
        for _ in range(3):
            connection.sendall(b"x" * 100_000)
            time.sleep(0.05)
        received = read_all(connection)
    assert received.startswith(b"HTTP/1.1 404")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["code"] == "not_found"


def test_a_client_that_goes_on_sending_after_its_answer_is_cut_off(server: Server):
    with server.connect() as connection:
        connection.sendall(head("/nowhere", "Connection: close", length=10**9))
        with pytest.raises(ConnectionError):
            send_slowly(connection, seconds=20)
    assert is_alive(server)


def send_slowly(connection: socket.socket, *, seconds: float) -> None:
    for _ in range(int(seconds / 0.02)):
        connection.sendall(b"x")
        time.sleep(0.02)


def test_a_slow_reader_is_cut_off():
    tokens = json.dumps({"text": "Bob " * 100_000, "include": ["tokens"]}).encode()
    with running(write_timeout_seconds=0.5) as server, server.connect() as connection:
        connection.sendall(head(length=len(tokens)) + tokens)
        while not any(line["event"] == "request" for line in server.lines):
            time.sleep(0.1)
        time.sleep(3)  # the answer is written, and nobody reads it
        received = len(read_all(connection))
        full = len(server.http.post(f"{server.url}/v1/entities", content=tokens).content)
        assert received < full


def test_clients_that_leave_in_every_phase_harm_nobody(server: Server):
    request = head(length=len(BODY)) + BODY
    for cut in range(0, len(request) + 1, 7):
        with server.connect() as connection:
            connection.sendall(request[:cut])
    assert is_alive(server)


def test_many_clients_get_their_own_answers(server: Server):
    with httpx.Client(base_url=server.url, limits=httpx.Limits(max_connections=32)) as client:

        def ask(number: int) -> bool:
            text = f"{'word ' * (number % 5)}Name{number} left"
            document = client.post("/v1/entities", json={"text": text}).json()["documents"][0]
            return [e["text"] for e in document["entities"]] == [f"Name{number}"]

        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            assert all(pool.map(ask, range(400)))
