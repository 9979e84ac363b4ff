"""The service without HTTP: admission, preparing, batching and the deadline around them."""

import asyncio
from collections.abc import Callable, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

from starlette.types import Receive
from structlog.typing import FilteringBoundLogger

from ner_service.api.admission import Admission, effort_of
from ner_service.api.batcher import Batcher, Job
from ner_service.api.body import BodyReader
from ner_service.api.faults import FieldError, FieldFault
from ner_service.api.logs import RequestLog
from ner_service.api.metrics import Metrics
from ner_service.api.models import Models, ServedModel
from ner_service.api.parsing import Item
from ner_service.api.pieces import cut, join
from ner_service.api.presentation import Outcome, Presentation
from ner_service.api.ruling import Ruling
from ner_service.api.settings import Settings
from ner_service.api.watch import Watch, Watches, too_late
from ner_service.errors import NerError, RuleError
from ner_service.tagger import Document, PreparedDocument, Tagger, TagOptions, ruled
from ner_service.teaching.lessons import Lessons

T = TypeVar("T")

# Work of this size (code points) is done at once; more would hold up the event loop.
SMALL = 10_000
# A text of this size (code points) is tagged in about the time that changing threads takes.
TINY = 500
# Of the deadline, the share that may be spent waiting for what came before: the speed is a guess
# that a busy machine can halve at any time, the request has to be read, worked on and answered,
# too, and after an overload newcomers wait until all of this is done.
DEADLINE_SHARE = 0.3
# A batch of texts waits at most until so many examples are learnt.
EXAMPLES_AT_ONCE = 16
# Under which metrics count labels that only a request's own rules give.
OTHER_LABEL = "other"


