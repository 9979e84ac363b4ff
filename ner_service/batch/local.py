"""The local engine: worker processes, each fed by a thread of this one."""

import threading
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress

from ner_service.batch.frames import ERROR, RESULT, receive, send
from ner_service.batch.nursery import Nursery
from ner_service.batch.shards import Done, Shard, ShardKey, check_unchanged, cut, place_of
from ner_service.batch.sources import Section
from ner_service.batch.worker import WorkerSettings
from ner_service.errors import NerError

# Where everybody is killed, the worker, and then the nursery that was to fork the next one.
_ATTEMPTS = 3


class WorkerDiedError(NerError):
    """A worker ended without an answer."""


class WorkerProcess:
    """One worker process, as this one sees it."""

    def __init__(self, nursery: Nursery, settings: WorkerSettings) -> None:
        """Start it; it loads its model while this process goes on."""
        self._connection = nursery.fork()
        self._inbound = self._connection.makefile("rb")
        self._outbound = self._connection.makefile("wb")
        self._send(settings.to_json())

    def tag(self, shard: Shard) -> bytes:
        """Tag a shard; waits for the result.

        Raises:
            WorkerDiedError: the process ended.
            NerError: the worker reported an error.
        """
        self._send(b"\n".join((shard.digest.encode(), shard.payload)))
        try:
            frame = receive(self._inbound)
        except ConnectionResetError:
            frame = None
        if frame is None:
            raise WorkerDiedError("a worker process was killed or ran out of memory")
        kind, data = frame
        if kind == ERROR:
            raise NerError(data.decode())
        return data

    def close(self) -> None:
        """Close the connection; the process ends with it, if it has not yet."""
        for closable in (self._inbound, self._outbound, self._connection):
            with suppress(BrokenPipeError, ConnectionResetError):
                closable.close()

    def _send(self, data: bytes) -> None:
        # If it is gone, its last words, or its silence, are read next.
        with suppress(BrokenPipeError, ConnectionResetError):
            send(self._outbound, RESULT, data)


class WorkerPool:
    """Worker processes, started when there is work for them."""

    def __init__(self, nursery: Nursery, settings: WorkerSettings, workers: int) -> None:
        """Tag up to `workers` shards at once, by processes out of the nursery."""
        self._nursery = nursery
        self._settings = settings
        self._threads = ThreadPoolExecutor(workers)
        self._lock = threading.Lock()
        self._idle: list[WorkerProcess] = []
        self._all: list[WorkerProcess] = []
        self._closed = False

    def submit(self, shard: Shard) -> "Future[bytes]":
        """Tag a shard, soon."""
        return self._threads.submit(self._tag, shard)

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            self._closed = True
        self._nursery.close()  # whoever waits for a worker sees it end
        self._threads.shutdown(cancel_futures=True)
        for worker in self._all:
            worker.close()

    def _tag(self, shard: Shard) -> bytes:
        for _ in range(_ATTEMPTS):
            worker = self._take()
            try:
                data = worker.tag(shard)
            except WorkerDiedError as error:
                death = error
                worker.close()
            else:
                self._idle.append(worker)
                return data
        raise NerError(f"{place_of(shard.payload)}: {death}, {_ATTEMPTS} times in a row")

    def _take(self) -> WorkerProcess:
        with self._lock:
            if self._closed:
                raise WorkerDiedError("the job ended")
            if self._idle:
                return self._idle.pop()
            worker = WorkerProcess(self._nursery, self._settings)
            self._all.append(worker)
            return worker


def run_local(
    sections: Iterable[Section],
    settings: WorkerSettings,
    kept: Mapping[ShardKey, str],
    *,
    workers: int,
    ordered: bool = False,
    nursery: Nursery | None = None,
) -> Generator[Done, None, None]:
    """Tag the shards of all sections.

    Args:
        sections: of the inputs.
        settings: the workers'.
        kept: shards that are finished, with their digests.
        workers: processes.
        ordered: give the results in the order of the input, not as they come.
        nursery: of the workers, if it was started already; closed at the end.

    Raises:
        NerError: an input has changed, or a shard cannot be tagged.
    """
    pool = WorkerPool(nursery or Nursery(), settings, workers)
    pending: deque[tuple[Future[bytes], ShardKey, int]] = deque()
    try:
        for section in sections:
            for shard in cut(section, settings.options):
                if shard.key in kept:
                    check_unchanged(shard, kept)
                    yield Done(shard.key, shard.consumed, None)
                    continue
                pending.append((pool.submit(shard), shard.key, shard.consumed))
                if len(pending) >= 2 * workers:
                    yield _next(pending, ordered=ordered)
        while pending:
            yield _next(pending, ordered=ordered)
    finally:
        pool.close()


def _next(pending: deque[tuple[Future[bytes], ShardKey, int]], *, ordered: bool) -> Done:
    if not ordered:
        wait([future for future, *_ in pending], return_when=FIRST_COMPLETED)
        while not pending[0][0].done():
            pending.rotate(-1)
    future, key, consumed = pending.popleft()
    return Done(key, consumed, future.result())
