"""Who waits for an answer, and how long: requests are dropped when clients leave or time is up."""

import asyncio
from types import TracebackType

from starlette.types import Receive

from ner_service.api.faults import ClientGoneError, DeadlineError

# Seconds after which a waiting request begins to watch whether its client is still there. Most are
# answered by then, and have cost one timer.
PATIENCE = 0.05


class Watch:
    """While a request waits, fails its future when the deadline passes or the client is gone."""

    def __init__(
        self,
        future: "asyncio.Future[None]",
        *,
        receive: Receive | None,
        deadline: float,
        seconds: float,
    ) -> None:
        """Prepare to watch.

        Args:
            future: what the request waits for.
            receive: of the request; None if there is nobody to watch.
            deadline: on the event loop's clock.
            seconds: how long the deadline was when it was set, to tell the client.
        """
        self._future = future
        self._receive = receive
        self._deadline = deadline
        self._seconds = seconds
        self._loop = future.get_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        """Begin a little later."""
        begin = min(self._loop.time() + PATIENCE, self._deadline)
        self._timer = self._loop.call_at(begin, self._begin)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
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
