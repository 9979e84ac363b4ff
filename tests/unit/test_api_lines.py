"""Cutting a stream into lines: any chunking, long lines, and memory that is given back."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from ner_service.api.body import BodyReader
from ner_service.api.faults import LimitError, QueueFullError
from ner_service.api.lines import Line, LineReader


def bodies(max_buffered: int = 10_000) -> BodyReader:
    return BodyReader(max_body=1_000, max_buffered=max_buffered, timeout=1)


def read(chunks: list[bytes], held: BodyReader, *, max_line: int = 20) -> list[Line]:
    messages = [
        {"type": "http.request", "body": chunk, "more_body": index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ]
    waiting = iter(messages)

    async def receive() -> dict:
        return next(waiting)

    async def run() -> list[Line]:
        reader = LineReader(
            receive,
            held,
            max_line=max_line,
            idle_seconds=1,
            patience_seconds=0.05,
            stopping=lambda: False,
        )
        return [line async for line in reader.lines()]

    return asyncio.run(run())


def held_bytes(reader: BodyReader) -> int:
    return reader._buffered


@given(st.lists(st.binary(max_size=30).filter(lambda data: len(data) < 30), min_size=1))
def test_lines_do_not_depend_on_the_chunks(chunks: list[bytes]):
    chunks = [chunk.replace(b"a", b"\n") for chunk in chunks]
    held = bodies()
    found = read(chunks, held, max_line=10_000)
    expected = [
        (index, line) for index, line in enumerate(b"".join(chunks).split(b"\n")) if line.strip()
    ]
    assert [(line.index, line.content) for line in found] == expected
    assert held_bytes(held) == sum(line.size for line in found)


@given(st.lists(st.sampled_from([b"short", b"x" * 21, b"\n", b"", b"x" * 50, b" "]), min_size=1))
def test_long_lines_are_told_and_what_is_held_is_what_was_given(chunks: list[bytes]):
    held = bodies()
    found = read(chunks, held)
    expected = [line for line in b"".join(chunks).split(b"\n") if line.strip() or len(line) > 20]
    assert len(found) == len(expected)
    for line, content in zip(found, expected, strict=True):
        if len(content) > 20:
            assert isinstance(line.content, LimitError)
        else:
            assert line.content == content
    assert held_bytes(held) == sum(line.size for line in found)


def test_without_room_the_stream_ends_after_a_while():
    held = bodies(max_buffered=10)
    held.hold(10)
    (line,) = read([b"line\n"], held)
    assert isinstance(line.content, QueueFullError)
    assert held_bytes(held) == 10


def test_a_stopping_service_ends_the_stream():
    async def receive() -> dict:
        raise AssertionError

    async def run() -> list[Line]:
        reader = LineReader(
            receive,
            bodies(),
            max_line=10,
            idle_seconds=1,
            patience_seconds=1,
            stopping=lambda: True,
        )
        return [line async for line in reader.lines()]

    (line,) = asyncio.run(run())
    assert "stopping" in str(line.content)
