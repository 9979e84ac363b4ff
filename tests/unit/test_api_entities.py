"""POST /v1/entities: the frozen shapes, and every row of the table of errors."""

import json

import pytest

from tests.fakes import FakeTagger, call, make_app, post

SENTENCE = "Bob bought a toy Yoda"


def entities_of(response, index: int = 0) -> list[tuple[str, int, int]]:
    assert response.status_code == 200, response.text
    return [
        (e["text"], e["start"], e["end"]) for e in response.json()["documents"][index]["entities"]
    ]


def problem(response, status: int) -> dict:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert {"type", "title", "detail", "request_id"} <= body.keys()
    assert body["request_id"] == response.headers["x-request-id"]
    return body


def fields(response) -> list[str]:
    return [error["field"] for error in problem(response, 422)["errors"]]


def test_a_text_is_answered_in_the_frozen_shape():
    response = post(make_app(), {"text": SENTENCE})
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "model": {"name": "fake", "version": "0123456789ab", "scheme": "IOBES"},
        "documents": [
            {
                "index": 0,
                "id": None,
                "entities": [
                    {
                        "text": "Bob",
                        "label": "PER",
                        "start": 0,
                        "end": 3,
                        "score": 0.9,
                        "source": "model",
                    },
                    {
                        "text": "Yoda",
                        "label": "PER",
                        "start": 17,
                        "end": 21,
                        "score": 0.9,
                        "source": "model",
                    },
                ],
            }
        ],
        "errors": [],
    }


def test_documents_keep_their_order_and_ids():
    body = {
        "documents": [{"id": "a", "text": "he saw Bob"}, {"tokens": ["Ann", "left"]}, {"text": ""}]
    }
    documents = post(make_app(), body).json()["documents"]
    assert [(d["index"], d["id"]) for d in documents] == [(0, "a"), (1, None), (2, None)]
    assert documents[0]["entities"][0]["start"] == 7
    assert documents[1]["entities"][0]["text"] == "Ann"
    assert documents[2]["entities"] == []


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\x00", "lower case only"])
def test_a_text_without_names_has_no_entities(text: str):
    assert entities_of(post(make_app(), {"text": text})) == []


def test_an_empty_token_list_has_no_entities():
    assert entities_of(post(make_app(), {"documents": [{"tokens": []}]})) == []


def test_labels_choose_entities():
    body = {"text": "Bob left Paris", "labels": ["LOC"]}
    assert entities_of(post(make_app(), body)) == [("Paris", 9, 14)]


def test_no_labels_choose_nothing():
    assert entities_of(post(make_app(), {"text": SENTENCE, "labels": []})) == []


@pytest.mark.parametrize("threshold", [0.7, {"LOC": 0.7}, {"LOC": 1, "PER": 0}])
def test_a_threshold_drops_what_scores_lower(threshold: object):
    body = {"text": "Bob left Paris", "threshold": threshold}
    assert entities_of(post(make_app(), body)) == [("Bob", 0, 3)]


@pytest.mark.parametrize(("unit", "start"), [("codepoint", 2), ("utf16", 3), ("byte", 5)])
def test_offsets_count_the_unit_asked_for(unit: str, start: int):
    body = {"text": "😀 Bob", "offset_unit": unit, "include": ["tokens"]}
    document = post(make_app(), body).json()["documents"][0]
    assert document["entities"][0]["start"] == start
    assert document["tokens"][-1]["start"] == start
    assert document["tokens"][-1]["end"] == start + 3


def test_tokens_are_included_with_their_encoding():
    document = post(make_app(), {"text": "Bob left", "include": ["tokens"]}).json()["documents"][0]
    tags = FakeTagger().info.tags
    tag_id = tags.index("S-PER")
    assert document["tokens"] == [
        {
            "text": "Bob",
            "start": 0,
            "end": 3,
            "tag": "S-PER",
            "tag_id": tag_id,
            "one_hot": [int(i == tag_id) for i in range(len(tags))],
            "word_id": 3,
        },
        {
            "text": "left",
            "start": 4,
            "end": 8,
            "tag": "O",
            "tag_id": 0,
            "one_hot": [1] + [0] * (len(tags) - 1),
            "word_id": 4,
        },
    ]


