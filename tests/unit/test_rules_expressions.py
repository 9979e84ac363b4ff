"""Regular expressions: what they match, and that hostile ones are refused or cut off."""

import re
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.errors import RuleError
from ner_service.rules.expressions import Expression, Expressions
from ner_service.rules.matches import Rule
from ner_service.rules.regexes import RegexCompiler
from ner_service.rules.shapes import REQUEST_LIMITS, SERVER_LIMITS, Limits
from ner_service.rules.stopwatch import Stopwatch
from tests.strategies import texts

RULE = Rule("ORDER", 1.0, None, 0)


def expressions(
    *regexes: str, limits: Limits = REQUEST_LIMITS, case_sensitive: bool = True
) -> Expressions:
    compiler = RegexCompiler(limits)
    return Expressions(
        [
            Expression.build(
                compiler, RULE, regex, field=f"regexes.{i}.regex", case_sensitive=case_sensitive
            )
            for i, regex in enumerate(regexes)
        ],
        Stopwatch(limits.seconds),
    )


def found(finder: Expressions, text: str) -> list[str]:
    return [text[match.start : match.end] for match in finder.find(text)]


@given(texts)
def test_places_are_those_of_re_in_any_script(text: str):
    finder = expressions(r"[A-Z][a-z]+", r"\.", "\U0001f600", "[אבגדהוזחטיכךלמםנןסעפףצץקרשת]+")
    expected = [
        match.span()
        for regex in ("[A-Z][a-z]+", r"\.", "\U0001f600", "[א-ת]+")
        for match in re.finditer(regex, text)
    ]
    assert [(match.start, match.end) for match in finder.find(text)] == expected


def test_case_can_be_ignored():
    assert found(expressions("ord-1", case_sensitive=False), "ORD-1 ord-1") == ["ORD-1", "ord-1"]


def test_lone_surrogates_do_not_move_places():
    assert found(expressions("b+"), "é\ud800bb") == ["bb"]


def test_matches_have_no_white_space_at_their_ends():
    finder = expressions(r"\s*Bob\s*", r"\s+")
    assert [(m.start, m.end) for m in finder.find("é \n Bob \u2029x  y")] == [(4, 7)]


def test_matches_of_nothing_within_a_text_are_left_out():
    assert found(expressions(r"\b"), "a b") == []


@pytest.mark.parametrize(
    ("regex", "message"),
    [
        ("(", "missing"),
        (r"(a)\1", "invalid escape"),
        ("(?=a)", "invalid perl operator"),
        ("(((a{100}){100}){100})", "repetition"),
        ("a*", "empty text"),
        ("a|", "empty text"),
        (".{1000}.{1000}", "at most 4000 RE2 instructions"),
        (r"\pL{1,40}\d", "at most 4000 RE2 instructions"),
        ("a\ud800", "lone surrogate"),
    ],
)
def test_broken_and_hostile_expressions_are_refused(regex: str, message: str):
    with pytest.raises(RuleError, match=message) as caught:
        expressions("fine", regex)
    assert caught.value.field == "regexes.1.regex"
    assert regex not in str(caught.value)


def test_too_many_expressions_are_refused():
    with pytest.raises(RuleError, match="at most 32 expressions"):
        expressions(*["a"] * 33)
    expressions(*["a"] * 33, limits=SERVER_LIMITS)


@pytest.mark.parametrize("regex", ["(a+)+$", "(x+x+)+y", "(a|aa)+$", "([a-zA-Z]+)*b", "(.*a){20}c"])
def test_what_blows_others_up_is_linear(regex: str):
    finder = expressions(regex)
    begin = time.process_time()
    finder.find("a" * 200_000)
    assert time.process_time() - begin < 5


def test_time_is_limited_over_all_documents():
    finder = expressions("[ab]", limits=Limits(seconds=0.2))

    def search_on_and_on() -> None:
        for _ in range(10_000):
            with finder._stopwatch:
                finder.find("ab" * 1000)

    begin = time.process_time()
    with pytest.raises(RuleError, match=r"done within 0\.2 seconds"):
        search_on_and_on()
    assert time.process_time() - begin < 5


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(RuleError, match=r"install ner-service\[rules\]"):
        expressions("a")


@given(st.lists(st.integers(0, 30), max_size=3))
def test_no_expressions_find_nothing(lengths: list[int]):
    assert expressions().find("x" * sum(lengths)) == []
