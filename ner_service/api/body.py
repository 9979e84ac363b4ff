"""Reading request bodies: never more than the limit, never for ever, never too many at once."""

import asyncio

from starlette.types import Receive, Scope

from ner_service.api.faults import (
    BodyTimeoutError,
    ClientGoneError,
    FieldError,
    FieldFault,
    LimitError,
    QueueFullError,
)

# In the scope of a request whose whole body came with its head.
WHOLE_BODY = "ner_service.whole_body"


class BodyReader:
    """Reads bodies within limits that hold for one body and for all of them together."""

    def __init__(self, *, max_body: int, max_buffered: int, timeout: float) -> None:
        """Set the limits.

        Args:
            max_body: bytes of one body.
            max_buffered: bytes of all bodies that are held at the same time.
            timeout: seconds in which one body has to arrive.
        """
        self._max_body = max_body
        self._max_buffered = max_buffered
        self._timeout = timeout
        self._buffered = 0

    async def read(self, scope: Scope, receive: Receive) -> "HeldBody":
        """Read one whole body; the caller releases it by leaving its `with` block.

        Raises:
            LimitError: it is over the limit, by its declared or its real length.
            BodyTimeoutError: it did not arrive in time.
            ClientGoneError: the client left before its end.
            QueueFullError: too many bodies are held already.
        """
        check_encoding(scope)
        declared = content_length(scope)
        if declared is not None and declared > self._max_body:
            raise self._over_limit()
        held = HeldBody(self)
        try:
            if WHOLE_BODY in scope:  # nothing to wait for
                await self._fill(held, receive)
            else:
                async with asyncio.timeout(self._timeout):
                    await self._fill(held, receive)
        except TimeoutError:
            held.release()
            limit = f"{self._timeout:g} seconds"
            raise BodyTimeoutError(f"the body did not arrive within {limit}") from None
        except BaseException:
            held.release()
            raise
        return held

    async def _fill(self, held: "HeldBody", receive: Receive) -> None:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError("the client left while sending")
            more = message.get("more_body", False)
            held.add(message.get("body", b""))
            if held.size > self._max_body:
                raise self._over_limit()

    def hold(self, count: int) -> None:
        """Count bytes that are kept in memory.

        Raises:
            QueueFullError: there is no room for them.
        """
        if self._buffered and self._buffered + count > self._max_buffered:
            raise QueueFullError("too many request bodies are being read", retry_after=1)
        self._buffered += count

    def release(self, count: int) -> None:
        """Forget bytes that are no longer kept."""
        self._buffered -= count

    def _over_limit(self) -> LimitError:
        return LimitError(f"expected a body of at most {self._max_body} bytes")


class HeldBody:
    """The bytes of one body, counted by their reader until they are released."""

    def __init__(self, reader: BodyReader) -> None:
        """Start empty."""
        self._reader = reader
        self._chunks: list[bytes] = []
        self.size = 0

    def add(self, chunk: bytes) -> None:
        """Keep one more chunk."""
        self._reader.hold(len(chunk))
        self._chunks.append(chunk)
        self.size += len(chunk)

    def take(self) -> bytes:
        """Give the whole body away; what is made of it stays counted until the release."""
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        return body

    def release(self) -> None:
        """Count the bytes no longer."""
        self._reader.release(self.size)
        self.size = 0
        self._chunks = []

    def __enter__(self) -> "HeldBody":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the bytes."""
        self.release()


def content_length(scope: Scope) -> int | None:
    """Give the declared length, if there is a sensible one."""
    value = header(scope, b"content-length")
    return int(value) if value is not None and value.isascii() and value.isdigit() else None


def check_encoding(scope: Scope) -> None:
    """Refuse compressed bodies: a small one can unpack to a huge one."""
    encoding = header(scope, b"content-encoding")
    if encoding is not None and encoding.lower() != "identity":
        raise FieldError(FieldFault("content-encoding", "expected an uncompressed body"))


def header(scope: Scope, name: bytes) -> str | None:
    """Give the first header line of a name (lower case), if there is one."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None
