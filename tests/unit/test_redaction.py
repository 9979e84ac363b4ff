"""Redaction and restoring: what goes, what stays, and that everything comes back."""

import random
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_service.entities import Entity
from ner_service.errors import ConfigError
from ner_service.redaction.redacting import redact
from ner_service.redaction.restoring import restore
from ner_service.tagger import Document
from ner_service.text import tokenize
from tests.strategies import texts

KEY = b"sixteen bytes at least"
NAMES = {
    "PER": ("John", "John Smith", "Smith", "Ann", "O'Brien", "Zoë", "عمر", "J. Doe", "\u263a Joe"),
    "ORG": ("Acme Corp.", "Ann & Sons", "IBM", "PER", "TEXT", "北京 Ltd"),
    "LOC": ("New\nYork", "York", "U.S.", "Saint-Denis", "São Paulo"),
}  # fmt: skip
FILLERS = (
    "met", "in", ",", ".", "\n", "\r\n", "Johnson", "Annabel", "[PER_1]", "[PER_2]", "[LOC]",
    "[PERSON_7]", "［per 3］", "[ LOC_1 ]", "[TEXT_1]", "[[", "]", "[John_1]",
    "[PER:0123456789abcdef]",
    "_John_", "\u0301", "1", "é", "\U0001f468\u200d\U0001f469",
)  # fmt: skip


def document_of(text: str, *found: tuple[str, str]) -> Document:
    """A document in which the first place of each surface was found."""
    entities = []
    for surface, label in found:
        start = text.index(surface)
        entities.append(Entity(surface, label, start, start + len(surface), 0.9))
    return with_entities(text, entities)


def with_entities(text: str, entities: list[Entity]) -> Document:
    tokens = tokenize(text)
    ordered = tuple(sorted(entities, key=lambda entity: entity.start))
    return Document(text, ordered, tokens, np.zeros(len(tokens), dtype=np.int64))


def random_document(generator: random.Random) -> Document:
    """Names, some of them found, among placeholders and whatever resembles them."""
    text, entities = "", []
    for _ in range(generator.randint(0, 30)):
        if generator.random() < 0.5:
            label = generator.choice(list(NAMES))
            surface = generator.choice(NAMES[label])
            if generator.random() < 0.6:
                entities.append(Entity(surface, label, len(text), len(text) + len(surface), 0.5))
            text += surface
        else:
            text += generator.choice(FILLERS)
        text += generator.choice((" ", " ", " ", ""))
    return with_entities(text, entities)


def has_word(text: str, surface: str) -> bool:
    """Whether the surface stands there with no letter, digit or mark going on at either end."""
    before = r"(?<![^\W_]|\u0301)" if surface[0].isalnum() else ""
    behind = r"(?![^\W_]|\u0301)" if surface[-1].isalnum() else ""
    return re.search(before + re.escape(surface) + behind, text) is not None


LITERAL = re.compile(r"\[[A-Z]+_\d+\]|\[(LOC|ORG|PER|TEXT)(:[0-9a-f]{16})?\]")


@pytest.mark.parametrize("with_session", [False, True])
def test_a_thousand_documents_come_back_exactly_and_keep_no_name(with_session: bool):
    generator = random.Random(7)
    session: dict[str, str] = {}
    kept = []
    for _ in range(1000):
        document = random_document(generator)
        redacted = redact(document, session=session if with_session else None)
        kept.append((document, redacted))
        session = redacted.mapping
        remaining = re.split("|".join(map(re.escape, [*redacted.counts, "\0"])), redacted.text)
        # What stands in a placeholder that was there before is no name.
        remaining = [LITERAL.sub(" ", part) for part in remaining]
        hidden = [(m.start(), m.end()) for m in LITERAL.finditer(document.text)]
        for entity in document.entities:
            if not any(a <= entity.start and entity.end <= b for a, b in hidden):
                marked = [part for part in remaining if has_word(part, entity.text)]
                assert marked == [], (document.text, redacted.text, entity)
    for document, redacted in kept:
        mapping = session if with_session else redacted.mapping
        restored = restore(redacted.text, mapping, counts=redacted.counts)
        assert restored == type(restored)(document.text, (), ())


@given(texts, st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=6))
@settings(max_examples=200)
def test_any_spans_of_any_text_come_back_exactly(text: str, spans: list[tuple[int, int]]):
    entities, position = [], 0
    for gap, length in spans:
        start, end = position + gap, min(position + gap + length, len(text))
        if start < end:
            entities.append(Entity(text[start:end], "PER", start, end, 0.5))
        position = start + length
    redacted = redact(with_entities(text, entities))
    assert restore(redacted.text, redacted.mapping, counts=redacted.counts).text == text
    for mark in redacted.entities:
        assert redacted.text[mark.replacement_start : mark.replacement_end] == mark.replacement


