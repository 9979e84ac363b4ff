"""Endless streams of JSON lines: one line in, one line out, in order, in bounded memory.

A stream has no body limit and no deadline of its own; each line has them. It is not read further
while its window is full of lines, or of bytes, that are in work or wait for the client to read.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial

from fastapi import Response
from starlette.types import Receive, Scope, Send

from ner_service.api.body import check_encoding, header
from ner_service.api.edge import request_info
from ner_service.api.faults import QueueFullError
from ner_service.api.lines import ROOM_TICK, Line, LineReader
from ner_service.api.models import ServedModel
from ner_service.api.parsing import Item, document_item, load_json, parse
from ner_service.api.presentation import Outcome, Presentation, document_json, error_json
from ner_service.api.problems import INTERNAL, kind_of
from ner_service.api.schemas import StreamLine
from ner_service.api.service import Service
from ner_service.errors import NerError
from ner_service.tagger import TagOptions

MEDIA_TYPE = "application/x-ndjson"
MEDIA_TYPES = (MEDIA_TYPE, "application/ndjson", "application/jsonl", "application/x-jsonlines")
# Bytes of lines in work at once, unless it is one line; answers can be many times longer.
WINDOW_BYTES = 1024 * 1024


def is_stream(scope: Scope) -> bool:
    """Say whether a request's body is JSON lines."""
    content_type = header(scope, b"content-type")
    return content_type is not None and content_type.lower().startswith(MEDIA_TYPES)


class LineStream(Response):
    """Answers while the request is still being sent."""

    def __init__(self, service: Service) -> None:
        """Keep the service that is asked."""
        super().__init__(media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._service = service
        self._window = _Window(service.settings.stream_window)
        self._held = 0
        self._request_id = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tag lines as they come and answer them in order."""
        check_encoding(scope)
        self._request_id = request_info(scope).id
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        reader = asyncio.create_task(self._read(receive))
        try:
            while (place := await self._window.first()) is not None:
                body = await place.answer
                await send({"type": "http.response.body", "body": body, "more_body": True})
                self._window.drop_first()
                self._hold(-place.size)
            await reader
            await send({"type": "http.response.body", "body": b""})
        except asyncio.CancelledError:
            if not self._window.broken:
                raise
            await reader  # raises what broke the window
        finally:
            self._window.break_off()
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            self._hold(-self._held)

    async def _read(self, receive: Receive) -> None:
        """Start a task for each line."""
        settings = self._service.settings
        reader = LineReader(
            receive,
            self._service.bodies,
            max_line=settings.max_body_bytes,
            idle_seconds=settings.stream_idle_seconds,
            patience_seconds=settings.body_timeout_seconds,
            stopping=lambda: self._service.draining,
        )
        try:
            async with contextlib.aclosing(reader.lines()) as lines:
                async for line in lines:
                    self._held += line.size
                    await self._window.put(line.size, self._answer(line))
        except BaseException:
            self._window.break_off()
            raise
        finally:
            self._window.close()

    async def _answer(self, line: Line) -> bytes:
        """Tag one line; whatever is wrong with it is its answer."""
        identifier: str | None = None
        try:
            if isinstance(line.content, NerError):
                raise line.content
            query = parse(StreamLine, load_json(line.content))
            maximum = self._service.settings.max_text_length
            item = document_item(query, place="", max_text_length=maximum)
            identifier = item.id
            options = await self._service.apart(
                len(line.content), partial(self._service.ruling.asked, query)
            )
            presentation = Presentation.of(query, self._service.models.get(query.model), options)
            outcome = await self._tag(item, presentation.model, options)
            if isinstance(outcome, NerError):
                raise outcome
            written = document_json(line.index, identifier, outcome, presentation)
            self._service.count_entities(presentation, [outcome])
        except Exception as error:
            if kind_of(error) is INTERNAL:
                logger = self._service.logger
                logger.error("failure", request_id=self._request_id, exc_info=error)
            written = error_json(line.index, identifier, error)
        return written.encode() + b"\n"

    async def _tag(self, item: Item, model: ServedModel, options: TagOptions) -> Outcome:
        """Tag one document; a full queue makes a stream wait instead of fail."""
        while True:
            try:
                now = asyncio.get_running_loop().time()
                (outcome,) = await self._service.tag([item], model, options=options, arrived=now)
            except QueueFullError:
                await asyncio.sleep(ROOM_TICK)
            else:
                return outcome

    def _hold(self, size: int) -> None:
        """Correct the number of bytes that this stream keeps in memory; less is released."""
        self._held += size
        self._service.bodies.release(-size)


@dataclass(frozen=True, slots=True)
class _Place:
    size: int
    answer: asyncio.Task[bytes]


class _Window:
    """The lines in work or done and not yet sent: a bounded number, and bounded bytes."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self._places: deque[_Place] = deque()
        self._size = 0
        self._changed = asyncio.Event()
        self._closed = False
        self.broken = False

    async def put(self, size: int, answer: Coroutine[None, None, bytes]) -> None:
        """Start the work on a line as soon as there is room for it."""
        try:
            while self._places and (
                len(self._places) >= self._lines or self._size + size > WINDOW_BYTES
            ):
                await self._wait()
        except BaseException:
            answer.close()
            raise
        self._size += size
        self._places.append(_Place(size, asyncio.create_task(answer)))
        self._changed.set()

    async def first(self) -> _Place | None:
        """Give the oldest line, None when the last one was dropped and no more come."""
        while not self._places and not self._closed:
            await self._wait()
        return self._places[0] if self._places else None

    def drop_first(self) -> None:
        """Forget the oldest line: it was sent."""
        self._size -= self._places.popleft().size
        self._changed.set()

    def close(self) -> None:
        """Say that no more lines come."""
        self._closed = True
        self._changed.set()

    def break_off(self) -> None:
        """Give up what is in work."""
        self.broken = True
        for place in self._places:
            place.answer.cancel()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
