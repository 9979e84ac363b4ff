"""Token patterns of spaCy's EntityRuler, found in one pass over the tokens.

A pattern is a small automaton whose threads all run at once (Thompson 1968; with the start of each
thread kept, Pike's sam), so no text and no pattern makes it try the same tokens again and again.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ner_service.errors import RuleError
from ner_service.rules.attributes import Predicate, TokenTest
from ner_service.rules.matches import Match, Rule, crosses_blank_line
from ner_service.rules.regexes import RegexCompiler
from ner_service.rules.stopwatch import Stopwatch
from ner_service.text.tokenizer import Tokens

MOST_STEPS = 64
_TIMES = re.compile(r"\{(\d{0,3})(,?)(\d{0,3})\}")


@dataclass(frozen=True, slots=True)
class _Step:
    """Tokens that pass a test: one of them, or as many as the two permissions give."""

    test: Predicate
    may_skip: bool = False
    may_repeat: bool = False


class TokenPattern:
    """One pattern: states are its steps, and the number of steps for the end.

    Attributes:
        words: in lower case, words of which a text must have one; None if nothing is certain.
    """

    def __init__(
        self,
        rule: Rule,
        descriptions: Sequence[dict[str, Any]],
        compiler: RegexCompiler,
        *,
        field: str,
    ) -> None:
        """Read a pattern as the EntityRuler writes it.

        Raises:
            RuleError: it asks for what is not supported, is too long, or matches no token at all.
        """
        self.rule = rule
        self.words: frozenset[str] | None = None
        steps: list[_Step] = []
        for index, description in enumerate(descriptions):
            place = f"{field}.{index}"
            attributes = {name: v for name, v in description.items() if name.upper() != "OP"}
            repetition = next((v for name, v in description.items() if name.upper() == "OP"), "1")
            test = TokenTest(attributes, compiler, field=place)
            added = _steps(test, repetition, place)
            if self.words is None and repetition != "!" and added and not added[0].may_skip:
                self.words = test.words
            steps += added
        if len(steps) > MOST_STEPS:
            raise RuleError(field, f"expected at most {MOST_STEPS} tokens, got {len(steps)}")
        self._steps = steps
        self._end = len(steps)
        self._open = self._reachable(0)
        if self._end in self._open:
            raise RuleError(field, "expected a pattern of at least one token")
        self._after = [
            {*self._reachable(state + 1), *([state] if step.may_repeat else [])}
            for state, step in enumerate(steps)
        ]

    def find(self, text: str, tokens: Tokens, stopwatch: Stopwatch) -> Iterator[Match]:
        """Leftmost longest matches, which do not overlap.

        Raises:
            RuleError: time is up.
        """
        words = tokens.texts
        opening = [self._steps[state].test for state in self._open]
        starts = [i for i, word in enumerate(words) if any(test(word) for test in opening)]
        for first, behind in self._runs(words, starts, stopwatch):
            start, end = tokens.starts[first], tokens.ends[behind - 1]
            if not crosses_blank_line(text, start, end):
                yield Match(start, end, self.rule)

    def _runs(
        self, words: list[str], starts: list[int], stopwatch: Stopwatch
    ) -> Iterator[tuple[int, int]]:
        position = 0
        threads: dict[int, int] = {}  # state -> where the thread began
        best: tuple[int, int] | None = None
        while True:
            stopwatch.check()
            if not threads or position == len(words):
                if best is not None:
                    yield best
                    position, best = best[1], None
                threads = {}
                upcoming = bisect_left(starts, position)
                if upcoming == len(starts):
                    return
                position = starts[upcoming]
            if best is None and any(self._steps[s].test(words[position]) for s in self._open):
                for state in self._open:
                    threads.setdefault(state, position)
            threads = self._advanced(threads, words[position])
            position += 1
            begin = threads.pop(self._end, None)
            if begin is not None and (best is None or begin <= best[0]):
                best = begin, position
            if best is not None:  # what began later cannot win any more
                threads = {state: begin for state, begin in threads.items() if begin <= best[0]}

    def _advanced(self, threads: dict[int, int], word: str) -> dict[int, int]:
        following: dict[int, int] = {}
        for state, begin in threads.items():
            if self._steps[state].test(word):
                for target in self._after[state]:
                    following[target] = min(begin, following.get(target, begin))
        return following

    def _reachable(self, state: int) -> list[int]:
        """This state and those that can be skipped to."""
        states = [state]
        while state < self._end and self._steps[state].may_skip:
            state += 1
            states.append(state)
        return states


class TokenPatterns:
    """Many patterns; those with a word that a text lacks are not tried."""

    def __init__(self, patterns: Sequence[TokenPattern], stopwatch: Stopwatch) -> None:
        """Sort the patterns by the words they need."""
        self._stopwatch = stopwatch
        self._always = [pattern for pattern in patterns if pattern.words is None]
        self._by_word: dict[str, list[TokenPattern]] = {}
        for pattern in patterns:
            for word in pattern.words or ():
                self._by_word.setdefault(word, []).append(pattern)

    def find(self, text: str, tokens: Tokens) -> list[Match]:
        """The matches of every pattern.

        Raises:
            RuleError: time is up.
        """
        tried = dict.fromkeys(self._always)
        if self._by_word:
            for word in dict.fromkeys(word.lower() for word in dict.fromkeys(tokens.texts)):
                tried.update(dict.fromkeys(self._by_word.get(word, ())))
        return [match for pattern in tried for match in pattern.find(text, tokens, self._stopwatch)]


def _steps(test: TokenTest, repetition: Any, field: str) -> list[_Step]:
    once, maybe, more = _Step(test), _Step(test, may_skip=True), _Step(test, may_repeat=True)
    simple = {
        "1": [once],
        "!": [_Step(lambda word: not test(word))],
        "?": [maybe],
        "+": [more],
        "*": [_Step(test, may_skip=True, may_repeat=True)],
    }
    if repetition in simple:
        return simple[repetition]
    times = _TIMES.fullmatch(repetition) if isinstance(repetition, str) else None
    if times is None or not (times[1] or times[3]) or (not times[2] and times[3]):
        raise RuleError(field, "OP: expected !, ?, +, *, {n}, {n,m}, {n,} or {,m}")
    least = int(times[1] or 0)
    if not times[2]:
        return [once] * least
    if not times[3]:
        return [*[once] * (least - 1), more] if least else simple["*"]
    if int(times[3]) < least:
        raise RuleError(field, "OP: expected {n,m} with n of at most m")
    return [*[once] * least, *[maybe] * (int(times[3]) - least)]
