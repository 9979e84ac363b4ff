"""Names in a text, in time linear in the text however many names there are.

A dictionary of whole names, asked only at tokens that begin one, for the lengths that names with
that first token have. An Aho-Corasick automaton (1975) over the same half a million names took
twelve seconds and twice the memory to build; the dictionary takes two and is searched as quickly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from ner_service.errors import RuleError
from ner_service.rules.matches import Match, Rule, crosses_blank_line
from ner_service.rules.stopwatch import Stopwatch
from ner_service.text.tokenizer import Tokens, tokenize

MOST_TOKENS = 24
"""Longest name; bounds the look-ups at any one token of a hostile text."""


@dataclass(frozen=True, slots=True)
class NameList:
    """Names that share a rule.

    Attributes:
        field: where they stand, for messages.
        rule: what is said of them.
        names: the names.
        case_sensitive: whether case matters.
    """

    field: str
    rule: Rule
    names: Sequence[str]
    case_sensitive: bool


class Gazetteer:
    """Finds names where they stand as whole tokens, with any whitespace between the tokens.

    The full stop that ends a token counts for nothing: the tokenizer leaves it with `Corp.` or
    takes it for the sentence's, depending on what follows.
    """

    def __init__(self, lists: Sequence[NameList], stopwatch: Stopwatch) -> None:
        """Take names; of equal ones the first counts.

        Raises:
            RuleError: a name has no token or too many of them.
        """
        self._stopwatch = stopwatch
        self._tables = []
        for case_sensitive in (True, False):
            table = _Table(fold=not case_sensitive)
            for names in lists:
                if names.case_sensitive == case_sensitive:
                    table.add(names)
            if table.names:
                self._tables.append(table)

    def find(self, text: str, tokens: Tokens) -> list[Match]:
        """The longest name that begins at each token.

        Raises:
            RuleError: time is up.
        """
        return [
            match for table in self._tables for match in table.find(text, tokens, self._stopwatch)
        ]


@dataclass(slots=True)
class _Table:
    """Names by their tokens, joined by spaces, and their lengths by their first token."""

    fold: bool
    names: dict[str, Rule] = field(default_factory=dict)
    lengths: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def add(self, names: NameList) -> None:
        plain = [" ".join(name.split()) for name in names.names]
        self._add(names, plain, before="", behind="")
        # Where the end of a text or the begin of a line changes the tokens, within a line too.
        dotted = [name if "." in name else "" for name in plain]
        if any(dotted):
            self._add(names, dotted, before="x ", behind=" x")

    def _add(self, names: NameList, plain: list[str], *, before: str, behind: str) -> None:
        optional = bool(before)
        tokens = tokenize("\n\n".join(f"{before}{name}{behind}" for name in plain))
        lines = [0, *accumulate(len(name) + len(before) + len(behind) + 2 for name in plain)]
        starts = np.array(lines[:-1], dtype=np.int64) + len(before)
        ends = starts + [len(name) for name in plain]
        firsts = np.searchsorted(tokens.starts, starts).tolist()
        lasts = np.searchsorted(tokens.starts, ends).tolist()
        words = [word.casefold() for word in tokens.texts] if self.fold else tokens.texts
        for index, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
            if not 0 < last - first <= MOST_TOKENS:
                if optional and not plain[index]:
                    continue
                raise RuleError(
                    f"{names.field}.{index}",
                    f"expected a name of 1 to {MOST_TOKENS} tokens, got {last - first}",
                )
            key = words[first:last]
            if "." in plain[index]:
                key = [_bare(word) for word in key]
                while len(key) > 1 and key[-1] == ".":
                    key.pop()
            self._enter(key, names.rule)

    def _enter(self, key: list[str], rule: Rule) -> None:
        self.names.setdefault(" ".join(key), rule)
        lengths = self.lengths.get(key[0], ())
        if len(key) not in lengths:
            lengths = tuple(sorted((*lengths, len(key)), reverse=True))
            self.lengths[key[0]] = self.lengths[f"{key[0]}."] = lengths

    def find(self, text: str, tokens: Tokens, stopwatch: Stopwatch) -> Iterator[Match]:
        words = [word.casefold() for word in tokens.texts] if self.fold else tokens.texts
        lengths, names = self.lengths, self.names.get
        for place in [index for index, word in enumerate(words) if word in lengths]:
            stopwatch.check()
            possible = lengths[words[place]]
            near = list(map(_bare, words[place : place + possible[0]]))
            for length in possible:
                rule = names(" ".join(near[:length])) if length <= len(near) else None
                if rule is None:
                    continue
                start, end = tokens.starts[place], tokens.ends[place + length - 1]
                if length == 1 or not crosses_blank_line(text, start, end):
                    yield Match(start, end, rule)
                    break


def _bare(word: str) -> str:
    return word[:-1] if word[-1] == "." and len(word) > 1 else word
