"""Logs: one JSON object a line on standard error. Never a text, a key or a path with either."""

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from json.encoder import encode_basestring_ascii as quote
from typing import Any, TextIO

import structlog
from pydantic_core import to_json
from structlog.typing import FilteringBoundLogger, Processor

# A line may be this late.
GATHER_SECONDS = 0.1
ENCODER = json.JSONEncoder(default=repr)
SHARED: list[Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def _json(event: Any, **_: Any) -> str:
    try:
        return to_json(event, fallback=repr).decode()  # pydantic's is several times faster
    except ValueError:  # a lone surrogate in the message of an exception
        return ENCODER.encode(event)


RENDER: list[Processor] = [
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(serializer=_json),
]


class _LossyStream:
    """Writes lines, and loses them rather than failing when the disk is full or the pipe shut.

    In an event loop, lines are gathered for a moment: a system call each would cost more than all
    else about them.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._due = 0.0

    def msg(self, line: str) -> None:
        self._lines.append(line)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        now = time.monotonic()
        if now >= self._due:
            self._due = now + GATHER_SECONDS
            loop.call_later(GATHER_SECONDS, self.flush)

    debug = info = warning = msg

    def gather(self, line: str) -> None:
        """As `msg`, by who is called in an event loop often: to find the loop is a system call."""
        if time.monotonic() < self._due:
            self._lines.append(line)
        else:
            self.msg(line)

    def error(self, line: str) -> None:
        self.msg(line)
        self.flush()

    critical = exception = error

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            with contextlib.suppress(OSError, ValueError):
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()


def make_logger(level: str, stream: TextIO | None = None) -> FilteringBoundLogger:
    """Make the service's logger, independent of any global configuration."""
    logger: FilteringBoundLogger = structlog.wrap_logger(
        _LossyStream(stream or sys.stderr),
        processors=[*SHARED, *RENDER],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
    ).bind()  # once, instead of for every line
    return logger


class RequestLog:
    """Writes the line of each request as the logger would, by hand: there are most of them."""

    def __init__(self, level: str, stream: TextIO | None = None) -> None:
        """Write to standard error if None; nothing if only what is worse than `info` is wanted."""
        self._wanted = _number(level) <= logging.INFO
        self._stream = _LossyStream(stream or sys.stderr)
        # The second that was last written, and how.
        self._second, self._written = -1, ""

    def write(
        self,
        *,
        request_id: str,
        method: str,
        route: str,
        status: int,
        outcome: str,
        milliseconds: float,
    ) -> None:
        """Write one line."""
        if not self._wanted:
            return
        now = time.time_ns() // 1000
        second, microsecond = divmod(now, 1_000_000)
        if second != self._second:
            self._second = second
            self._written = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        self._stream.gather(
            f'{{"request_id":{quote(request_id)},"method":{quote(method)},"route":{quote(route)},'
            f'"status":{status},"outcome":{quote(outcome)},"milliseconds":{milliseconds},'
            f'"event":"request","level":"info",'
            f'"timestamp":"{self._written}.{microsecond:06}Z"}}'
        )


def configure_library_logs(level: str) -> None:
    """Write the lines of uvicorn and other libraries in the same form."""
    handler = _LossyHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *RENDER],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(_number(level), logging.WARNING))


def drop_unwritten() -> None:
    """Throw away what standard error would not take.

    It is still in the buffer of a full disk's file, and Python would end with exit code 120 for it.
    """
    try:
        sys.stderr.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stderr.fileno())
        os.close(nowhere)


class _LossyHandler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Lose the line."""


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
