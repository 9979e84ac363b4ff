"""HTTP/1.1 with what uvicorn lacks: timers for half-sent requests and slow readers, and limits."""

import asyncio
from enum import Enum
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from ner_service.api.body import WHOLE_BODY
from ner_service.api.problems import MEDIA_TYPE, Kind, Problem

BAD_REQUEST = Kind(400, "invalid_http", "The request is not HTTP")
# Bytes from which neither a whole head nor any part of a body comes: no client needs more. What
# comes in one piece is parsed before it is counted, and may be larger by the piece.
MOST_UNDIGESTED = 64 * 1024
# Requests on one connection that wait for those before them: each is parsed as it comes, and kept.
# Behind the last of them the connection is closed.
MOST_AHEAD = 100
# Bytes that are read at once.
PIECE = 64 * 1024
# Bytes a second that a client has to read; the timer allows this much time on top.
SLOWEST_READER = 16 * 1024
# Seconds for which input is thrown away after the last answer, if the client does not close sooner.
# A socket that is closed with input unread, or still to come, is reset, and the client may never
# see the answer.
LINGER = 2.0


class Stage(Enum):
    """Where in a request the input is."""

    BETWEEN = "between"
    HEAD = "head"
    BODY = "body"


class TimedProtocol(HttpToolsProtocol, asyncio.BufferedProtocol):
    """Closes connections whose client stalls. Bodies that are read have their timer elsewhere.

    Subclassed with the settings' seconds and a room, since uvicorn makes the instances.

    Attributes:
        header_seconds: in which a head has to come.
        write_seconds: in which the client has to read something.
        room: what the connections of one event loop read into, one after the other. For each piece
            of 200 bytes asyncio would get 256 KiB anew, which come from the system and go back.
    """

    header_seconds = 10.0
    write_seconds = 30.0
    room: memoryview

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Start with no timer running."""
        super().__init__(config, server_state, app_state, _loop)
        self._read_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._lingering = False
        # What comes is no HTTP any more; what came before it is still answered.
        self._deaf = False
        self._stage = Stage.BETWEEN
        self._undigested = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the head of a request soon."""
        super().connection_made(transport)
        self._start_read_timer()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (asyncio's)
        """Give the room; what was in it has been parsed."""
        return self.room

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what has come into the room."""
        self.data_received(self.room[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        """Expect the rest of a head soon; with the head complete, the application takes over."""
        if self._lingering or self._deaf:
            return
        self._unset_keepalive_if_required()
        self._undigested += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if self._undigested > MOST_UNDIGESTED:
            self.send_400_response(f"expected a head or more body within {MOST_UNDIGESTED} bytes")
            return
        self._set_read_timer()

    def _feed(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                # There is nothing to upgrade to, so the request is answered as if it had not asked
                # (RFC 9110, section 7.8). The parser takes what follows for the other protocol: a
                # new one is given the request without the wish.
                rest = rest[upgrade.args[0] :]
                head = self._head_without_upgrade()
                self.parser = httptools.HttpRequestParser(self)
                self.parser.feed_data(head)

    def _head_without_upgrade(self) -> bytes:
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            raise httptools.HttpParserError("there is nothing to connect to")
        head = [method, b" ", self.url, b" HTTP/", version, b"\r\n"]
        for name, value in self.headers:
            if name != b"upgrade":
                head += [name, b": ", value, b"\r\n"]
        return b"".join([*head, b"\r\n"])

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        super().on_message_begin()
        self._stage = Stage.HEAD

    def on_headers_complete(self) -> None:
        """Let the application take over."""
        if len(self.pipeline) == MOST_AHEAD:
            raise httptools.HttpParserError("too many requests are sent ahead")
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            self.headers = []  # what comes behind the body is none of the request's
            self._stage = Stage.BODY
            self._undigested = 0

    def on_body(self, body: bytes) -> None:
        """Give the application a part of the body."""
        super().on_body(body)
        self._undigested = 0

    def on_message_complete(self) -> None:
        """Tell the application that it has all of the body."""
        if not self.parser.should_upgrade():
            super().on_message_complete()
            cast("dict[str, Any]", self.cycle.scope)[WHOLE_BODY] = True
            self._stage = Stage.BETWEEN
            self._undigested = 0

    def on_response_complete(self) -> None:
        """Expect the rest of what has begun to come soon."""
        super().on_response_complete()
        if self._stage is not Stage.BETWEEN and self._is_answered():
            self._start_read_timer()

    def pause_writing(self) -> None:
        """Expect the client to read what waits for it."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(
            self.write_seconds, self._check_reader, self.transport.get_write_buffer_size()
        )

    def resume_writing(self) -> None:
        """Stop expecting: the client has read enough."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        super().connection_lost(exc)
        self._stop_read_timer()
        self.resume_writing()

    def lingers(self) -> bool:
        """Asked before the connection is closed: begin to linger if more of a request may come."""
        may_come = self._stage is Stage.BODY or self._deaf
        if may_come and not self.transport.is_closing() and not self._lingering:
            self._linger()
        return self._lingering

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP in the form of all our errors, behind what is still answered."""
        self.logger.warning(msg)
        if not self._is_answered() and self._stage is not Stage.BODY:
            self._deaf = True
            self.cycle.keep_alive = False
            return
        if self.pipeline or (not self._is_answered() and self.cycle.response_started):
            self.transport.abort()  # in the middle of an answer
            return
        body = Problem(BAD_REQUEST, msg).body(request_id="")
        head = (
            f"HTTP/1.1 400 Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self._linger()

    def _linger(self) -> None:
        """Close in two steps: nothing more is said at once, nothing more is heard soon."""
        self._lingering = True
        self._stop_read_timer()
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn's annotation leaves None out
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        try:
            self.transport.write_eof()
        except OSError:  # the client has gone already
            self.transport.abort()
            return
        self.flow.resume_reading()
        self._read_timer = self.loop.call_later(LINGER, self._give_up_reading)

    def _is_answered(self) -> bool:
        """Say whether no request waits for its answer."""
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn's annotation leaves None out
        return cycle is None or cycle.response_complete

    def _set_read_timer(self) -> None:
        if not self._is_answered():
            if self._stage is not Stage.HEAD:
                self._stop_read_timer()
        elif self._stage is Stage.HEAD:
            self._start_read_timer()
        elif self._stage is Stage.BETWEEN and self.cycle is not None:
            # The rest of a body whose answer did not wait for it, or blank lines.
            self._stop_read_timer()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _start_read_timer(self) -> None:
        # The first byte starts it; later ones do not prolong it.
        if self._read_timer is None:
            self._read_timer = self.loop.call_later(self.header_seconds, self._give_up_reading)

    def _stop_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _give_up_reading(self) -> None:
        self._read_timer = None
        self.transport.abort()

    def _check_reader(self, size_before: int) -> None:
        """Close the connection if its client has read too little since the last look."""
        size = self.transport.get_write_buffer_size()
        enough = SLOWEST_READER * self.write_seconds
        if size_before - size < enough:
            self.transport.abort()
            return
        self._write_timer = self.loop.call_later(self.write_seconds, self._check_reader, size)