class Service:
    """Everything that the endpoints share."""

    def __init__(
        self, settings: Settings, load: Callable[[str], Tagger], logger: FilteringBoundLogger
    ) -> None:
        """Build the parts; nothing is loaded and no thread is started."""
        self.settings = settings
        self.logger = logger
        self.request_log = RequestLog(settings.log_level)
        self.metrics = Metrics()
        self.models = Models(self._taught(load))
        self.ruling = Ruling(settings.rules)
        self.draining = False
        # The requests that have come, whether anything was done for them yet or not, where the HTTP
        # server tells.
        self.requests: Sized | None = None
        self.bodies = BodyReader(
            max_body=settings.max_body_bytes,
            max_buffered=settings.max_buffered_bytes,
            timeout=settings.body_timeout_seconds,
        )
        self.admission = Admission(
            max_documents=settings.max_queue_documents,
            max_tokens=settings.max_queue_tokens,
            longest_wait=settings.deadline_seconds * DEADLINE_SHARE,
            metrics=self.metrics,
        )
        self._batcher = Batcher(
            batch_tokens=settings.batch_tokens,
            batch_parts=settings.batch_documents,
            turn_tokens=settings.turn_tokens,
            metrics=self.metrics,
            observe=self.admission.observe,
        )
        self._watches = Watches()
        self.lessons = None if settings.memory is None else Lessons(settings.memory)
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
        known = presentation.model.labels
        if self.ruling.plain.rules:
            known = known.union(*(rules.labels for rules in self.ruling.plain.rules))
        labels = [
            # A request's own rules may make up labels without end; they are counted as one.
            entity.label if entity.label in known else OTHER_LABEL
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
        if self.lessons is not None:
            self.lessons.close()
        self._helper.shutdown()

    async def bring_up_to_date(self, model: ServedModel) -> None:
        """Let a served model learn and forget what it has to, a little at a time."""
        if self.lessons is None:
            return
        tagger = model.tagger
        async with self.lessons.lock:
            learn, forget = self.lessons.shelf(model.info.name).differences(tagger)
            works = [partial(tagger.forget, forget)] if forget else []
            works += [
                partial(tagger.teach, learn[begin : begin + EXAMPLES_AT_ONCE])
                for begin in range(0, len(learn), EXAMPLES_AT_ONCE)
            ]
            for work in works:
                await self._batcher.exclusively(work)

    def _taught(self, load: Callable[[str], Tagger]) -> Callable[[str], Tagger]:
        """What loads a model, and teaches it what its memory holds."""

        def load_taught(source: str) -> Tagger:
            tagger = load(source)
            if self.lessons is not None:
                self.lessons.teach(tagger)
            return tagger

        return load_taught

    async def tag(
        self,
        items: Sequence[Item],
        model: ServedModel,
        *,
        options: TagOptions | None = None,
        arrived: float,
        receive: Receive | None = None,
    ) -> list[Outcome]:
        """Tag documents; each outcome is a document or the error that is its own.

        Args:
            items: the documents.
            model: the model to ask.
            options: what is asked beside the entities, the server's rules included; those alone
                if None.
            arrived: when the request arrived, on the event loop's clock; the deadline counts
                from there.
            receive: of the request whose client is watched.

        Raises:
            QueueFullError: there is no room for so much.
            DeadlineError: time was up; nothing more is done for it.
            ClientGoneError: the client left; likewise.
            FieldError: the request's rules took too long.
        """
        options = options or self.ruling.plain
        size = sum(_length(item) for item in items)
        effort = effort_of(options.wanted)
        with self.admission.admit(documents=len(items), code_points=size, effort=effort):
            prepared = await self._prepare(items, model.tagger, options, size, arrived)
            turn = int(self.settings.turn_tokens / effort)
            pieces = [
                [] if isinstance(document, NerError) else cut(document, tokens=turn)
                for document in prepared
            ]
            parts = [piece for group in pieces for piece in group]
            found = await self._run(model.tagger, parts, size, arrived, receive) if parts else ()
            results = iter(found)
        outcomes: list[Outcome] = []
        for document, group in zip(prepared, pieces, strict=True):
            if isinstance(document, NerError):
                outcomes.append(document)
            else:
                outcomes.append(join(document, _sound([next(results) for _ in group])))
        if options.rules:
            outcomes = await self._apart_in_time(size, partial(_ruled, outcomes, options), arrived)
        self.metrics.count_tokens(model.info.name, sum(len(part.tokens) for part in parts))
        return outcomes

    async def apart(self, size: int, work: Callable[[], T]) -> T:
        """Do small work here and now, and large work on the helper thread."""
        if size <= SMALL:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._helper, work)

    async def _prepare(
        self,
        items: Sequence[Item],
        tagger: Tagger,
        options: TagOptions,
        size: int,
        arrived: float,
    ) -> list[PreparedDocument | NerError]:
        """Tokenise: small texts here, large ones apart and not beyond the deadline."""
        prepared = await self._apart_in_time(
            size, lambda: [_prepared(tagger, item) for item in items], arrived
        )
        wanted = options.wanted
        if wanted is None:
            return prepared
        return [
            document if isinstance(document, NerError) else replace(document, wanted=wanted)
            for document in prepared
        ]

    async def _apart_in_time(self, size: int, work: Callable[[], T], arrived: float) -> T:
        """Do large work apart and not beyond the deadline."""
        if size <= SMALL:
            return work()
        seconds = self.settings.deadline_seconds
        try:
            async with asyncio.timeout_at(arrived + seconds):
                return await self.apart(size, work)
        except TimeoutError:
            raise too_late(seconds) from None

    async def _run(
        self,
        tagger: Tagger,
        parts: Sequence[PreparedDocument],
        size: int,
        arrived: float,
        receive: Receive | None,
    ) -> list[Document | Exception]:
        if size <= TINY:
            # Alone, there is nothing to batch; but others may have arrived at the same time.
            if self._is_alone(parts) and (self.requests is None or len(self.requests) > 1):
                await asyncio.sleep(0)
            if self._is_alone(parts):
                results = self._batcher.run_here(tagger, parts)
                if results is not None:
                    return results
        job = Job(tagger, parts)
        seconds = self.settings.deadline_seconds
        deadline = arrived + seconds
        with Watch(self._watches, job.future, receive=receive, deadline=deadline, seconds=seconds):
            return await self._batcher.run(job)

    def _is_alone(self, parts: Sequence[PreparedDocument]) -> bool:
        return self.admission.documents == len(parts)


def _sound(parts: Sequence[Document | Exception]) -> list[Document]:
    for part in parts:
        if isinstance(part, Exception):
            raise part
    return [part for part in parts if isinstance(part, Document)]


def _ruled(outcomes: Sequence[Outcome], options: TagOptions) -> list[Outcome]:
    try:
        return [
            outcome if isinstance(outcome, NerError) else ruled(outcome, options.rules)
            for outcome in outcomes
        ]
    except RuleError as error:
        raise FieldError(FieldFault(error.field, error.message)) from None


def _length(item: Item) -> int:
    content = item.content
    return len(content) if isinstance(content, str) else sum(map(len, content)) + len(content)


def _prepared(tagger: Tagger, item: Item) -> PreparedDocument | NerError:
    if item.fault is not None:
        return item.fault
    try:
        if isinstance(item.content, str):
            return tagger.prepare(item.content)
        return tagger.prepare_tokens(item.content)
    except NerError as error:
        return error
