"""A limit on the time that rules may take, for rules from whoever may send a request."""

import math
import time

from ner_service.errors import RuleError


class Stopwatch:
    """Counts the time of one set of rules over all the documents it is applied to."""

    def __init__(self, seconds: float | None) -> None:
        """Allow that many seconds; any number if None."""
        self._seconds = seconds
        self._left = math.inf if seconds is None else seconds
        self._ends = math.inf

    def __enter__(self) -> None:
        """Begin with a document."""
        self._ends = time.perf_counter() + self._left

    def __exit__(self, *_: object) -> None:
        """End with a document."""
        self._left = self._ends - time.perf_counter()

    def check(self) -> None:
        """Let rules ask whether they may go on.

        Raises:
            RuleError: time is up.
        """
        if time.perf_counter() > self._ends:
            raise RuleError("rules", f"expected to be done within {self._seconds} seconds")