def test_a_model_can_be_asked_for_by_name():
    app = make_app()
    app.state.service.models.add(FakeTagger(name="other", version="b" * 12), source="other")
    response = post(app, {"text": SENTENCE, "model": "other"})
    assert response.json()["model"]["version"] == "b" * 12
    assert post(app, {"text": SENTENCE}).json()["model"]["name"] == "fake"


def test_a_fault_of_one_document_stays_with_it():
    body = (
        b'{"documents": [{"id": "long", "text": "%s"}, {"id": "odd", "text": "\\ud800"},'
        b' {"tokens": ["a", "\\udc00"]}, {"id": "\\ud800", "text": "x"},'
        b' {"id": "good", "text": "Bob"}]}' % (b"x" * 11)
    )
    answer = post(make_app(max_text_length=10), body).json()
    assert [(e["index"], e["id"], e["code"]) for e in answer["errors"]] == [
        (0, "long", "text_too_long"),
        (1, "odd", "invalid_text"),
        (2, None, "invalid_text"),
        (3, None, "invalid_text"),
    ]
    assert all("message" in error for error in answer["errors"])
    assert [(d["index"], d["id"]) for d in answer["documents"]] == [(4, "good")]


def test_the_longest_text_passes_and_one_more_does_not():
    app = make_app(max_text_length=20)
    assert post(app, {"text": "x" * 20}).status_code == 200
    body = problem(post(app, {"text": "x" * 21}), 413)
    assert "20" in body["detail"]
    assert post(app, {"documents": [{"tokens": ["x" * 10, "x" * 9]}]}).json()["errors"] == []
    too_long = post(app, {"documents": [{"tokens": ["x" * 10, "x" * 10]}]}).json()
    assert too_long["errors"][0]["code"] == "text_too_long"


def test_the_most_documents_pass_and_one_more_does_not():
    app = make_app(max_documents=3)
    assert post(app, {"documents": [{"text": "a"}] * 3}).status_code == 200
    assert (
        "at most 3 documents, got 4"
        in problem(post(app, {"documents": [{"text": "a"}] * 4}), 413)["detail"]
    )


