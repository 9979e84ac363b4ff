"""What a token pattern can ask of one token: a subset of the attributes of spaCy's Matcher.

https://spacy.io/api/matcher describes them. Each is a function of the token's text alone, so its
answer is remembered by word.
"""

import operator
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from ner_service.errors import RuleError
from ner_service.rules.regexes import RegexCompiler

Predicate = Callable[[str], bool]

# Of each test: there may be thousands of tests, and they last as long as the server.
_MOST_REMEMBERED = 2_000
_SHAPE_RUN = 4
_LONGEST_SHAPE = 100

_FLAGS: dict[str, Predicate] = {
    "IS_ALPHA": str.isalpha,
    "IS_ASCII": str.isascii,
    "IS_DIGIT": str.isdigit,
    "IS_LOWER": str.islower,
    "IS_UPPER": str.isupper,
    "IS_TITLE": str.istitle,
    "IS_PUNCT": lambda word: all(unicodedata.category(sign)[0] == "P" for sign in word),
}
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def word_shape(word: str) -> str:
    """The shape of a word as spaCy writes it: `Xxxxx` for any long capitalised word."""
    if len(word) >= _LONGEST_SHAPE:
        return "LONG"
    shape = ""
    for sign in word:
        kind = sign
        if sign.isalpha():
            kind = "X" if sign.isupper() else "x"
        elif sign.isdigit():
            kind = "d"
        if shape[-_SHAPE_RUN:] != kind * _SHAPE_RUN:
            shape += kind
    return shape


_TEXTS: dict[str, Callable[[str], str]] = {
    "ORTH": str,
    "TEXT": str,
    "LOWER": str.lower,
    "SHAPE": word_shape,
}
SUPPORTED = (*_TEXTS, "LENGTH", *_FLAGS)


class TokenTest:
    """Whether a word is what one entry of a token pattern describes.

    Attributes:
        words: in lower case, words of which one must stand there; None if it may be any.
    """

    def __init__(
        self, description: Mapping[str, Any], compiler: RegexCompiler, *, field: str
    ) -> None:
        """Read the description, without its `OP`.

        Raises:
            RuleError: it asks for something that is not supported.
        """
        self._compiler = compiler
        self.words: frozenset[str] | None = None
        self._predicates: list[Predicate] = []
        self._remembered: dict[str, bool] = {}
        for name, value in description.items():
            self._add(name.upper(), value, f"{field}.{name}")

    def __call__(self, word: str) -> bool:
        """Test a word."""
        known = self._remembered.get(word)
        if known is None:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            known = all(predicate(word) for predicate in self._predicates)
            self._remembered[word] = known
        return known

    def _add(self, name: str, value: Any, field: str) -> None:
        if name in _FLAGS:
            if not isinstance(value, bool):
                raise RuleError(field, "expected true or false")
            flag = _FLAGS[name]
            self._predicates.append(flag if value else lambda word: not flag(word))
        elif name == "LENGTH":
            self._predicates.append(_length_test(value, field))
        elif name in _TEXTS:
            self._add_text(name, value, field)
        else:
            raise RuleError(
                field.rpartition(".")[0],
                f"{name} is not supported; supported are OP, {', '.join(SUPPORTED)}",
            )

    def _add_text(self, name: str, value: Any, field: str) -> None:
        of = _TEXTS[name]
        tests = value if isinstance(value, dict) else {"IN": [value]}
        for kind, wanted in tests.items():
            if kind == "REGEX" and isinstance(wanted, str):
                expression = self._compiler.compile(wanted, field=f"{field}.REGEX")
                self._predicates.append(_search(expression, of))
            elif kind in ("IN", "NOT_IN") and _are_texts(wanted):
                self._add_choice(name, of, frozenset(wanted), negated=kind == "NOT_IN")
            else:
                raise RuleError(field, "expected a text, or an object of REGEX, IN or NOT_IN")

    def _add_choice(
        self, name: str, of: Callable[[str], str], choice: frozenset[str], *, negated: bool
    ) -> None:
        if negated:
            self._predicates.append(lambda word: of(word) not in choice)
            return
        self._predicates.append(lambda word: of(word) in choice)
        if name != "SHAPE":
            words = frozenset(word.lower() for word in choice)
            self.words = words if self.words is None else self.words & words


def _search(expression: Any, of: Callable[[str], str]) -> Predicate:
    def found(word: str) -> bool:
        return expression.search(of(word).encode("utf-8", "replace")) is not None

    return found


def _length_test(value: Any, field: str) -> Predicate:
    wanted = value if isinstance(value, dict) else {"==": value}
    tests = []
    for sign, length in wanted.items():
        if sign not in _COMPARISONS or not isinstance(length, int) or isinstance(length, bool):
            raise RuleError(field, f"expected a number, or numbers by {', '.join(_COMPARISONS)}")
        tests.append((_COMPARISONS[sign], length))
    return lambda word: all(compare(len(word), length) for compare, length in tests)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
