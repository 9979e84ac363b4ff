"""One packet for one answer: uvicorn writes its head and body apart, a system call each."""

import asyncio
from collections.abc import Callable
from typing import Any

# More than this is not held back: it would be copied, and flow control has to see it.
LARGEST = 64 * 1024


class GatheringTransport(asyncio.Transport):
    """Holds small writes back until the answer is complete, or the event loop comes round."""

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        *,
        lingers: Callable[[], bool] = lambda: False,
    ) -> None:
        """Wrap a connected transport; `close` leaves it open if `lingers` says to."""
        super().__init__()
        self._lingers = lingers
        self._is_left = False
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Hold data back; too much of it is written at once."""
        if not data:
            return
        if not self._held:
            self._loop.call_soon(self.flush)
        if self._size + len(data) > LARGEST:
            self.flush()
            self._transport.write(data)
            return
        self._held.append(bytes(data))
        self._size += len(data)

    def flush(self) -> None:
        """Write what is held back."""
        if self._held:
            held, self._held, self._size = self._held, [], 0
            if not self._transport.is_closing():
                self._transport.write(held[0] if len(held) == 1 else b"".join(held))

    def can_write_eof(self) -> bool:
        """Whether `write_eof` works."""
        return self._transport.can_write_eof()

    def write_eof(self) -> None:
        """Write what is held back, then say that no more comes; reading goes on."""
        self.flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Write what is held back, then close, or leave the closing to who lingers."""
        self.flush()
        self._is_left = self._lingers()
        if not self._is_left:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._held = []
        self._size = 0
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._is_left or self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        """Count the bytes that the client has not taken yet."""
        return self._size + self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Tell what the wrapped transport tells."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._transport.resume_reading()