def test_text_between_names_is_the_same():
    document = document_of(" John\tmet  Ann .\r\n", ("John", "PER"), ("Ann", "PER"))
    assert redact(document).text == " [PER_1]\tmet  [PER_2] .\r\n"


def test_modes_differ_in_what_stands_there():
    document = document_of("John met IBM", ("John", "PER"), ("IBM", "ORG"))
    assert redact(document, mode="replace").text == "[PER] met [ORG]"
    assert redact(document, mode="mask").text == "**** met ***"
    hashed = redact(document, mode="hash", key=KEY).text
    assert re.fullmatch(r"\[PER:[0-9a-f]{16}\] met \[ORG:[0-9a-f]{16}\]", hashed)
    for mode in ("replace", "mask"):
        assert redact(document, mode=mode).mapping == redact(document, mode=mode).counts == {}


def test_hashes_are_equal_for_equal_names_under_one_key_only():
    one = document_of("John", ("John", "PER"))
    other = document_of("it was John", ("John", "PER"))
    first, second = (redact(d, mode="hash", key=KEY).entities[0].replacement for d in (one, other))
    assert first == second
    assert redact(one, mode="hash", key=KEY + b"!").text != first
    assert (
        redact(document_of("John", ("John", "ORG")), mode="hash", key=KEY).text[-18:]
        != (first[-18:])
    )


@pytest.mark.parametrize("key", [None, b"", b"fifteen bytes.."])
def test_hash_needs_a_key(key: bytes | None):
    with pytest.raises(ConfigError, match="at least 16 bytes"):
        redact(document_of("John", ("John", "PER")), mode="hash", key=key)


def test_equal_name_and_label_give_one_placeholder():
    text = "John and Ann and John"
    entities = [
        Entity("John", "PER", 0, 4, 0.9),
        Entity("Ann", "PER", 9, 12, 0.9),
        Entity("John", "ORG", 17, 21, 0.9),
    ]
    redacted = redact(with_entities(text, entities))
    assert redacted.text == "[PER_1] and [PER_2] and [ORG_1]"
    assert redacted.mapping == {"[PER_1]": "John", "[PER_2]": "Ann", "[ORG_1]": "John"}


def test_a_name_that_was_found_once_goes_everywhere():
    redacted = redact(document_of("Ann, Annabel and Ann's son", ("Ann", "PER")))
    assert redacted.text == "[PER_1], Annabel and [PER_1]'s son"
    assert [mark.score for mark in redacted.entities] == [0.9, None]
    assert redacted.counts == {"[PER_1]": 2}


def test_the_longer_name_is_repeated_first():
    text = "John and John Smith; then John Smith and John."
    redacted = redact(document_of(text, ("John", "PER"), ("John Smith", "PER")))
    assert redacted.text == "[PER_1] and [PER_2]; then [PER_2] and [PER_1]."


@pytest.mark.parametrize("mode", ["replace", "mask", "hash", "pseudonym"])
def test_placeholders_in_the_text_survive(mode):
    text = "[PER_1] and [PER] and [PERSON_3] and [PER:0123456789abcdef] saw Bob"
    entities = [
        Entity("Bob", "PER", len(text) - 3, len(text), 0.9),
        Entity("PER_1", "ORG", 1, 6, 0.4),
        Entity("PER", "ORG", 13, 16, 0.4),
        Entity("PERSON_3", "ORG", 23, 31, 0.4),
    ]
    redacted = redact(with_entities(text, entities), mode=mode, key=KEY)
    assert redacted.text.startswith(text[:-3])
    assert "Bob" not in redacted.text
    assert len(redacted.entities) == 1


def test_a_bracketed_name_is_no_placeholder():
    document = document_of("[PARIS] and [Paris 2]", ("PARIS", "LOC"), ("Paris", "LOC"))
    assert redact(document).text == "[[LOC_1]] and [[LOC_2] 2]"


def test_numbers_in_the_text_are_not_given_to_names():
    document = document_of("[PER_1] [per 2] ［PER_3］ [PER_5] met Ann", ("Ann", "PER"))
    assert redact(document).mapping == {"[PER_4]": "Ann"}


def test_a_session_keeps_names_and_their_numbers():
    first = redact(document_of("Ann met Bob", ("Ann", "PER"), ("Bob", "PER")))
    second = redact(
        document_of("Eve met Ann", ("Ann", "PER"), ("Eve", "PER")), session=first.mapping
    )
    assert second.text == "[PER_3] met [PER_1]"
    assert second.mapping == {"[PER_1]": "Ann", "[PER_2]": "Bob", "[PER_3]": "Eve"}
    assert second.counts == {"[PER_3]": 1, "[PER_1]": 1}


