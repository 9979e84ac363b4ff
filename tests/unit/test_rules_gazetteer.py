import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.errors import RuleError
from ner_service.rules.gazetteer import MOST_TOKENS, Gazetteer, NameList
from ner_service.rules.matches import Rule
from ner_service.rules.stopwatch import Stopwatch
from ner_service.text import Tokens, tokenize
from tests.strategies import texts

RULE = Rule("TOY", 1.0, None, 0)


def gazetteer(*names: str, case_sensitive: bool = True, seconds: float | None = None) -> Gazetteer:
    return Gazetteer([NameList("names", RULE, names, case_sensitive)], Stopwatch(seconds))


def found(finder: Gazetteer, text: str) -> list[str]:
    return [text[match.start : match.end] for match in finder.find(text, tokenize(text))]


def test_names_are_whole_tokens():
    finder = gazetteer("Ann", "York", "Al")
    assert found(finder, "Ann, Anna, Annan and Al-Qaida in New York; (York) York's") == [
        "Ann", "York", "York", "York",
    ]  # fmt: skip


def test_the_longest_name_at_a_place_is_found():
    finder = gazetteer("New York", "New York Times", "New")
    assert found(finder, "New York Times of New York, New Jersey") == [
        "New York Times", "New York", "New",
    ]  # fmt: skip


def test_names_that_overlap_are_all_found():
    assert found(gazetteer("A B", "B C D"), "A B C D") == ["A B", "B C D"]


def test_any_whitespace_may_stand_within_a_name_but_no_blank_line():
    finder = gazetteer("New  York")
    text = "New\nYork, New\r\n  York, New\u00a0York but New\n \nYork"
    assert found(finder, text) == ["New\nYork", "New\r\n  York", "New\u00a0York"]


def test_case_matters_unless_told_otherwise():
    assert found(gazetteer("Yoda"), "yoda YODA Yoda") == ["Yoda"]
    finder = gazetteer("Yoda", "straße", case_sensitive=False)
    assert found(finder, "yoda YODA Yoda STRASSE Straße") == [
        "yoda", "YODA", "Yoda", "STRASSE", "Straße",
    ]  # fmt: skip


NAMES = (
    "Acme Corp.", "Acme Corp", "J. Smith", "St. Louis", "U.S.", "1. FC Union", "U.S. Steel Corp.",
    "O'Brien's", "No. 5",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "frame", ["{}", "see {} here", "see {}.", "{} said", "So {}, too", "see\n{}\n\nNext"]
)
def test_full_stops_do_not_hide_a_name(name: str, frame: str):
    (place,) = found(gazetteer(name), frame.format(name))
    assert place.rstrip(".") == name.rstrip(".")


@given(texts, st.data())
def test_any_run_of_tokens_is_found_in_its_own_text(text: str, data: st.DataObject):
    tokens = tokenize(text)
    if not tokens.texts:
        return
    first = data.draw(st.integers(0, len(tokens) - 1))
    last = data.draw(st.integers(first, min(first + 4, len(tokens) - 1)))
    name = text[tokens.starts[first] : tokens.ends[last]]
    # Apart from its text a name may have other tokens, or none that hold together.
    if "\n" in name or [t.rstrip(".") for t in tokenize(f"x {name} x").texts[1:-1]] != [
        t.rstrip(".") for t in tokens.texts[first : last + 1]
    ]:
        return
    places = [match.start for match in gazetteer(name).find(text, tokens)]
    assert tokens.starts[first] in places


@given(st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=4), min_size=1, max_size=6),
       st.lists(st.sampled_from("abc"), max_size=20))  # fmt: skip
def test_found_is_what_every_place_and_length_tried_finds(names, words):
    text, tokens = Tokens.from_words(words)
    expected = []
    for start in range(len(words)):
        lengths = [len(name) for name in names if words[start : start + len(name)] == name]
        if lengths:
            expected.append((tokens.starts[start], tokens.ends[start + max(lengths) - 1]))
    matches = gazetteer(*(" ".join(name) for name in names)).find(text, tokens)
    assert [(match.start, match.end) for match in matches] == expected


def test_of_equal_names_the_first_list_counts():
    other = Rule("PLACE", 0.5, "second", 1)
    lists = [
        NameList("a", RULE, ["Yoda"], case_sensitive=True),
        NameList("b", other, ["Yoda", "Hoth"], case_sensitive=True),
    ]
    finder = Gazetteer(lists, Stopwatch(None))
    text = "Yoda Hoth"
    assert [match.rule for match in finder.find(text, tokenize(text))] == [RULE, other]


@pytest.mark.parametrize(("name", "got"), [("", 0), (" \n", 0), ("x " * 25, 25), ("\u200b", 0)])
def test_a_name_without_tokens_or_with_too_many_is_refused(name: str, got: int):
    with pytest.raises(RuleError, match=f"names.1: .*1 to {MOST_TOKENS} tokens, got {got}"):
        gazetteer("Yoda", name)


def test_a_hostile_text_is_searched_in_linear_time():
    finder = gazetteer(*("a " * length + "b" for length in range(1, MOST_TOKENS)))
    seconds = []
    for count in (5_000, 20_000):
        text, tokens = Tokens.from_words(["a"] * count)
        begin = time.process_time()
        assert finder.find(text, tokens) == []
        seconds.append(time.process_time() - begin)
    assert seconds[1] < 16 * seconds[0] + 0.1  # quadratic would be 16 times; linear is 4


def test_time_is_limited():
    finder = gazetteer("a", seconds=-1.0)
    with pytest.raises(RuleError, match="done within"), finder._stopwatch:
        found(finder, "a a a")
