"""Logs: one JSON object a line on standard error. Never a text, a key or a path with either."""

import contextlib
import json
import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

ENCODER = json.JSONEncoder(default=repr)
SHARED: list[Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
RENDER: list[Processor] = [
    structlog.processors.format_exc_info,
    # A ready encoder: with options, json.dumps makes a new one for every line.
    structlog.processors.JSONRenderer(serializer=lambda event, **_: ENCODER.encode(event)),
]


class _LossyStream:
    """Writes lines, and loses them rather than failing when the disk is full or the pipe shut."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = log = msg


def make_logger(level: str, stream: TextIO | None = None) -> FilteringBoundLogger:
    """Make the service's logger, independent of any global configuration."""
    logger: FilteringBoundLogger = structlog.wrap_logger(
        _LossyStream(stream or sys.stderr),
        processors=[*SHARED, *RENDER],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
    )
    return logger


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


class _LossyHandler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Lose the line."""


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]
