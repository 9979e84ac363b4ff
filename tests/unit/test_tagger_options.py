"""What may be asked of the tagger beside the entities."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_service.api.pieces import cut
from ner_service.entities import Entity
from ner_service.errors import ConfigError
from ner_service.inference.analysis import join_analyses
from ner_service.rules import Rules, compile_rules
from ner_service.rules.shapes import DenyIn, GazetteerIn
from ner_service.tagger import Tagger, TagOptions
from tests.strategies import texts, words

EVERYTHING = TagOptions(nbest=10, candidates=0.01, explain=True)


@pytest.fixture(scope="module")
def tagger(tiny_model: Path) -> Tagger:
    return Tagger.load(tiny_model, threads=1)


def places(entities: tuple[Entity, ...]) -> list[tuple[int, int, str]]:
    return [(e.start, e.end, e.label) for e in entities]


@given(texts)
@settings(max_examples=60)
def test_options_change_no_entity_and_agree_with_them(tagger, text):
    plain, full = tagger.tag(text), tagger.tag(text, EVERYTHING)
    assert plain.analysis is None
    assert full.entities == plain.entities
    analysis = full.analysis
    assert places(analysis.nbest[0].entities) == places(full.entities)
    likelihoods = [labelling.log_probability for labelling in analysis.nbest]
    assert likelihoods == sorted(likelihoods, reverse=True)
    readings = {(r.start, r.end, r.label): r.score for r in analysis.readings}
    for entity in full.entities:
        found = readings.get((entity.start, entity.end, entity.label), 0.0)
        assert found == pytest.approx(entity.score, abs=1e-5 if found else 0.0011)
    candidates = analysis.candidates(full.entities, 0.01)
    assert not set(places(candidates)) & set(places(full.entities))
    assert all(reading.score >= 0.01 for reading in candidates)
    assert all(text[r.start : r.end] == r.text for r in analysis.readings)
    assert analysis.marginals.shape == (len(full.tokens), len(tagger.info.tags))
    np.testing.assert_allclose(analysis.marginals.sum(axis=1), 1.0, atol=1e-6)


@given(texts)
@settings(max_examples=40)
def test_an_explanation_tells_tags_and_runners_up(tagger, text):
    document = tagger.tag(text, EVERYTHING)
    for entity in document.entities:
        explanation = document.analysis.explain(entity, document.tokens, tagger.info.tags)
        own = [token for token in document.tokens if entity.start <= token.start < entity.end]
        assert len(explanation.tokens) == len(own)
        for marginals in explanation.tokens:
            assert list(marginals.values()) == sorted(marginals.values(), reverse=True)
            assert 0.9 < sum(marginals.values()) <= 1.0 + 1e-5
        assert entity.label not in explanation.runners_up
        for label, probability in explanation.runners_up.items():
            rival = next(
                r for r in document.analysis.readings
                if places((r,)) == [(entity.start, entity.end, label)]
            )  # fmt: skip
            assert rival.score == probability


@given(words)
@settings(max_examples=30)
def test_tokens_and_joined_text_agree(tagger, words):
    document = tagger.tag_tokens([words], TagOptions(nbest=2))[0]
    assert places(document.analysis.nbest[0].entities) == places(document.entities)
    assert document.analysis.marginals is None
    assert document.analysis.readings == ()


@given(st.lists(st.sampled_from(["Bob saw Lisbon. ", "the toy of SPAIN. ", "Costa! "]), max_size=9))
@settings(max_examples=40)
def test_pieces_answer_as_the_whole(tagger, sentences):
    prepared = replace(tagger.prepare("".join(sentences)), wanted=EVERYTHING.wanted)
    whole = tagger.tag_documents([prepared])[0].analysis
    pieces = [replace(piece, wanted=EVERYTHING.wanted) for piece in cut(prepared, tokens=13)]
    parts = [document.analysis for document in tagger.tag_documents(pieces)]
    joined = join_analyses(parts, EVERYTHING.wanted)
    assert [x.log_probability for x in joined.nbest] == pytest.approx(
        [x.log_probability for x in whole.nbest], abs=1e-4
    )
    assert places(joined.nbest[0].entities) == places(whole.nbest[0].entities)
    assert places(joined.readings) == places(whole.readings)
    np.testing.assert_allclose(joined.marginals, whole.marginals, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"nbest": 11}, {"nbest": -1}, {"candidates": 0.0009}, {"candidates": 1.1},
     {"candidates": float("nan")}],
)  # fmt: skip
def test_what_cannot_be_worked_out_is_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        TagOptions(**options)


def test_rules_meet_what_the_model_found(tagger):
    text = "Bob bought a toy Yoda of Costa"
    toys = compile_rules(Rules(gazetteers=[GazetteerIn(label="TOY", names=["toy Yoda"])]))
    silence = compile_rules(Rules(deny=[DenyIn(texts=["Costa", "Bob", "Bob bought"])]))
    plain = tagger.tag(text)
    options = TagOptions(rules=(toys, silence), explain=True)
    found = tagger.tag(text, options)
    assert ("toy Yoda", "TOY", 1.0, "rule") in [
        (e.text, e.label, e.score, e.source) for e in found.entities
    ]
    assert not {"Costa", "Bob"} & {e.text for e in found.entities}
    assert [e.source for e in plain.entities] == ["model"] * len(plain.entities)
    np.testing.assert_array_equal(found.tag_ids, plain.tag_ids)
    toy = next(e for e in found.entities if e.source == "rule")
    explanation = found.analysis.explain(toy, found.tokens, tagger.info.tags)
    assert len(explanation.tokens) == 2
    assert tagger.tag_tokens([text.split()], options)[0].entities == found.entities


def test_defaults_ask_for_nothing():
    assert TagOptions().wanted is None
    assert TagOptions(nbest=1).wanted is not None
    assert TagOptions(candidates=0.5, explain=True).wanted.least == 0.001
