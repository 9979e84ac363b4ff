"""Gathered writes: one packet an answer, nothing lost, flow control intact."""

import asyncio

from ner_service.api.transport import LARGEST, GatheringTransport


class Wire(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False
        self.paused = False

    def write(self, data) -> None:
        assert not self.closed
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.writes.append(b"EOF")

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 7

    def get_extra_info(self, name: str, default: object = None) -> object:
        return {"peername": ("host", 1)}.get(name, default)

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


def run(use) -> Wire:
    wire = Wire()

    async def main() -> None:
        await use(GatheringTransport(wire, asyncio.get_running_loop()))
        await asyncio.sleep(0)

    asyncio.run(main())
    return wire


def test_writes_of_one_moment_leave_as_one():
    async def use(transport: GatheringTransport) -> None:
        transport.write(b"head ")
        transport.write(b"")
        transport.write(memoryview(b"body"))
        assert transport.get_write_buffer_size() == 7 + len(b"head body")

    assert run(use).writes == [b"head body"]


def test_a_flush_writes_at_once_and_only_once():
    async def use(transport: GatheringTransport) -> None:
        transport.write(b"first")
        transport.flush()
        transport.write(b"second")

    assert run(use).writes == [b"first", b"second"]


def test_much_is_not_held_back():
    async def use(transport: GatheringTransport) -> None:
        transport.write(b"head")
        transport.write(b"x" * LARGEST)
        transport.write(b"tail")

    assert run(use).writes == [b"head", b"x" * LARGEST, b"tail"]


def test_closing_writes_what_is_held_and_aborting_does_not():
    async def close(transport: GatheringTransport) -> None:
        transport.write(b"last")
        transport.close()
        assert transport.is_closing()

    async def abort(transport: GatheringTransport) -> None:
        transport.write(b"last")
        transport.abort()

    assert run(close).writes == [b"last"]
    assert run(abort).writes == []


def test_the_end_is_written_behind_what_is_held():
    async def use(transport: GatheringTransport) -> None:
        assert transport.can_write_eof()
        transport.write(b"last")
        transport.write_eof()

    assert run(use).writes == [b"last", b"EOF"]


def test_nothing_is_written_to_a_closed_connection():
    async def use(transport: GatheringTransport) -> None:
        transport.write(b"late")
        transport._transport.close()

    assert run(use).writes == []


def test_the_rest_is_passed_on():
    async def use(transport: GatheringTransport) -> None:
        assert transport.get_extra_info("peername") == ("host", 1)
        assert transport.get_extra_info("cipher", "none") == "none"
        transport.pause_reading()
        assert transport._transport.paused
        transport.resume_reading()
        assert not transport._transport.paused

    run(use)


def test_who_lingers_closes_later():
    async def scenario() -> None:
        wire = Wire()
        transport = GatheringTransport(wire, asyncio.get_running_loop(), lingers=lambda: True)
        transport.write(b"answer")
        transport.close()
        assert transport.is_closing()
        assert not wire.closed
        assert wire.writes == [b"answer"]
        transport.abort()
        assert wire.closed

    asyncio.run(scenario())
