"""Regular expressions over the text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ner_service.errors import RuleError
from ner_service.rules.matches import Match, Rule
from ner_service.rules.regexes import RegexCompiler
from ner_service.rules.stopwatch import Stopwatch

_CONTINUATION = 0b10
_CONTINUATION_BITS = 6


@dataclass(frozen=True, slots=True)
class Expression:
    """One compiled expression and what is said of what it matches."""

    rule: Rule
    compiled: Any

    @classmethod
    def build(
        cls, compiler: RegexCompiler, rule: Rule, regex: str, *, field: str, case_sensitive: bool
    ) -> "Expression":
        """Compile it.

        Raises:
            RuleError: it cannot be compiled, is too large or matches the empty text.
        """
        compiled = compiler.compile(regex, field=field, case_sensitive=case_sensitive)
        if compiled.fullmatch("") is not None:
            raise RuleError(field, "expected an expression that does not match the empty text")
        return cls(rule, compiled)


class Expressions:
    """Finds what regular expressions match, wherever it stands."""

    def __init__(self, expressions: Sequence[Expression], stopwatch: Stopwatch) -> None:
        """Take compiled expressions."""
        self._expressions = expressions
        self._stopwatch = stopwatch

    def find(self, text: str) -> list[Match]:
        """All matches, in code points, without white space at their ends.

        Those of one expression do not overlap.

        Raises:
            RuleError: time is up.
        """
        if not self._expressions:
            return []
        content = text.encode("utf-8", "replace")
        spans: list[tuple[int, int]] = []
        rules: list[Rule] = []
        for expression in self._expressions:
            for match in expression.compiled.finditer(content):
                spans.append(match.span())
                rules.append(expression.rule)
                self._stopwatch.check()
            self._stopwatch.check()
        if not spans:
            return []
        places = np.array(spans, dtype=np.int64)
        if not text.isascii():
            places = _code_points_before(content)[places]
        found = []
        for (start, end), rule in zip(places.tolist(), rules, strict=True):
            surface = text[start:end]
            if stripped := surface.strip():
                begin = start + len(surface) - len(surface.lstrip())
                found.append(Match(begin, begin + len(stripped), rule))
        return found


def _code_points_before(content: bytes) -> NDArray[np.int64]:
    """(bytes + 1,) number of code points that begin before each byte."""
    begins = np.frombuffer(content, dtype=np.uint8) >> _CONTINUATION_BITS != _CONTINUATION
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(begins)])
