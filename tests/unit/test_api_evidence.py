"""n-best, candidates and explanations over HTTP, from a real if tiny model."""

import math
from pathlib import Path

import pytest
from fastapi import FastAPI

from ner_service.api.app import create_app
from ner_service.api.settings import Settings
from ner_service.tagger import Tagger, TagOptions
from ner_service.text.offsets import convert_offsets
from tests.fakes import call

TEXT = "Bob 😀 bought the toy in Lisbon of Costa. SPAIN and the bank of Yoda bought nobody. " * 3


@pytest.fixture(scope="module")
def tagger(tiny_model: Path) -> Tagger:
    return Tagger.load(tiny_model, threads=1)


@pytest.fixture(scope="module")
def app(tagger: Tagger) -> FastAPI:
    # Pieces of some tokens only, so that answers are put together from them.
    return create_app(Settings(log_level="error", turn_tokens=20), tagger)


def answer(app: FastAPI, **body: object) -> dict:
    response = call(app, "POST", "/v1/entities", json={"text": TEXT, **body})
    assert response.status_code == 200, response.text
    (document,) = response.json()["documents"]
    return document


def places(entities) -> list[tuple[int, int, str]]:
    return [(e["start"], e["end"], e["label"]) for e in entities]


def test_labellings_are_the_taggers(app, tagger):
    expected = tagger.tag(TEXT, TagOptions(nbest=5)).analysis.nbest
    document = answer(app, nbest=5)
    assert places(document["nbest"][0]["entities"]) == places(document["entities"])
    assert len(document["nbest"]) == 5
    for found, labelling in zip(document["nbest"], expected, strict=True):
        assert found["log_probability"] == pytest.approx(labelling.log_probability, abs=1e-4)
        assert found["probability"] == pytest.approx(math.exp(found["log_probability"]), rel=1e-4)
        assert found["entities"][0].keys() == {"text", "label", "start", "end", "score", "source"}


def test_candidates_stand_among_the_entities(app, tagger):
    plain = answer(app)["entities"]
    found = answer(app, candidates=0.05)["entities"]
    assert places(e for e in found if e["chosen"]) == places(plain)
    others = [e for e in found if not e["chosen"]]
    assert others
    assert all(e["score"] >= 0.05 for e in others)
    analysis = tagger.tag(TEXT, TagOptions(candidates=0.05)).analysis
    expected = {(e.start, e.end, e.label) for e in analysis.readings}
    assert {*places(found)} >= expected
    assert [e["start"] for e in found] == sorted(e["start"] for e in found)
    assert {e["label"] for e in answer(app, candidates=0.05, labels=["PER"])["entities"]} == {"PER"}


def test_a_threshold_drops_chosen_entities_and_no_candidates(app):
    document = answer(app, candidates=0.05, threshold=1.0)
    chosen = [e for e in document["entities"] if e["chosen"]]
    others = [e for e in answer(app, candidates=0.05)["entities"] if not e["chosen"]]
    assert all(e["score"] >= 1.0 for e in chosen)
    assert [e for e in document["entities"] if not e["chosen"]] == others


def test_explanations_tell_tags_and_runners_up(app):
    for entity in answer(app, explain=True)["entities"]:
        explanation = entity["explanation"]
        assert "chosen" not in entity
        tokens = explanation["tokens"]
        assert (tokens[0]["start"], tokens[-1]["end"]) == (entity["start"], entity["end"])
        for token in tokens:
            assert TEXT[token["start"] : token["end"]] == token["text"]
            assert 0.9 < sum(token["marginals"].values()) < 1.001
        assert entity["label"] not in explanation["runners_up"]
    both = answer(app, explain=True, candidates=0.01)["entities"]
    assert {e["chosen"] for e in both} == {True, False}
    assert all(("explanation" in e) == e["chosen"] for e in both)


@pytest.mark.parametrize("unit", ["utf16", "byte"])
def test_offsets_are_in_the_unit_asked_for(app, unit):
    asked = {"candidates": 0.05, "explain": True, "nbest": 1}
    plain, found = answer(app, **asked), answer(app, **asked, offset_unit=unit)
    for name in ("start", "end"):
        expected = convert_offsets(TEXT, [e[name] for e in plain["entities"]], unit)
        assert [e[name] for e in found["entities"]] == expected
        expected = convert_offsets(TEXT, [e[name] for e in plain["nbest"][0]["entities"]], unit)
        assert [e[name] for e in found["nbest"][0]["entities"]] == expected
    first = next(e for e in found["entities"] if e["chosen"])
    assert first["explanation"]["tokens"][0]["start"] == first["start"]


def test_nothing_is_added_unasked(app):
    document = answer(app)
    assert document.keys() == {"index", "id", "entities"}
    assert document["entities"][0].keys() == {"text", "label", "start", "end", "score", "source"}
    assert answer(app, nbest=0, explain=False) == document


def test_every_document_and_line_has_its_own(app):
    body = {"documents": [{"text": "Bob"}, {"text": ""}, {"tokens": ["Costa", "of"]}], "nbest": 2}
    documents = call(app, "POST", "/v1/entities", json=body).json()["documents"]
    assert [len(document["nbest"]) for document in documents] == [2, 1, 2]
    lines = b'{"text": "Bob", "nbest": 1}\n{"text": "Bob", "explain": true}\n'
    headers = {"content-type": "application/x-ndjson"}
    response = call(app, "POST", "/v1/entities", content=lines, headers=headers)
    assert response.text.count('"nbest"') == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("nbest", 11), ("nbest", -1), ("nbest", 2.0), ("nbest", True), ("candidates", 0.0009),
     ("candidates", 1.5), ("candidates", "0.5"), ("explain", 1), ("explain", "yes")],
)  # fmt: skip
def test_what_is_out_of_range_is_named(app, field, value):
    response = call(app, "POST", "/v1/entities", json={"text": "Bob", field: value})
    assert response.status_code == 422
    assert [fault["field"] for fault in response.json()["errors"]] == [field]
