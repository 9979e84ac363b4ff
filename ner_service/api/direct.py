"""Pages whose endpoints take the request as it came, and the short way to them."""

import inspect
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

# Where FastAPI keeps what it tells OpenTelemetry of a request; absent while nobody is told.
TELEMETRY_KEY = "fastapi.telemetry"


class JSONBytes(Response):
    """JSON that is written already; made without looking for headers that are not there."""

    media_type = "application/json"

    def __init__(self, content: bytes, then: Callable[[], None]) -> None:
        """Answer 200; call `then` when the client has its answer."""
        self._then = then
        self.status_code = 200
        self.background = None
        self.body = content
        self.raw_headers = [
            (b"content-length", str(len(content)).encode()),
            (b"content-type", b"application/json"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await super().__call__(scope, receive, send)
        self._then()


class DirectRoute(APIRoute):
    """Calls its endpoint directly if that takes `request` alone.

    FastAPI would look for parameters and dependencies that are not there, parse the query and open
    a span for each of it, in about the time in which our own layers do their work.
    """

    @property
    def is_direct(self) -> bool:
        """Whether the endpoint takes the request as it came."""
        endpoint: Callable[..., Any] = self.endpoint
        takes_request = list(inspect.signature(endpoint).parameters) == ["request"]
        return takes_request and inspect.iscoroutinefunction(endpoint) and not self.dependencies

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give the endpoint itself, or FastAPI's handler around it."""
        if self.is_direct:
            endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
            return endpoint
        return super().get_route_handler()


class ShortWay:
    """ASGI middleware that finds pages of fixed paths in a table and calls their endpoints.

    The router would try one pattern after the other, and FastAPI would open four stacks of clean-up
    actions for dependencies and files, which these endpoints do not have. What is not in the table
    goes the long way, and so does everything while OpenTelemetry is told of the steps on it.
    """

    def __init__(self, app: ASGIApp, *, routes: Sequence[BaseRoute]) -> None:
        """Stand before `app`, whose routes are given."""
        self._app = app
        self._routes = {
            (method, route.path): route
            for route in routes
            if isinstance(route, DirectRoute) and route.is_direct and not route.param_convertors
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = None
        if scope["type"] == "http" and TELEMETRY_KEY not in scope:
            route = self._routes.get((scope["method"], scope["path"]))
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        response: Response = await route.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)
