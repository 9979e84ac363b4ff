"""Who waits for an answer, and how long: requests are dropped when clients leave or time is up."""

import asyncio
from types import TracebackType

from starlette.types import Receive

from ner_service.api.faults import ClientGoneError, DeadlineError

# Seconds after which a waiting request begins to watch whether its client is still there, or up to
# twice as many. Most are answered by then, and have cost no timer of their own.
PATIENCE = 0.05


class Watches:
    """The requests that wait, and the one timer that looks at them from time to time."""

    def __init__(self) -> None:
        """Start with none."""
        self._patient: dict[Watch, float] = {}
        # The loop whose timer runs.
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, watch: "Watch", loop: asyncio.AbstractEventLoop) -> None:
        """Let a watch begin a little later."""
        self._patient[watch] = loop.time()
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(PATIENCE, self._look, loop)

    def remove(self, watch: "Watch") -> None:
        """Forget a watch that is over."""
        self._patient.pop(watch, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        late = loop.time() - PATIENCE
        for watch, since in list(self._patient.items()):
            if since > late:
                break  # those behind it came later still
            del self._patient[watch]
            watch.begin()
        if self._patient:
            loop.call_later(PATIENCE, self._look, loop)
        elif self._loop is loop:
            self._loop = None


class Watch:
    """While a request waits, fails its future when the deadline passes or the client is gone."""

    def __init__(
        self,
        watches: Watches,
        future: "asyncio.Future[None]",
        *,
        receive: Receive | None,
        deadline: float,
        seconds: float,
    ) -> None:
        """Prepare to watch.

        Args:
            watches: those of the service.
            future: what the request waits for.
            receive: of the request; None if there is nobody to watch.
            deadline: on the event loop's clock.
            seconds: how long the deadline was when it was set, to tell the client.
        """
        self._watches = watches
        self._future = future
        self._receive = receive
        self._deadline = deadline
        self._seconds = seconds
        self._loop = future.get_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        """Begin a little later."""
        self._watches.add(self, self._loop)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop watching."""
        self._watches.remove(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def begin(self) -> None:
        """Watch from now on."""
        self._timer = self._loop.call_at(self._deadline, self._fail, too_late(self._seconds))
        if self._receive is not None:
            self._task = self._loop.create_task(self._wait_for_leaving(self._receive))

    async def _wait_for_leaving(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._fail(ClientGoneError("the client left while waiting"))

    def _fail(self, error: Exception) -> None:
        if not self._future.done():
            self._future.set_exception(error)


def too_late(seconds: float) -> DeadlineError:
    """Tell that a deadline of so many seconds has passed."""
    return DeadlineError(f"not done within {seconds:g} seconds")
