"""The translations of the dialects, where their clients would hide what is wrong."""

import json

import pytest

from ner_service.api.dialects.spacy import spacy_tokens
from tests.fakes import FakeTagger, call, make_app

AMZ = {"x-amz-target": "Comprehend_20171127.DetectEntities"}


def post(path: str, body: object, **options):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return call(make_app(max_text_length=100), "POST", path, content=content, **options)


@pytest.mark.parametrize(
    ("path", "key"), [("/hf/fake", "error"), ("/presidio/analyze", "error"), ("/aws", "Message")]
)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"a": NaN}', b"[" * 100_000])
def test_a_bad_body_is_told_in_the_words_of_the_dialect(path: str, key: str, body: bytes):
    response = post(path, body, headers=AMZ)
    assert response.status_code in (400, 422)
    assert key in response.json()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/hf/fake", {"inputs": "x" * 101}, 413),
        ("/hf/fake", {"inputs": "\ud800"}, 422),
        ("/hf/fake", {"inputs": ["Bob", "\ud800"]}, 422),
        ("/hf/fake", {"inputs": []}, 422),
        ("/presidio/analyze", {"text": "x" * 101, "language": "en"}, 413),
        ("/presidio/analyze", {"text": "\ud800", "language": "en"}, 400),
        ("/aws", {"Text": "\ud800", "LanguageCode": "en"}, 400),
        ("/aws", {"Text": "Bob"}, 400),
    ],
)
def test_what_cannot_be_tagged_is_refused(path: str, body: object, status: int):
    assert post(path, body, headers=AMZ).status_code == status


def test_comprehend_names_its_errors():
    response = post("/aws", {"Text": "x" * 101, "LanguageCode": "en"}, headers=AMZ)
    assert response.json()["__type"] == "TextSizeLimitExceededException"
    assert response.headers["x-amzn-errortype"] == "TextSizeLimitExceededException"
    assert response.headers["content-type"] == "application/x-amz-json-1.1"
    body = {"TextList": [], "LanguageCode": "en"}
    batch = {"x-amz-target": "Comprehend_20171127.BatchDetectEntities"}
    assert post("/aws", body, headers=batch).json()["__type"] == "InvalidRequestException"


@pytest.mark.parametrize("target", ["", "DetectEntities", "Comprehend_20171127.Nope"])
def test_comprehend_knows_its_operations(target: str):
    response = post("/aws", {}, headers={"x-amz-target": target})
    assert response.json()["__type"] == "InvalidRequestException"


def test_a_failure_of_ours_is_an_internal_error_there():
    tagger = FakeTagger()
    tagger.poison = "Bob"
    content = b'{"Text": "Bob", "LanguageCode": "en"}'
    response = call(make_app(tagger), "POST", "/aws", content=content, headers=AMZ)
    assert response.status_code == 500
    assert response.json()["__type"] == "InternalServerException"


def test_hugging_face_tokens_of_a_longer_entity_share_its_score():
    content = b'{"inputs": "Bob Paris", "parameters": {"aggregation_strategy": "none"}}'
    found = call(make_app(), "POST", "/hf/fake", content=content).json()
    assert [(e["entity"], e["index"], e["score"]) for e in found] == [
        ("B-PER", 1, 0.9),
        ("B-LOC", 2, 0.6),
    ]


@pytest.mark.parametrize("text", ["", " ", "a  b", "\ufeffa\u200b \u200b\u200bb\n", "x\u2060 y "])
def test_spacy_tokens_cover_the_text(text: str):
    document = FakeTagger().tag(text)
    spans = list(spacy_tokens(document))
    position = 0
    for start, end in spans:
        assert text[position:start] in ("", " ")
        assert start < end
        position = end
    assert text[position:] in ("", " ")
    assert {(start, end) for start, end in spans} >= set(
        zip(document.tokens.starts, document.tokens.ends, strict=True)
    )
