"""The one inference thread, and the queue in front of it.

Requests wait in a fair queue; the thread takes batches from it as fast as it can, so nothing waits
for company and batches form by themselves under load. A lone small request does not even change
threads. A request that is cancelled or
out of time leaves the queue; whoever shares its batch does not notice.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

from ner_service.api.admission import effort_of
from ner_service.api.metrics import Metrics
from ner_service.api.scheduler import FairQueue, Share
from ner_service.tagger import Document, PreparedDocument, Tagger

# Seconds to wait at the end for a batch that is in work; the thread does not keep the process.
LONGEST_JOIN = 5.0


class Job:
    """One request in the queue: its parts, their results, and who waits for them."""

    def __init__(self, tagger: Tagger, parts: Sequence[PreparedDocument]) -> None:
        """Start with no results; to be called in the event loop that will wait."""
        self.tagger = tagger
        self.parts = parts
        self.costs = [max(int(len(part.tokens) * effort_of(part.wanted)), 1) for part in parts]
        self.results: list[Document | Exception] = []
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
        return self.future.done()


class Batcher:
    """Runs jobs on one thread, which is started by the first of them."""

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
            observe: told the cost in tokens and the seconds of every batch, from the thread.
        """
        self._queue: FairQueue[Job] = FairQueue(batch_tokens, batch_parts, turn_tokens)
        self._metrics = metrics
        self._observe = observe
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        # Held while a batch is tagged: a tagger is asked by one thread at a time.
        self._tagging = threading.Lock()

    def run_here(self, job: Job) -> list[Document | Exception] | None:
        """Run a job on the calling thread if nothing waits and nothing runs; else return None.

        For a small job this is quicker than waking the inference thread and being woken by it.
        """
        if self._queue or not self._tagging.acquire(blocking=False):
            return None
        try:
            return self._tag(job.tagger, job.parts, cost=sum(job.costs))
        finally:
            self._tagging.release()

    def exclusively(self, work: Callable[[], None]) -> None:
        """Do something to a tagger while nothing is tagged; blocks."""
        with self._tagging:
            work()

    async def run(self, job: Job) -> list[Document | Exception]:
        """Wait for the results of all parts of a job; cancelling drops it from the queue."""
        with self._wake:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
                self._thread.start()
            self._queue.put(job)
            self._wake.notify()
        try:
            await job.future
        except BaseException:
            self._metrics.abandoned.inc()
            raise
        return job.results

    def close(self) -> None:
        """Let the thread finish what somebody waits for, and end."""
        with self._wake:
            self._closed = True
            self._wake.notify()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout=LONGEST_JOIN)

    @property
    def alive(self) -> bool:
        """Whether the thread can take work; one that was not needed yet counts."""
        return self._thread is None or self._thread.is_alive()

    def _work(self) -> None:
        while shares := self._take():
            try:
                self._run_batch(shares)
            except Exception as error:  # the thread has to outlive whatever happens to a batch
                for share in shares:
                    _deliver(share.work.loop, [share.work], error)

    def _take(self) -> list[Share[Job]]:
        with self._wake:
            while not (shares := self._queue.take()) and not self._closed:
                self._wake.wait()
            return shares

    def _run_batch(self, shares: Sequence[Share[Job]]) -> None:
        begin = time.perf_counter()
        for share in shares:
            if share.start == 0:
                self._metrics.queue_seconds.observe(begin - share.work.queued)
        parts = [part for share in shares for part in share.work.parts[share.start : share.stop]]
        cost = sum(sum(share.work.costs[share.start : share.stop]) for share in shares)
        with self._tagging:
            results = iter(self._tag(shares[0].work.tagger, parts, cost=cost))
        finished: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        for share in shares:
            job = share.work
            job.results += [next(results) for _ in range(share.start, share.stop)]
            if share.stop == len(job.parts):
                finished.setdefault(job.loop, []).append(job)
        for loop, jobs in finished.items():
            _deliver(loop, jobs, None)

    def _tag(
        self, tagger: Tagger, parts: Sequence[PreparedDocument], *, cost: int
    ) -> list[Document | Exception]:
        begin = time.perf_counter()
        results = _tag_or_fail(tagger, parts)
        seconds = time.perf_counter() - begin
        self._metrics.batch_documents.observe(len(parts))
        self._metrics.batch_tokens.observe(sum(len(part.tokens) for part in parts))
        self._metrics.inference_seconds.observe(seconds)
        self._observe(cost, seconds)
        return results


def _tag_or_fail(tagger: Tagger, parts: Sequence[PreparedDocument]) -> list[Document | Exception]:
    """Tag a batch; if it fails, tag its parts one by one, so that only the bad one fails."""
    try:
        return list(tagger.tag_documents(parts))
    except Exception as error:  # whatever it is, it is given to the one request that caused it
        if len(parts) == 1:
            return [error]
    return [_tag_or_fail(tagger, [part])[0] for part in parts]


def _deliver(loop: asyncio.AbstractEventLoop, jobs: Sequence[Job], error: Exception | None) -> None:
    try:
        loop.call_soon_threadsafe(_resolve, jobs, error)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return


def _resolve(jobs: Sequence[Job], error: Exception | None) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if error is None:
            job.future.set_result(None)
        else:
            job.future.set_exception(error)
