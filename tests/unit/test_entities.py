import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.entities import Entity, entities_from_spans, filter_entities
from ner_service.tags import Span
from ner_service.text import tokenize
from tests.strategies import texts


def entity(label: str, score: float) -> Entity:
    return Entity("x", label, 0, 1, score)


@given(texts, st.data())
def test_surface_of_an_entity_is_the_text_at_its_offsets(text, data):
    tokens = tokenize(text)
    if not len(tokens):
        return
    start = data.draw(st.integers(0, len(tokens) - 1))
    end = data.draw(st.integers(start + 1, len(tokens)))
    (found,) = entities_from_spans(text, tokens, [Span(start, end, "PER")], [0.5])
    assert text[found.start : found.end] == found.text
    assert found.text.startswith(tokens.texts[start])
    assert found.text.endswith(tokens.texts[end - 1])


def test_scores_have_six_digits():
    tokens = tokenize("Bob left")
    (found,) = entities_from_spans("Bob left", tokens, [Span(0, 1, "PER")], [0.123456789])
    assert found == Entity("Bob", "PER", 0, 3, 0.123457)


def test_spans_and_scores_must_pair_up():
    with pytest.raises(ValueError, match="argument"):
        entities_from_spans("Bob", tokenize("Bob"), [Span(0, 1, "PER")], [])


ENTITIES = (entity("PER", 0.9), entity("LOC", 0.4), entity("PER", 0.2))


@pytest.mark.parametrize(
    ("labels", "threshold", "kept"),
    [
        (None, 0.0, [0, 1, 2]),
        (None, 0.4, [0, 1]),
        (frozenset({"PER"}), 0.0, [0, 2]),
        (frozenset({"PER"}), 0.5, [0]),
        (frozenset(), 0.0, []),
        (None, {"PER": 0.5}, [0, 1]),
        (None, {"LOC": 0.5, "PER": 0.1}, [0, 2]),
        (None, {}, [0, 1, 2]),
        (None, 1.0, []),
    ],
)
def test_filter_keeps_labels_and_scores_asked_for(labels, threshold, kept):
    found = filter_entities(ENTITIES, labels=labels, threshold=threshold)
    assert found == tuple(ENTITIES[index] for index in kept)
