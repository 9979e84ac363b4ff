"""Reading bodies: limits while reading, time-outs, and memory for all of them together."""

import asyncio

import pytest

from ner_service.api.body import WHOLE_BODY, BodyReader
from ner_service.api.faults import (
    BodyTimeoutError,
    ClientGoneError,
    FieldError,
    LimitError,
    QueueFullError,
)


def scope(**headers: str) -> dict:
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "headers": lines}


def chunks(*parts: bytes, end: str = "http.request"):
    """A `receive` that gives the parts, then ends the body, hangs or disconnects."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if end == "http.request":
        messages[-1]["more_body"] = False
    waiting = iter(messages)

    async def receive() -> dict:
        message = next(waiting, None)
        if message is None and end == "hang":
            await asyncio.sleep(60)
        return message or {"type": "http.disconnect"}

    return receive


def reader(*, max_body: int = 10, max_buffered: int = 100, timeout: float = 5) -> BodyReader:
    return BodyReader(max_body=max_body, max_buffered=max_buffered, timeout=timeout)


def read(bodies: BodyReader, receive, **headers: str) -> bytes:
    async def run() -> bytes:
        with await bodies.read(scope(**headers), receive) as held:
            return held.take()

    return asyncio.run(run())


@pytest.mark.parametrize("parts", [(b"",), (b"0123456789",), (b"01234", b"", b"56789")])
def test_a_body_within_the_limit_is_read(parts: tuple[bytes, ...]):
    assert read(reader(), chunks(*parts)) == b"".join(parts)


def test_a_declared_length_over_the_limit_is_refused_unread():
    with pytest.raises(LimitError, match="at most 10 bytes"):
        read(reader(), chunks(end="hang"), content_length="11")


def test_a_body_that_is_there_needs_no_time():
    async def run() -> bytes:
        at_once = {**scope(), WHOLE_BODY: True}
        with await reader(timeout=0).read(at_once, chunks(b"01234")) as held:
            return held.take()

    assert asyncio.run(run()) == b"01234"
    with pytest.raises(BodyTimeoutError):
        read(reader(timeout=0), chunks(b"01234", end="hang"))


@pytest.mark.parametrize("declared", ["10", "nonsense", "-1", "²"])
def test_the_real_length_counts_whatever_was_declared(declared: str):
    with pytest.raises(LimitError):
        read(reader(), chunks(b"01234", b"567890", end="hang"), content_length=declared)


def test_a_body_that_stalls_is_given_up():
    with pytest.raises(BodyTimeoutError):
        read(reader(timeout=0.05), chunks(b"0", end="hang"))


def test_a_client_that_leaves_is_noticed():
    with pytest.raises(ClientGoneError):
        read(reader(), chunks(b"0", end="leave"))


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate"])
def test_compressed_bodies_are_refused(encoding: str):
    with pytest.raises(FieldError):
        read(reader(), chunks(b"0"), content_encoding=encoding)
    assert read(reader(), chunks(b"0"), content_encoding="identity") == b"0"


def test_bodies_together_are_limited_and_released():
    bodies = reader(max_buffered=15)

    async def run() -> None:
        first = await bodies.read(scope(), chunks(b"0123456789"))
        with pytest.raises(QueueFullError):
            await bodies.read(scope(), chunks(b"012345"))
        with await bodies.read(scope(), chunks(b"01234")) as second:
            assert second.size == 5
        first.take()
        with pytest.raises(QueueFullError):  # what is made of a body is memory, too
            await bodies.read(scope(), chunks(b"012345"))
        first.release()
        (await bodies.read(scope(), chunks(b"012345"))).release()

    asyncio.run(run())


@pytest.mark.parametrize("end", ["hang", "leave"])
def test_a_body_that_fails_is_released(end: str):
    bodies = reader(max_buffered=10, timeout=0.05)
    with pytest.raises((BodyTimeoutError, ClientGoneError)):
        read(bodies, chunks(b"0123456789", end=end))
    assert read(bodies, chunks(b"0123456789")) == b"0123456789"
