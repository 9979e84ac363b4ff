"""The service without HTTP: admission, preparing, batching and the deadline around them."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from starlette.types import Receive
from structlog.typing import FilteringBoundLogger

from ner_service.api.admission import Admission
from ner_service.api.batcher import Batcher, Job
from ner_service.api.body import BodyReader
from ner_service.api.faults import ClientGoneError, DeadlineError
from ner_service.api.metrics import Metrics
from ner_service.api.models import Models, ServedModel
from ner_service.api.parsing import Item
from ner_service.api.pieces import cut, join
from ner_service.api.presentation import Outcome, Presentation
from ner_service.api.settings import Settings
from ner_service.errors import NerError
from ner_service.tagger import Document, PreparedDocument, Tagger

T = TypeVar("T")

# Work of this size (code points) is done at once; more would hold up the event loop.
SMALL = 10_000
# A text of this size (code points) is tagged in about the time that changing threads takes.
TINY = 500
# Seconds after which a waiting request begins to watch whether its client is still there.
PATIENCE = 0.05


class Service:
    """Everything that the endpoints share."""

    def __init__(
        self, settings: Settings, load: Callable[[str], Tagger], logger: FilteringBoundLogger
    ) -> None:
        """Build the parts; nothing is loaded and no thread is started."""
        self.settings = settings
        self.logger = logger
        self.metrics = Metrics()
        self.models = Models(load)
        self.draining = False
        self.bodies = BodyReader(
            max_body=settings.max_body_bytes,
            max_buffered=settings.max_buffered_bytes,
            timeout=settings.body_timeout_seconds,
        )
        self.admission = Admission(
            max_documents=settings.max_queue_documents,
            max_tokens=settings.max_queue_tokens,
            metrics=self.metrics,
        )
        self._batcher = Batcher(
            batch_tokens=settings.batch_tokens,
            batch_parts=settings.batch_documents,
            turn_tokens=settings.turn_tokens,
            metrics=self.metrics,
            observe=self.admission.observe,
        )
        self._helper = ThreadPoolExecutor(max_workers=1, thread_name_prefix="helper")

    def load_models(self) -> None:
        """Load the models of the settings.

        Raises:
            NerError: one of them cannot be loaded.
        """
        self.models.load(self.settings.model)
        self.tell_models()

    def tell_models(self) -> None:
        """Tell the metrics which models are served."""
        self.metrics.model_info.clear()
        for model in self.models:
            info = model.info
            self.metrics.model_info.labels(info.name, info.version, info.scheme).set(1)

    def count_entities(self, presentation: Presentation, outcomes: Sequence[Outcome]) -> None:
        """Count what was answered."""
        labels = [
            entity.label
            for outcome in outcomes
            if isinstance(outcome, Document)
            for entity in presentation.entities(outcome)
        ]
        self.metrics.count_entities(presentation.model.info.name, labels)

    @property
    def alive(self) -> bool:
        """Whether the process can still do its work."""
        return self._batcher.alive

    def close(self) -> None:
        """End the threads; what is in work is finished."""
        self._batcher.close()
        self._helper.shutdown()

    async def tag(
        self,
        items: Sequence[Item],
        model: ServedModel,
        *,
        arrived: float,
        receive: Receive | None = None,
    ) -> list[Outcome]:
        """Tag documents; each outcome is a document or the error that is its own.

        Args:
            items: the documents.
            model: the model to ask.
            arrived: when the request arrived, on the event loop's clock; the deadline counts
                from there.
            receive: of the request whose client is watched.

        Raises:
            QueueFullError: there is no room for so much.
            DeadlineError: time was up; nothing more is done for it.
            ClientGoneError: the client left; likewise.
        """
        size = sum(_length(item) for item in items)
        with self.admission.admit(documents=len(items), code_points=size):
            try:
                async with asyncio.timeout_at(arrived + self.settings.deadline_seconds):
                    return await self._tag(items, model, size, receive)
            except TimeoutError:
                message = f"not done within {self.settings.deadline_seconds:g} seconds"
                raise DeadlineError(message) from None

    async def apart(self, size: int, work: Callable[[], T]) -> T:
        """Do small work here and now, and large work on the helper thread."""
        if size <= SMALL:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._helper, work)

    async def _tag(
        self, items: Sequence[Item], model: ServedModel, size: int, receive: Receive | None
    ) -> list[Outcome]:
        tagger = model.tagger
        turn = self.settings.turn_tokens
        prepared = await self.apart(size, lambda: [_prepare(tagger, item) for item in items])
        pieces = [
            [] if isinstance(document, NerError) else cut(document, tokens=turn)
            for document in prepared
        ]
        job = Job(tagger, [piece for group in pieces for piece in group])
        results = iter(await self._run(job, size, receive) if job.parts else [])
        outcomes: list[Outcome] = []
        for document, group in zip(prepared, pieces, strict=True):
            if isinstance(document, NerError):
                outcomes.append(document)
            else:
                outcomes.append(join(document, _sound([next(results) for _ in group])))
        self.metrics.tokens.labels(model.info.name).inc(sum(len(p.tokens) for p in job.parts))
        return outcomes

    async def _run(
        self, job: Job, size: int, receive: Receive | None
    ) -> list[Document | Exception]:
        if size <= TINY:
            # Let requests that arrived at the same time show up; alone, there is nothing to batch.
            await asyncio.sleep(0)
            alone = self.admission.documents == len(job.parts)
            if alone and (results := self._batcher.run_here(job)) is not None:
                return results
        with DisconnectWatch(receive, job.future):
            return await self._batcher.run(job)


class DisconnectWatch:
    """While a request waits, fails its future as soon as its client is gone."""

    def __init__(self, receive: Receive | None, future: "asyncio.Future[None]") -> None:
        """Prepare to watch; with no `receive` there is nobody to watch."""
        self._receive = receive
        self._future = future
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        """Begin to watch a little later: most requests are answered by then."""
        if self._receive is not None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._start)

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

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        assert self._receive is not None
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._future.done():
            self._future.set_exception(ClientGoneError("the client left while waiting"))


def _sound(parts: Sequence[Document | Exception]) -> list[Document]:
    for part in parts:
        if isinstance(part, Exception):
            raise part
    return [part for part in parts if isinstance(part, Document)]


def _length(item: Item) -> int:
    content = item.content
    return len(content) if isinstance(content, str) else sum(map(len, content)) + len(content)


def _prepare(tagger: Tagger, item: Item) -> PreparedDocument | NerError:
    if item.fault is not None:
        return item.fault
    try:
        if isinstance(item.content, str):
            return tagger.prepare(item.content)
        return tagger.prepare_tokens(item.content)
    except NerError as error:
        return error
