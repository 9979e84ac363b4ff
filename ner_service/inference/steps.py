"""Work in steps: what takes long is given out, and its result taken in.

A server does the steps between on its event loop and lets the network run on a thread beside it.
Two threads that both run Python would spend their time waiting for each other.
"""

from collections.abc import Callable, Generator
from typing import Any, TypeVar

Work = Callable[[], Any]
T = TypeVar("T")
Steps = Generator[Work, Any, T]
"""Yields what is to be done anywhere, once, and wants the result sent; returns what comes of it."""


def finish(steps: Steps[T]) -> T:
    """Do all of it here and now."""
    result: Any = None
    while True:
        try:
            work = steps.send(result)
        except StopIteration as end:
            outcome: T = end.value
            return outcome
        result = work()