def test_what_looks_like_a_placeholder_of_the_session_is_escaped_and_comes_back():
    session = redact(document_of("Ann left", ("Ann", "PER"))).mapping
    document = document_of("[PER_1] and [per_1] met Bob", ("Bob", "PER"))
    redacted = redact(document, session=session)
    assert redacted.text == "[TEXT_1] and [TEXT_2] met [PER_2]"
    assert restore(redacted.text, redacted.mapping, counts=redacted.counts).text == document.text


def test_a_session_that_is_no_mapping_is_refused():
    with pytest.raises(ConfigError, match=r"such as \[PER_1\]"):
        redact(document_of("Ann", ("Ann", "PER")), session={"<<1>>": "Bob"})
    with pytest.raises(ConfigError, match=r"such as \[PER_1\]"):
        restore("[PER_1]", {"Ann": "[PER_1]"})


def test_entities_that_overlap_are_refused():
    entities = [Entity("Ann B", "PER", 0, 5, 0.9), Entity("B C", "PER", 4, 7, 0.9)]
    with pytest.raises(ConfigError, match="do not overlap"):
        redact(with_entities("Ann B C", entities))


@pytest.mark.parametrize(
    ("label", "name"),
    [("WORK_OF_ART", "WORK_OF_ART"), ("a b]", "a_b_"), ("1st", "st"), ("[]", "NAME"), ("X1", "X1"),
     ("人", "人"), ("L" * 90, "L" * 40)],
)  # fmt: skip
def test_any_label_makes_a_placeholder_that_is_found_again(label: str, name: str):
    redacted = redact(document_of("see Ann", ("Ann", label)))
    assert redacted.text == f"see [{name}_1]"
    assert restore(redacted.text, redacted.mapping).text == "see Ann"


@pytest.mark.parametrize(
    "translated",
    ["Ich heisse [PER_1]", "Ich heisse [per_1]", "Ich heisse [ PER_1 ]", "Ich heisse [PER 1]",
     "Ich heisse ［PER_1］", "Ich heisse 【PER_1】", "Ich heisse [PER\\_1]", "Ich heisse [PER_١]"],
)  # fmt: skip
def test_names_survive_a_translator(translated: str):
    redacted = redact(document_of("My name is John", ("John", "PER")))
    assert redacted.text == "My name is [PER_1]"
    restored = restore(translated, redacted.mapping, counts=redacted.counts)
    assert restored == type(restored)("Ich heisse John", (), ())


def test_lost_and_doubled_placeholders_are_told():
    document = document_of("Ann, Ann, Bob and Eve", ("Ann", "PER"), ("Bob", "PER"), ("Eve", "PER"))
    redacted = redact(document)
    restored = restore("[PER_1] [PER_2] [PER_2]", redacted.mapping, counts=redacted.counts)
    assert restored.text == "Ann Bob Bob"
    assert restored.lost == ("[PER_1]", "[PER_3]")
    assert restored.doubled == ("[PER_2]",)
    without_counts = restore("[PER_1] [PER_2] [PER_2]", redacted.mapping)
    assert without_counts.lost == ("[PER_3]",)
    assert without_counts.doubled == ("[PER_2]",)


def test_a_placeholder_that_nobody_knows_is_left_alone():
    assert restore("[PER_9] and [PER_1]", {"[PER_1]": "Ann"}).text == "[PER_9] and Ann"


def test_a_name_that_looks_like_a_placeholder_is_not_restored_twice():
    document = document_of("[PER_2] knows Ann", ("Ann", "PER"), ("[PER_2] knows", "ORG"))
    redacted = redact(document)
    assert redacted.text == "[ORG_1] [PER_1]"
    assert restore(redacted.text, redacted.mapping).text == document.text


@pytest.mark.parametrize("text", ["[" * 100_000, "[A" * 50_000, "[A_1" * 30_000, "[ " * 50_000])
def test_hostile_brackets_take_linear_time(text: str):
    redacted = redact(document_of("Ann " + text, ("Ann", "PER")))
    assert restore(redacted.text, redacted.mapping).text == "Ann " + text


def test_many_names_in_a_long_text_take_linear_time():
    names = [f"Name{i} of{i}" for i in range(3000)]
    text = " and ".join(names * 3)
    found, position = [], 0
    for name in names:
        position = text.index(name, position)
        found.append(Entity(name, "PER", position, position + len(name), 0.9))
    redacted = redact(with_entities(text, found))
    assert Counter(redacted.counts.values()) == {3: 3000}
