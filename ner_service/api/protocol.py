"""HTTP/1.1 with the timers that uvicorn lacks: for half-sent requests and for slow readers."""

import asyncio
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from ner_service.api.problems import MEDIA_TYPE, Kind, Problem

BAD_REQUEST = Kind(400, "invalid_http", "The request is not HTTP")
# Bytes a second that a client has to read; the timer allows this much time on top.
SLOWEST_READER = 16 * 1024
# No request is being read; after an error there may never have been one.
STALLED = (h11.IDLE, h11.ERROR)
# Seconds for which input is thrown away after the last answer, if the client does not close sooner.
# A socket that is closed with input unread, or still to come, is reset, and the client may never
# see the answer.
LINGER = 2.0


class TimedProtocol(H11Protocol):
    """Closes connections whose client stalls. Bodies that are read have their timer elsewhere.

    Subclassed with the settings' seconds, since uvicorn makes the instances.
    """

    header_seconds = 10.0
    write_seconds = 30.0

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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the head of a request soon."""
        super().connection_made(transport)
        self._start_read_timer()

    def data_received(self, data: bytes) -> None:
        """Expect the rest of a head soon; with the head complete, the application takes over."""
        if self._lingering:
            return
        super().data_received(data)
        if self._is_reading_head():
            self._start_read_timer()
        elif self.conn.their_state not in STALLED and not self.cycle.response_complete:
            self._stop_read_timer()

    def on_response_complete(self) -> None:
        """Expect the rest of a body that nobody reads any more soon."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
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
        is_sending = self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing()
        if is_sending and not self._lingering:
            self._linger()
        return self._lingering

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP in the form of all our errors."""
        body = Problem(BAD_REQUEST, msg).body(request_id="")
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()  # in the middle of an answer
        else:
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event))
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

    def _is_reading_head(self) -> bool:
        """Say whether part of a head has come and the rest has not."""
        return self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])

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
