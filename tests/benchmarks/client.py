"""A light HTTP client: bare asyncio, requests made beforehand, connections kept open."""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence

_END_OF_HEAD = b"\r\n\r\n"


def request(text: str) -> bytes:
    """A whole request for the entities of one text."""
    body = json.dumps({"text": text}).encode()
    head = (
        "POST /v1/entities HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Client(asyncio.Protocol):
    """One connection: sends a request, waits for the whole answer, sends the next."""

    def __init__(self, requests: Iterator[bytes], ended: asyncio.Future[None]) -> None:
        self.seconds: list[float] = []
        self._requests = requests
        self._ended = ended
        self._received = b""
        self._begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._is_whole():
            self.seconds.append(time.perf_counter() - self._begun)
            self._received = b""
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_exception(exc or ConnectionError("the server closed the connection"))

    def _is_whole(self) -> bool:
        head, found, body = self._received.partition(_END_OF_HEAD)
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"expected status 200, got {head[:40]!r}")
        _, _, length = head.lower().partition(b"content-length:")
        return len(body) >= int(length.split(b"\r\n", 1)[0])

    def _send(self) -> None:
        message = next(self._requests, None)
        if message is None:
            if not self._ended.done():
                self._ended.set_result(None)
            self._transport.close()
            return
        self._begun = time.perf_counter()
        self._transport.write(message)


def ask(port: int, requests: Sequence[bytes], *, clients: int) -> tuple[float, list[float]]:
    """Send all requests to a server on this machine, each once, shared by so many clients.

    Returns:
        Seconds for all of them, and the seconds of each.
    """
    return asyncio.run(_ask(port, requests, clients))


async def _ask(port: int, requests: Sequence[bytes], clients: int) -> tuple[float, list[float]]:
    loop = asyncio.get_running_loop()
    remaining = iter(requests)
    protocols: list[_Client] = []
    waits: list[asyncio.Future[None]] = []
    begun = time.perf_counter()
    for _ in range(clients):
        ended: asyncio.Future[None] = loop.create_future()
        waits.append(ended)
        _, protocol = await loop.create_connection(
            lambda e=ended: _Client(remaining, e), "127.0.0.1", port
        )
        protocols.append(protocol)
    await asyncio.gather(*waits)
    seconds = time.perf_counter() - begun
    return seconds, [one for protocol in protocols for one in protocol.seconds]
