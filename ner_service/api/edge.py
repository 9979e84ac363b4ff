"""The outermost layer: request id, key, error answers, security headers, metrics and log line."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import getrandbits

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ner_service.api.auth import Guard
from ner_service.api.body import header
from ner_service.api.faults import ClientGoneError
from ner_service.api.problems import INTERNAL, MEDIA_TYPE, Problem, problem_for
from ner_service.api.service import Service

SCOPE_KEY = "ner_service.request"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
_PAGE_POLICY = b"content-security-policy"
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]
_NO_CONTENT = (_PAGE_POLICY, b"default-src 'none'; frame-ancestors 'none'")


@dataclass(slots=True)
class RequestInfo:
    """What the layers of one request tell each other.

    Attributes:
        service: which answers it.
        id: the request id, the client's if it gave a sensible one.
        arrived: when its head arrived, on the event loop's clock.
        status: of the answer; 0 until it starts.
        outcome: `ok`, or the code of the problem.
    """

    service: Service
    id: str
    arrived: float
    status: int = 0
    outcome: str = "ok"


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error in the words of one dialect."""

    status: int
    media_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


# Writes a problem in the form that the clients of one dialect expect.
ErrorStyle = Callable[[Problem, str], ErrorAnswer]


def problem_style(problem: Problem, request_id: str) -> ErrorAnswer:
    """Write a problem after RFC 9457: the form of our own pages."""
    return ErrorAnswer(problem.kind.status, MEDIA_TYPE, problem.body(request_id), problem.headers)


def request_info(scope: Scope) -> RequestInfo:
    """Give what the edge knows of a request."""
    info: RequestInfo = scope[SCOPE_KEY]
    return info


class Edge:
    """ASGI middleware around the whole application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: Service,
        guard: Guard,
        styles: Mapping[str, ErrorStyle],
    ) -> None:
        """Wrap `app`; `styles` gives the error style of the dialect below each path prefix."""
        self._app = app
        self._service = service
        self._guard = guard
        self._logger = service.logger
        self._styles = styles

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever fails is answered after the table of `problems`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.monotonic()  # the event loop's clock
        info = RequestInfo(self._service, _request_id(scope), begin)
        scope[SCOPE_KEY] = info
        send_marked = self._marking(send, info)
        try:
            self._guard.check(scope)
            await self._app(scope, receive, send_marked)
        except asyncio.CancelledError:
            info.outcome = "cancelled"
            raise
        except Exception as error:
            problem = problem_for(error)
            info.outcome = problem.kind.code
            if problem.kind is INTERNAL:
                self._logger.error("failure", request_id=info.id, exc_info=error)
            if isinstance(error, ClientGoneError):
                info.status = problem.kind.status
            elif info.status:
                raise  # the answer has begun: only the connection can tell
            else:
                await self._answer(problem, info, scope, send_marked)
        finally:
            self._record(scope, info, time.monotonic() - begin)

    def _marking(self, send: Send, info: RequestInfo) -> Send:
        """Wrap `send` so that every answer carries the request id and the security headers."""

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                info.status = message["status"]
                own = message.get("headers", ())
                headers = [*own, *_HEADERS, (b"x-request-id", info.id.encode())]
                if self._service.draining:
                    headers.append((b"connection", b"close"))
                if _PAGE_POLICY not in [name for name, _ in own]:
                    headers.append(_NO_CONTENT)
                message["headers"] = headers
            await send(message)

        return send_marked

    async def _answer(self, problem: Problem, info: RequestInfo, scope: Scope, send: Send) -> None:
        style: ErrorStyle = problem_style
        for prefix, candidate in self._styles.items():
            if scope["path"].startswith(prefix):
                style = candidate
        answer = style(problem, info.id)
        headers = [
            (b"content-type", answer.media_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            *((name.lower().encode(), value.encode()) for name, value in answer.headers),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _record(self, scope: Scope, info: RequestInfo, seconds: float) -> None:
        # The pattern, not the path: a path may hold anything.
        route = getattr(scope.get("route"), "path", "(none)")
        self._service.metrics.count_request(route, info.outcome, seconds)
        self._service.request_log.write(
            request_id=info.id,
            method=scope["method"] if len(scope["method"]) < 10 else "(other)",
            route=route,
            status=info.status,
            outcome=info.outcome,
            milliseconds=round(seconds * 1000, 3),
        )


def is_request_id(given: str) -> bool:
    """Say whether a request id that a client gave is short and plain enough to be used."""
    return _REQUEST_ID.match(given) is not None


def _request_id(scope: Scope) -> str:
    given = header(scope, b"x-request-id")
    if given is not None and is_request_id(given):
        return given
    # To tell requests apart, not to keep a secret: those of the system are slow to get.
    return f"{getrandbits(128):032x}"
