"""Batches of requests, formed and read on the event loop; the network runs on a thread beside it.

Requests wait in a fair queue and are taken from it as soon as the network has room, so nothing
waits for company and batches form by themselves under load. While the network works on one, the
event loop answers those of the one before and prepares the next. A lone small request does not even
change threads. A request that is cancelled or out of time leaves the queue; whoever shares its
batch does not notice.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any

from ner_service.api.admission import effort_of
from ner_service.api.metrics import Metrics
from ner_service.api.scheduler import FairQueue, Share
from ner_service.api.worker import Worker
from ner_service.inference.steps import Steps, Work
from ner_service.tagger import Document, PreparedDocument, Tagger

# Batches in work: one in the network, one whose other steps are done meanwhile.
AT_ONCE = 2
# Stands for the result of a part until that is there.
_NOT_YET = RuntimeError("expected a result, got none")


class Job:
    """One request in the queue: its parts, their results, and who waits for them."""

    def __init__(self, tagger: Tagger, parts: Sequence[PreparedDocument]) -> None:
        """Start with no results; to be called in the event loop that will wait."""
        self.tagger = tagger
        self.parts = parts
        self.costs = _costs(parts)
        self.results: list[Document | Exception] = [_NOT_YET] * len(parts)
        self.missing = len(parts)
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.queued = time.perf_counter()

    @property
    def group(self) -> object:
        """Only requests to one tagger share a batch."""
        return self.tagger

    @property
    def abandoned(self) -> bool:
        """Nobody waits for it any more."""
        return self.future.done() or self.loop.is_closed()


class _Batch:
    """Shares of requests in work."""

    def __init__(self, shares: Sequence[Share[Job]]) -> None:
        self.shares = shares
        self.tagger = shares[0].work.tagger
        self.parts = [part for s in shares for part in s.work.parts[s.start : s.stop]]
        self.cost = sum(sum(s.work.costs[s.start : s.stop]) for s in shares)
        self.steps: Steps[list[Document]] = self.tagger.tagging_steps(self.parts)
        self.begun = time.perf_counter()


class Batcher:
    """Runs jobs, all of them from one event loop at a time."""

    def __init__(
        self,
        *,
        batch_tokens: int,
        batch_parts: int,
        turn_tokens: int,
        metrics: Metrics,
        observe: Callable[[int, float], None],
    ) -> None:
        """Set the size of batches and of a request's turn in them.

        Args:
            batch_tokens: tokens of a batch, about.
            batch_parts: documents, or parts of long ones, in a batch.
            turn_tokens: tokens after which a request lets others go first.
            metrics: where batches are counted.
            observe: told the cost in tokens of every batch, and the seconds that it took beyond
                those of the batches before it.
        """
        self._queue: FairQueue[Job] = FairQueue(batch_tokens, batch_parts, turn_tokens)
        self._metrics = metrics
        self._observe = observe
        self._worker = Worker()
        self._in_work = 0
        self._last_end = 0.0
        # What is to be done while nothing is tagged, and whether such a thing is being done.
        self._alone: deque[tuple[Work, asyncio.Future[Any]]] = deque()
        self._is_alone = False
        # The loop that will look at the queue soon.
        self._awake: asyncio.AbstractEventLoop | None = None

    def run_here(
        self, tagger: Tagger, parts: Sequence[PreparedDocument]
    ) -> list[Document | Exception] | None:
        """Run a request at once if nothing waits and nothing runs; else return None.

        For a small one this is quicker than waking the thread and being woken by it.
        """
        if self._in_work or self._is_alone or self._queue or self._alone:
            return None
        begin = time.perf_counter()
        results = _tag_or_fail(tagger, parts)
        self._count(parts, sum(_costs(parts)), begin)
        return results

    async def run(self, job: Job) -> list[Document | Exception]:
        """Wait for the results of all parts of a job; cancelling drops it from the queue."""
        self._queue.put(job)
        self._wake(job.loop)
        try:
            await job.future
        except BaseException:
            self._metrics.abandoned.inc()
            raise
        return job.results

    async def exclusively(self, work: Callable[[], None]) -> None:
        """Do something to a tagger, on the thread, while nothing is tagged."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._alone.append((work, done))
        self._wake(loop)
        await done

    def close(self) -> None:
        """Let the thread finish what it has, and end; what is left is done on the event loop."""
        self._worker.close()

    @property
    def alive(self) -> bool:
        """Whether the thread can take work; one that was not needed yet counts."""
        return self._worker.alive

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        # Soon, not now: requests that arrived at the same time share a batch.
        if self._awake is not loop:
            self._awake = loop
            self._worker.serve(loop)
            loop.call_soon(self._look)

    def _look(self) -> None:
        """Put into work what waits and has room."""
        self._awake = None
        while self._alone and self._alone[0][1].done():  # whoever wanted it was cancelled
            self._alone.popleft()
        while self._in_work < AT_ONCE and not self._is_alone:
            if self._alone:
                if not self._in_work:
                    work, done = self._alone.popleft()
                    self._is_alone = True
                    self._worker.do(work, partial(self._end_alone, done))
                return
            shares = self._queue.take()
            if not shares:
                return
            self._in_work += 1
            self._advance(_Batch(shares))

    def _end_alone(
        self, done: "asyncio.Future[Any]", result: object, error: Exception | None
    ) -> None:
        self._is_alone = False
        self._look()  # before who waited can ask for more
        _resolve(done, result, error)

    def _advance(
        self, batch: _Batch, result: object = None, error: Exception | None = None
    ) -> None:
        """Do the next step of a batch."""
        try:
            work = batch.steps.throw(error) if error is not None else batch.steps.send(result)
        except StopIteration as end:
            results: list[Document | Exception] = end.value
        except Exception as failure:  # whatever it is, it is given to the one that caused it
            results = _apart(batch.tagger, batch.parts, failure)
        else:
            self._worker.do(work, partial(self._advance, batch))
            return
        self._end(batch, results)

    def _end(self, batch: _Batch, results: Sequence[Document | Exception]) -> None:
        self._in_work -= 1
        if self._queue or self._alone:
            self._wake(asyncio.get_running_loop())
        error: Exception | None = None
        try:
            for share in batch.shares:
                if share.start == 0:
                    self._metrics.count_wait(batch.begun - share.work.queued)
            self._count(batch.parts, batch.cost, batch.begun)
        except Exception as failure:  # others must still be served, whatever happened here
            error = failure
        remaining = iter(results)
        for share in batch.shares:
            job = share.work
            # Of two batches with parts of one request the later may be done first.
            job.results[share.start : share.stop] = islice(remaining, share.stop - share.start)
            job.missing -= share.stop - share.start
            if error is not None or job.missing == 0:
                _resolve(job.future, None, error)

    def _count(self, parts: Sequence[PreparedDocument], cost: int, begun: float) -> None:
        end = time.perf_counter()
        tokens = sum(part.layout.token_count for part in parts)
        self._metrics.count_batch(len(parts), tokens, end - begun)
        self._observe(cost, end - max(begun, self._last_end))
        self._last_end = end


def _costs(parts: Sequence[PreparedDocument]) -> list[int]:
    return [max(int(len(part.tokens) * effort_of(part.wanted)), 1) for part in parts]


def _tag_or_fail(tagger: Tagger, parts: Sequence[PreparedDocument]) -> list[Document | Exception]:
    """Tag a batch; if it fails, tag its parts one by one, so that only the bad one fails."""
    try:
        return list(tagger.tag_documents(parts))
    except Exception as error:
        return _apart(tagger, parts, error)


def _apart(
    tagger: Tagger, parts: Sequence[PreparedDocument], error: Exception
) -> list[Document | Exception]:
    if len(parts) == 1:
        return [error]
    return [_tag_or_fail(tagger, [part])[0] for part in parts]


def _resolve(future: "asyncio.Future[Any]", result: object, error: Exception | None) -> None:
    if future.done() or future.get_loop().is_closed():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
