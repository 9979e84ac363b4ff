"""Routes whose endpoints take the request as it came."""

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute


class DirectRoute(APIRoute):
    """Calls its endpoint directly if that takes `request` alone.

    FastAPI would look for parameters and dependencies that are not there, parse the query and open
    a span for each of it, in about the time in which our own layers do their work.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give the endpoint itself, or FastAPI's handler around it."""
        endpoint: Callable[..., Any] = self.endpoint
        takes_request = list(inspect.signature(endpoint).parameters) == ["request"]
        if takes_request and inspect.iscoroutinefunction(endpoint) and not self.dependencies:
            return endpoint
        return super().get_route_handler()
