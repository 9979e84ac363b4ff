"""Rules meet the model's entities: who is right, what may be answered, what requests may ask."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ner_service.entities import Entity
from ner_service.errors import RuleError
from ner_service.rules import REQUEST_LIMITS, Rules, RuleSet, compile_rules
from ner_service.rules.matches import longest_first, without_overlap
from ner_service.text import tokenize

TEXT = "The New York Times met Yoda of Acme in New York"


def rules(**given: Any) -> RuleSet:
    return compile_rules(Rules.model_validate(given))


def model(surface: str, label: str, *, text: str = TEXT) -> Entity:
    start = text.index(surface)
    return Entity(surface, label, start, start + len(surface), 0.75)


def applied(rule_set: RuleSet, *entities: Entity, text: str = TEXT) -> list[tuple[str, str, str]]:
    found = rule_set.apply(text, tokenize(text), entities)
    assert all(text[e.start : e.end] == e.text for e in found)
    assert list(found) == sorted(found, key=lambda e: e.start)
    return [(e.text, e.label, e.source) for e in found]


YORK = {"label": "CITY", "names": ["New York"], "id": "ny", "score": 0.9}


def test_rules_find_labels_that_the_model_lacks():
    found = rules(gazetteers=[YORK]).apply(TEXT, tokenize(TEXT), [])
    assert found == (
        Entity("New York", "CITY", 4, 12, 0.9, "rule", "ny"),
        Entity("New York", "CITY", 39, 47, 0.9, "rule", "ny"),
    )


TIMES = ("New York Times", "ORG")


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        ("rules", [("New York", "CITY", "rule"), ("New York", "CITY", "rule")]),
        ("model", [("New York Times", "ORG", "model"), ("New York", "CITY", "rule")]),
        ("longest", [("New York Times", "ORG", "model"), ("New York", "CITY", "rule")]),
    ],
)
def test_prefer_says_who_is_right_where_they_overlap(prefer, expected):
    assert applied(rules(prefer=prefer, gazetteers=[YORK]), model(*TIMES)) == expected


@pytest.mark.parametrize(("prefer", "source"), [("rules", "rule"), ("model", "model"),
                                                ("longest", "rule")])  # fmt: skip
def test_prefer_decides_over_the_same_place_too(prefer, source):
    rule_set = rules(prefer=prefer, gazetteers=[{"label": "PER", "names": ["Yoda"]}])
    assert applied(rule_set, model("Yoda", "PER")) == [("Yoda", "PER", source)]


def test_what_no_rule_touches_stays_as_it_was():
    entity = model("Acme", "ORG")
    rule_set = rules(gazetteers=[YORK])
    assert entity in rule_set.apply(TEXT, tokenize(TEXT), [entity])
    assert rules().apply(TEXT, tokenize(TEXT), [entity]) == (entity,)


def test_of_rules_that_overlap_the_longer_wins_and_then_the_first():
    rule_set = rules(
        gazetteers=[{"label": "G", "names": ["New York", "Yoda"]}],
        patterns=[{"label": "P", "pattern": [{"IS_TITLE": True, "OP": "+"}]}],
        regexes=[{"label": "R", "regex": "Yoda"}, {"label": "R2", "regex": "Yoda of"}],
    )
    assert applied(rule_set) == [
        ("The New York Times", "P", "rule"),
        ("Yoda of", "R2", "rule"),
        ("Acme", "P", "rule"),
        ("New York", "G", "rule"),
    ]


def test_a_phrase_is_a_name():
    phrases = [{"label": "GPE", "pattern": "New York"}, {"label": "X", "pattern": "yoda"}]
    assert applied(rules(patterns=phrases)) == [("New York", "GPE", "rule")] * 2


def test_denied_texts_are_not_answered_whoever_found_them():
    rule_set = rules(
        gazetteers=[YORK],
        deny=[
            {"texts": ["new  york"], "case_sensitive": False},
            {"texts": ["Acme"], "label": "ORG"},
            {"texts": ["Yoda"], "label": "ORG"},
        ],
    )
    entities = model("Yoda", "PER"), model("Acme", "ORG")
    assert applied(rule_set, *entities) == [("Yoda", "PER", "model")]


def test_a_denied_match_does_not_push_the_model_aside():
    rule_set = rules(gazetteers=[YORK], deny=[{"texts": ["New York"], "label": "CITY"}])
    assert applied(rule_set, model(*TIMES)) == [("New York Times", "ORG", "model")]


def test_of_a_label_with_an_allow_list_only_these_texts_are_answered():
    rule_set = rules(
        allow=[{"label": "ORG", "texts": ["acme"], "case_sensitive": False},
               {"label": "ORG", "texts": ["IBM"]}],
    )  # fmt: skip
    entities = model(*TIMES), model("Yoda", "PER"), model("Acme", "ORG")
    assert applied(rule_set, *entities) == [("Yoda", "PER", "model"), ("Acme", "ORG", "model")]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"gazetteers": [{"label": "X", "file": "/etc/passwd"}]}, "gazetteers.0.file"),
        ({"gazetteers": [{"label": "X", "names": ["a"] * 20_001}]}, "gazetteers"),
        ({"gazetteers": [{"label": "X", "names": ["ok", ""]}]}, "gazetteers.0.names.1"),
        ({"patterns": [{"label": "X", "pattern": [{}]}] * 501}, "patterns"),
        ({"patterns": [{"label": "X", "pattern": [{"POS": "X"}]}]}, "patterns.0.pattern.0"),
        ({"patterns": [{"label": "X", "pattern": " "}]}, "patterns.0.pattern.0"),
        ({"regexes": [{"label": "X", "regex": "a"}] * 33}, "regexes"),
        ({"regexes": [{"label": "X", "regex": "("}]}, "regexes.0.regex"),
        ({"allow": [{"label": "X", "texts": ["a"] * 20_001}]}, "allow"),
        ({"deny": [{"texts": ["a"] * 20_001}]}, "deny"),
        (
            {"patterns": [{"label": "X", "pattern": [{"TEXT": {"REGEX": ".{300}"}}]}] * 2},
            "patterns.1.pattern.0.TEXT.REGEX",
        ),
    ],
)
def test_what_a_request_may_not_ask_is_refused_by_name(given, field):
    with pytest.raises(RuleError) as caught:
        compile_rules(Rules.model_validate(given), limits=REQUEST_LIMITS)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "given",
    [
        {"gazetteer": []},
        {"gazetteers": [{"names": ["x"]}]},
        {"gazetteers": [{"label": "no spaces", "names": []}]},
        {"gazetteers": [{"label": "X", "names": "x"}]},
        {"regexes": [{"label": "X", "regex": ""}]},
        {"regexes": [{"label": "X", "regex": "a", "score": 1.5}]},
        {"patterns": [{"label": "X", "pattern": []}]},
        {"patterns": [{"label": "X", "pattern": 3}]},
        {"prefer": "mine"},
        {"allow": [{"texts": ["x"]}]},
    ],
)
def test_what_is_no_rule_is_refused(given):
    with pytest.raises(ValidationError):
        Rules.model_validate(given)


places = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 8)).map(
        lambda place: Entity("", "", place[0], place[0] + place[1], 1.0)
    ),
    max_size=15,
)


def overlap(one: Entity, other: Entity) -> bool:
    return one.start < other.end and other.start < one.end


@given(places, places)
def test_longest_first_leaves_out_only_what_a_longer_one_covers(some, others):
    kept = longest_first(some)
    assert all(not overlap(a, b) for a in kept for b in kept if a is not b)
    for place in some:
        if place not in kept:
            assert any(
                overlap(place, k) and k.end - k.start >= place.end - place.start for k in kept
            )
    free = list(without_overlap(others, kept))
    assert free == [o for o in others if not any(overlap(o, k) for k in kept)]


def test_a_great_many_matches_are_sorted_out_quickly():
    text = "a" * 50_000
    found = rules(regexes=[{"label": "X", "regex": "a"}]).apply(text, tokenize(text), [])
    assert len(found) == 50_000