def test_the_longest_body_passes_and_one_byte_more_does_not():
    body = b'{"text": "Bob"}'
    app = make_app(max_body_bytes=len(body))
    assert post(app, body).status_code == 200
    assert str(len(body)) in problem(post(app, body + b" "), 413)["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"text": "a"',
        b'{"text": "a"} x',
        b"{'text': 'a'}",
        b'{"text": "\xff"}',
        b'\xef\xbb\xbf{"text": "a"}',
        '{"text": "a"}'.encode("utf-16"),
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=range(11),
)
def test_what_is_not_json_in_utf8_is_400(body: bytes):
    problem(post(make_app(), body), 400)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"[]", "body"),
        (b"null", "body"),
        (b'"text"', "body"),
        (b"{}", "text"),
        (b'{"text": null}', "text"),
        (b'{"text": "a", "documents": [{"text": "b"}]}', "text"),
        (b'{"text": 5}', "text"),
        (b'{"text": ["a"]}', "text"),
        (b'{"text": "\\ud800"}', "text"),
        (b'{"text": "\\udc00\\ud800"}', "text"),
        (b'{"text": "a", "text": "b"}', "text"),
        (b'{"text": "a", "txet": "b"}', "txet"),
        (b'{"text": "a", "format": "x"}', "format"),
        (b'{"documents": []}', "documents"),
        (b'{"documents": {}}', "documents"),
        (b'{"documents": "a"}', "documents"),
        (b'{"documents": [5]}', "documents.0"),
        (b'{"documents": [{}]}', "documents.0.text"),
        (b'{"documents": [{"text": "a"}, {"text": "a", "tokens": ["a"]}]}', "documents.1.text"),
        (b'{"documents": [{"text": 1}]}', "documents.0.text"),
        (b'{"documents": [{"text": "a", "id": 1}]}', "documents.0.id"),
        (b'{"documents": [{"text": "a", "label": 1}]}', "documents.0.label"),
        (b'{"documents": [{"tokens": ["a", 1]}]}', "documents.0.tokens.1"),
        (b'{"documents": [{"tokens": ["a", ""]}]}', "documents.0.tokens"),
        (b'{"documents": [{"tokens": "a"}]}', "documents.0.tokens"),
        (b'{"text": "a", "threshold": NaN}', "threshold"),
        (b'{"text": "a", "threshold": Infinity}', "threshold"),
        (b'{"text": "a", "threshold": 1e999}', "threshold"),
        (b'{"text": "a", "threshold": -0.1}', "threshold"),
        (b'{"text": "a", "threshold": 1.1}', "threshold"),
        (b'{"text": "a", "threshold": "0.5"}', "threshold"),
        (b'{"text": "a", "threshold": true}', "threshold"),
        (b'{"text": "a", "threshold": [0.5]}', "threshold"),
        (b'{"text": "a", "threshold": {"PER": -Infinity}}', "threshold.PER"),
        (b'{"text": "a", "threshold": {"\\ud800": 0.5}}', "threshold"),
        (b'{"text": "a", "threshold": {"GPE": 0.5}}', "threshold"),
        (b'{"text": "a", "threshold": %s}' % (b"9" * 400), "threshold"),
        (b'{"text": "a", "threshold": %s}' % (b"9" * 5000), "body"),
        (b'{"text": "a", "labels": "PER"}', "labels"),
        (b'{"text": "a", "labels": ["GPE"]}', "labels"),
        (b'{"text": "a", "labels": ["\\ud800"]}', "labels"),
        (b'{"text": "a", "labels": [1]}', "labels.0"),
        (b'{"text": "a", "include": ["token"]}', "include.0"),
        (b'{"text": "a", "include": "tokens"}', "include"),
        (b'{"text": "a", "offset_unit": "char"}', "offset_unit"),
        (b'{"text": "a", "model": 5}', "model"),
        (b'{"text": "a", "\\ud800": 5}', "body"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_shape_is_422_and_names_the_field(body: bytes, field: str):
    assert field in fields(post(make_app(), body))


def test_every_faulty_field_is_named():
    body = {"text": 5, "threshold": 2, "bogus": 1}
    assert set(fields(post(make_app(), body))) == {"text", "threshold", "bogus"}


@pytest.mark.parametrize("name", ["nope", "\ud800", "", "../fake"])
def test_an_unknown_model_is_404(name: str):
    body = json.dumps({"text": "a", "model": name}).encode()
    assert "fake" in problem(post(make_app(), body), 404)["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "SECRET", "threshold": NaN}',
        b'{"text": "SECRET\\ud800"}',
        b'{"text": "SECRET", "model": "SECRET"}',
        b'{"text": "SECRET", "labels": ["SECRET"]}',
        b'{"text": "SECRET", "offset_unit": "SECRET"}',
        b'{"text": "SECRET", "this is SECRET": 1}',
        b'{"SECRET',
        b'{"documents": [{"text": "SECRET\\ud800"}]}',
    ],
)
def test_a_body_is_never_echoed(body: bytes):
    response = post(make_app(), body)
    assert "SECRET" not in response.text


def test_compressed_bodies_are_refused():
    response = post(make_app(), b"\x1f\x8b", headers={"content-encoding": "gzip"})
    assert "content-encoding" in fields(response)


def test_an_unknown_page_is_404_and_a_wrong_method_405():
    app = make_app()
    problem(call(app, "GET", "/nope"), 404)
    response = call(app, "GET", "/v1/entities")
    problem(response, 405)
    assert response.headers["allow"] == "POST"
    response = call(app, "PUT", "/v1/examples")
    problem(response, 405)
    assert response.headers["allow"] == "GET, POST"


def test_a_failure_of_ours_is_told_as_such_and_nothing_else():
    tagger = FakeTagger()
    tagger.poison = "Bob"
    body = problem(post(make_app(tagger), {"text": "SECRET Bob"}), 500)
    assert "SECRET" not in json.dumps(body)
    assert "poison" not in json.dumps(body)


def test_security_headers_and_no_banner():
    headers = post(make_app(), {"text": "a"}).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "server" not in headers


@pytest.mark.parametrize("given", ["abc-123", "a.b:c_d", "x" * 128])
def test_a_sensible_request_id_is_given_back(given: str):
    response = post(make_app(), {"text": "a"}, headers={"x-request-id": given})
    assert response.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "<script>", '"'])
def test_other_request_ids_are_replaced(given: str):
    response = post(make_app(), {"text": "a"}, headers={"x-request-id": given})
    assert response.headers["x-request-id"] != given
    assert len(response.headers["x-request-id"]) == 32
