"""Running the application: load, listen, and on SIGTERM leave without losing a request."""

import asyncio
import contextlib
import ctypes
import gc
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from ner_service.api.app import create_app
from ner_service.api.logs import configure_library_logs, drop_unwritten, make_logger
from ner_service.api.protocol import PIECE, TimedProtocol
from ner_service.api.service import Service
from ner_service.api.settings import Settings
from ner_service.api.transport import GatheringTransport
from ner_service.errors import ConfigError

# How long the event loop, back from a system call, waits for another thread to let go of the
# interpreter: at Python's 5 ms, a few calls a request make most of its time under load.
SWITCH_SECONDS = 0.00002
# Blocks of so many bytes come from the system one by one and go back to it. glibc would move this
# limit up to the largest block that was ever freed, and the arrays of batches, no two of one size,
# would leave holes in the heap: resident memory rose by 3 % in three minutes of overload.
OWN_BLOCK_BYTES = 128 * 1024
_M_MMAP_THRESHOLD = -3


class DrainingServer(uvicorn.Server):
    """On SIGTERM, readiness fails for a while before the socket closes.

    Load balancers need that time to stop sending; meanwhile everything is answered as before. A
    second signal, or SIGINT from a terminal, skips it.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        service: Service,
        drain_seconds: float,
        announce: Callable[[], None],
    ) -> None:
        """Keep the service whose readiness is to fail; `announce` is called when listening."""
        super().__init__(config)
        self._announce = announce
        self._service = service
        self._drain_seconds = drain_seconds
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Remember the event loop: signals arrive outside of it."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 (uvicorn's)
        """Begin to stop. The signal is not raised again at the end, so the exit code is 0."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        is_first = not self._service.draining
        self._service.draining = True
        if is_first and sig == signal.SIGTERM and self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.call_later, self._drain_seconds, self._leave)
        else:
            self._leave()

    def _leave(self) -> None:
        self.should_exit = True


def serve(settings: Settings, app: FastAPI | None = None) -> None:
    """Serve until a signal comes.

    Args:
        settings: where to listen and how.
        app: made by `create_app` with these settings; made here if None.

    Raises:
        NerError: the address is taken, or a model or key file cannot be read.
    """
    give_large_blocks_back()
    logger = make_logger(settings.log_level)
    configure_library_logs(settings.log_level)
    # The address first: it fails at once, while models take their time.
    with bind(settings.host, settings.port) as listener:
        app = app or create_app(settings)
        service: Service = app.state.service
        if not service.models:
            service.load_models()
        # What is loaded stays; the garbage collector need not look through it again and again.
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(SWITCH_SECONDS)
        config = uvicorn.Config(
            app,
            http=_protocol(settings),
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=settings.keep_alive_seconds,
            timeout_graceful_shutdown=settings.grace_seconds,
        )
        host, port = listener.getsockname()[:2]
        models = [f"{model.info.name} {model.info.version}" for model in service.models]
        server = DrainingServer(
            config,
            service=service,
            drain_seconds=settings.drain_seconds,
            announce=lambda: logger.info("serving", host=host, port=port, models=models),
        )
        service.requests = server.server_state.tasks
        server.run(sockets=[listener])
        logger.info("stopped")
        drop_unwritten()


def give_large_blocks_back() -> None:
    """Keep what is freed of large arrays out of the heap, where the C library is glibc."""
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, OWN_BLOCK_BYTES)


def bind(host: str, port: int) -> socket.socket:
    """Take an address, without listening yet.

    Raises:
        ConfigError: it is not to be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot listen on {host} port {port}: {reason}") from error
    return listener


def _protocol(settings: Settings) -> type[TimedProtocol]:
    class Protocol(TimedProtocol):
        room = memoryview(bytearray(PIECE))
        header_seconds = settings.header_timeout_seconds
        write_seconds = settings.write_timeout_seconds

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            self._gathering = GatheringTransport(transport, self.loop, lingers=self.lingers)
            super().connection_made(self._gathering)

        def on_response_complete(self) -> None:
            self._gathering.flush()
            super().on_response_complete()

    return Protocol
