"""One thread beside the event loop: does what it is given, in order, and tells the loop."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any

from ner_service.inference.steps import Work

Done = Callable[[Any, Exception | None], None]
"""Told the result, or the error, on the event loop."""

# Seconds to wait at the end for what is in work; the thread does not keep the process.
LONGEST_JOIN = 5.0


class Worker:
    """The thread, started by the first work."""

    def __init__(self) -> None:
        """Start nothing."""
        self._tasks: SimpleQueue[tuple[Work, Done] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        # What no loop could be told, and who looks at this or at the loop.
        self._untold: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    @property
    def alive(self) -> bool:
        """Whether it can take work; a thread that was not needed yet counts."""
        return self._thread is None or self._thread.is_alive()

    def serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell this loop from now on; a loop before it may have been closed with work undone."""
        if self._loop is loop:
            return
        with self._lock:
            self._loop = loop
            untold, self._untold = self._untold, []
        for tell in untold:
            loop.call_soon(tell)

    def do(self, work: Work, done: Done) -> None:
        """Do work on the thread, soon; here and now if it was closed."""
        if self._closed:
            _do(work, done)()
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
            self._thread.start()
        self._tasks.put((work, done))

    def close(self) -> None:
        """Let the thread do what it was given, and end."""
        self._closed = True
        thread = self._thread
        if thread is not None:
            self._tasks.put(None)
            thread.join(timeout=LONGEST_JOIN)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            tell = _do(*task)
            with self._lock:
                assert self._loop is not None
                try:
                    self._loop.call_soon_threadsafe(tell)
                except RuntimeError:  # the loop is closed
                    self._untold.append(tell)


def _do(work: Work, done: Done) -> Callable[[], None]:
    """Do work and give what is left to do on the loop."""
    try:
        return partial(done, work(), None)
    except Exception as error:  # it belongs to who wanted the work
        return partial(done, None, error)
