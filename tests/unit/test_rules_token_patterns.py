"""Token patterns of the EntityRuler, against a matcher that tries everything."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_service.errors import RuleError
from ner_service.rules.attributes import SUPPORTED, TokenTest, word_shape
from ner_service.rules.matches import Rule
from ner_service.rules.regexes import RegexCompiler
from ner_service.rules.shapes import REQUEST_LIMITS
from ner_service.rules.stopwatch import Stopwatch
from ner_service.rules.token_patterns import TokenPattern, TokenPatterns
from ner_service.text import Tokens, tokenize

RULE = Rule("ORG", 1.0, None, 0)
FOREVER = Stopwatch(None)


def pattern(*descriptions: dict[str, Any]) -> TokenPattern:
    return TokenPattern(
        RULE, descriptions, RegexCompiler(REQUEST_LIMITS), field="patterns.0.pattern"
    )


def found(text: str, *descriptions: dict[str, Any]) -> list[str]:
    matches = pattern(*descriptions).find(text, tokenize(text), FOREVER)
    return [text[match.start : match.end] for match in matches]


def passes(word: str, **description: Any) -> bool:
    return TokenTest(description, RegexCompiler(REQUEST_LIMITS), field="p")(word)


@pytest.mark.parametrize(
    ("description", "right", "wrong"),
    [
        ({"ORTH": "Acme"}, "Acme", "acme"),
        ({"text": "Acme"}, "Acme", "acme"),
        ({"LOWER": "acme"}, "ACME", "acmes"),
        ({"TEXT": {"IN": ["Inc", "Ltd"]}}, "Ltd", "ltd"),
        ({"LOWER": {"NOT_IN": ["inc"]}}, "Ltd", "INC"),
        ({"TEXT": {"REGEX": "^[A-Z]{2}\\d$"}}, "AB1", "AB12"),
        ({"LOWER": {"REGEX": "corp"}}, "MegaCorp", "MegaCo"),
        ({"LENGTH": 3}, "abc", "ab"),
        ({"LENGTH": {">=": 3, "<": 5}}, "abcd", "abcde"),
        ({"LENGTH": {"!=": 3}}, "ab", "abc"),
        ({"SHAPE": "Xxxxx-d"}, "Boeing-7", "boeing-7"),
        ({"SHAPE": {"IN": ["dd", "ddd"]}}, "42", "4"),
        ({"IS_TITLE": True}, "Acme", "ACME"),
        ({"IS_UPPER": True}, "ACME", "Acme"),
        ({"IS_LOWER": True}, "acme", "Acme"),
        ({"IS_DIGIT": True}, "42", "4.2"),
        ({"IS_DIGIT": False}, "4.2", "42"),
        ({"IS_ALPHA": True}, "Zoë", "Zo3"),
        ({"IS_ASCII": True}, "Zoe", "Zoë"),
        ({"IS_PUNCT": True}, "...", "$"),
        ({"IS_TITLE": True, "LENGTH": 2}, "Al", "Ann"),
        ({}, "anything", None),
    ],
)
def test_attributes_say_what_they_say_in_spacy(description, right, wrong):
    assert passes(right, **description)
    assert wrong is None or not passes(wrong, **description)


@pytest.mark.parametrize(
    ("word", "shape"),
    [("Apple", "Xxxxx"), ("C3PO", "XdXX"), ("internationally", "xxxx"), ("ﬁ-1", "x-d"),
     ("中文", "xx"), ("x" * 100, "LONG"), ("+++++", "++++")],
)  # fmt: skip
def test_shapes_are_spacys(word: str, shape: str):
    assert word_shape(word) == shape


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"POS": "PROPN"}, "POS is not supported; supported are OP, ORTH"),
        ({"LEMMA": "be"}, "LEMMA is not supported"),
        ({"ENT_TYPE": "ORG"}, "ENT_TYPE is not supported"),
        ({"IS_STOP": True}, "IS_STOP is not supported"),
        ({"IS_TITLE": "yes"}, "true or false"),
        ({"LENGTH": "3"}, "a number"),
        ({"LENGTH": {"=>": 3}}, "a number"),
        ({"LENGTH": True}, "a number"),
        ({"LOWER": 3}, "a text"),
        ({"LOWER": {"FUZZY": "acme"}}, "REGEX, IN or NOT_IN"),
        ({"LOWER": {"IN": "acme"}}, "REGEX, IN or NOT_IN"),
        ({"TEXT": {"REGEX": "("}}, "RE2 refuses it"),
        ({"OP": "**"}, "OP: expected"),
        ({"OP": "{}"}, "OP: expected"),
        ({"OP": "{,}"}, "OP: expected"),
        ({"OP": "{3,2}"}, "n of at most m"),
        ({"OP": 1}, "OP: expected"),
        ({"OP": "{65}"}, "at most 64 tokens"),
        ({"OP": "?"}, "at least one token"),
        ({"OP": "{0}"}, "at least one token"),
    ],
)
def test_what_is_not_supported_is_named(description, message):
    with pytest.raises(RuleError, match=message) as caught:
        pattern(description)
    assert caught.value.field.startswith("patterns.0.pattern")


def test_supported_attributes_are_few_and_known():
    assert SUPPORTED == (
        "ORTH", "TEXT", "LOWER", "SHAPE", "LENGTH", "IS_ALPHA", "IS_ASCII", "IS_DIGIT", "IS_LOWER",
        "IS_UPPER", "IS_TITLE", "IS_PUNCT",
    )  # fmt: skip


def test_patterns_find_runs_of_tokens():
    text = "Big Bad Acme Inc beat San Francisco and Acme Ltd , Inc"
    title, legal = {"IS_TITLE": True, "OP": "+"}, {"LOWER": {"IN": ["inc", "ltd"]}}
    assert found(text, title, legal) == ["Big Bad Acme Inc", "Acme Ltd"]
    assert found(text, {"LOWER": "san"}, {"LOWER": "francisco"}) == ["San Francisco"]
    assert found(text, {"TEXT": "Acme"}, {"TEXT": "Ltd", "OP": "!"}) == ["Acme Inc"]
    assert found(text, {"TEXT": "Acme"}, {"op": "?", "TEXT": "Ltd"}) == ["Acme", "Acme Ltd"]


def test_no_match_runs_over_a_blank_line():
    assert found("Big Bad\n\nWolf", {"IS_TITLE": True, "OP": "+"}) == []
    assert found("Big Bad\nWolf", {"IS_TITLE": True, "OP": "+"}) == ["Big Bad\nWolf"]


OPERATORS = ("1", "?", "*", "+", "!", "{2}", "{1,2}", "{2,}", "{,2}", "{0,}", "{1,}")
steps = st.lists(
    st.tuples(st.sampled_from(["a", "b", "ab", ""]), st.sampled_from(OPERATORS)),
    min_size=1,
    max_size=4,
)
REPEATS = {"1": (1, 1), "?": (0, 1), "*": (0, 99), "+": (1, 99), "{2}": (2, 2), "{1,2}": (1, 2),
           "{2,}": (2, 99), "{,2}": (0, 2), "{0,}": (0, 99), "{1,}": (1, 99)}  # fmt: skip


def ends(words: Sequence[str], start: int, rest: Sequence[tuple[str, str]]) -> set[int]:
    """Where a match that begins at `start` may end, by trying everything."""
    if not rest:
        return {start}
    (choice, operator), *behind = rest

    def fits(word: str) -> bool:
        return not choice or word in choice

    if operator == "!":
        good = start < len(words) and not fits(words[start])
        return ends(words, start + 1, behind) if good else set()
    least, most = REPEATS[operator]
    result: set[int] = set()
    for count in range(min(most, len(words) - start) + 1):
        if count and not fits(words[start + count - 1]):
            break
        if count >= least:
            result |= ends(words, start + count, behind)
    return result


@given(st.lists(st.sampled_from("abc"), max_size=12), steps)
@settings(max_examples=300)
def test_matches_are_the_leftmost_longest_of_all(words, steps):
    if 0 in ends([], 0, steps):
        return  # matches nothing: refused, see above
    expected, position = [], 0
    while position < len(words):
        possible = ends(words, position, steps)
        if possible:
            expected.append((position, max(possible)))
        position = max(possible, default=position + 1)
    descriptions = [
        {"OP": operator, **({"TEXT": {"IN": list(choice)}} if choice else {})}
        for choice, operator in steps
    ]
    text, tokens = Tokens.from_words(words)
    matches = pattern(*descriptions).find(text, tokens, FOREVER)
    places = [(tokens.starts[a], tokens.ends[b - 1]) for a, b in expected]
    assert [(match.start, match.end) for match in matches] == places


def test_a_pattern_is_tried_only_where_its_words_are():
    some = [
        pattern({"LOWER": "acme"}, {"IS_TITLE": True}),
        pattern({"IS_TITLE": True, "OP": "*"}, {"LOWER": {"IN": ["inc", "ltd"]}}),
        pattern({"LOWER": "a", "OP": "?"}, {"IS_DIGIT": True}),
        pattern({"LOWER": "a", "TEXT": "b"}),
    ]
    assert [p.words for p in some] == [{"acme"}, {"inc", "ltd"}, None, frozenset()]
    text = "ACME Corp and Big Ltd 42"
    matches = TokenPatterns(some, FOREVER).find(text, tokenize(text))
    assert sorted(text[m.start : m.end] for m in matches) == ["42", "ACME Corp", "Big Ltd"]


@pytest.mark.parametrize("end", ["b", "c"])
def test_a_hostile_pattern_takes_linear_time(end: str):
    finder = pattern(*[{"OP": "*"}] * 4, {"TEXT": end})
    seconds = []
    for count in (1_000, 4_000):
        text, tokens = Tokens.from_words([*["a"] * count, "b"])
        begin = time.process_time()
        assert len(list(finder.find(text, tokens, FOREVER))) == (end == "b")
        seconds.append(time.process_time() - begin)
    assert seconds[1] < 10 * seconds[0] + 0.1


def test_time_is_limited():
    finder = pattern({"OP": "+"})
    stopwatch = Stopwatch(-1.0)
    text, tokens = Tokens.from_words(["a"] * 10)
    with pytest.raises(RuleError, match="done within"), stopwatch:
        list(finder.find(text, tokens, stopwatch))
