"""Cutting an endless body into lines, in bounded memory."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from starlette.types import Message, Receive

from ner_service.api.body import BodyReader
from ner_service.api.faults import (
    BodyTimeoutError,
    ClientGoneError,
    LimitError,
    NotReadyError,
    QueueFullError,
)
from ner_service.errors import NerError

# Seconds between two looks at whether the service is stopping, and at whether there is room.
STOP_TICK = 1.0
ROOM_TICK = 0.02


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a stream.

    Attributes:
        index: its number, counting from 0 and counting empty lines, which are not given.
        content: its bytes, or why there are none.
        size: the bytes that are counted as held until they are released.
    """

    index: int
    content: bytes | NerError
    size: int = 0


@dataclass(slots=True)
class LineReader:
    """Reads the lines of one stream.

    Attributes:
        receive: gives the chunks.
        bodies: counts what is held in memory, together with all other bodies.
        max_line: bytes of a line; a longer one is skipped and told.
        idle_seconds: how long the client may be silent.
        patience_seconds: how long to wait for room in memory.
        stopping: whether the service is about to stop.
    """

    receive: Receive
    bodies: BodyReader
    max_line: int
    idle_seconds: float
    patience_seconds: float
    stopping: Callable[[], bool]
    _partial: bytearray = field(default_factory=bytearray)
    _index: int = 0
    _too_long: bool = False

    async def lines(self) -> AsyncGenerator[Line, None]:
        """Yield lines; whoever takes one releases its size. What ends a stream early is the last.

        Raises:
            ClientGoneError: the client left.
        """
        try:
            more = True
            while more:
                message = await self._receive()
                more = message.get("more_body", False)
                chunk = message.get("body", b"")
                await self._hold(len(chunk))
                *complete, rest = chunk.split(b"\n")
                for piece in complete:
                    self._extend(piece)
                    if (line := self._end_line(newline=1)) is not None:
                        yield line
                self._extend(rest)
            if (line := self._end_line(newline=0)) is not None:
                yield line
        except (BodyTimeoutError, NotReadyError, QueueFullError) as error:
            yield Line(self._index, error)
        finally:
            self.bodies.release(len(self._partial))

    def _extend(self, piece: bytes) -> None:
        """Add to the line that is being read, or drop it if it gets too long."""
        self._too_long = self._too_long or len(self._partial) + len(piece) > self.max_line
        if self._too_long:
            self.bodies.release(len(self._partial) + len(piece))
            self._partial.clear()
        else:
            self._partial += piece

    def _end_line(self, *, newline: int) -> Line | None:
        """Give the line that has ended, None if it was empty."""
        index, content = self._index, bytes(self._partial)
        self._index += 1
        self._partial.clear()
        if self._too_long:
            self._too_long = False
            self.bodies.release(newline)
            return Line(index, LimitError(f"expected a line of at most {self.max_line} bytes"))
        if not content.strip():
            self.bodies.release(len(content) + newline)
            return None
        return Line(index, content, len(content) + newline)

    async def _receive(self) -> Message:
        """Wait for the next chunk, but not for ever, and not while the service stops."""
        waited = 0.0
        while not self.stopping():
            tick = min(STOP_TICK, self.idle_seconds - waited)
            try:
                async with asyncio.timeout(tick):
                    message = await self.receive()
            except TimeoutError:
                waited += tick
                if waited >= self.idle_seconds:
                    raise BodyTimeoutError(f"no line for {self.idle_seconds:g} seconds") from None
                continue
            if message["type"] == "http.disconnect":
                raise ClientGoneError("the client left while sending")
            return message
        raise NotReadyError("the service is stopping; lines from here on were not read")

    async def _hold(self, size: int) -> None:
        waited = 0.0
        while True:
            try:
                return self.bodies.hold(size)
            except QueueFullError:
                if waited >= self.patience_seconds:
                    raise
                await asyncio.sleep(ROOM_TICK)
                waited += ROOM_TICK
