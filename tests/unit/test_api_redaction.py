"""POST /v1/redact and /v1/restore."""

import json

import pytest

from tests.fakes import FakeTagger, call, make_app

KEY = "0123456789abcdef"
TEXT = "My name is John"


def redact(**body: object) -> dict:
    response = call(make_app(), "POST", "/v1/redact", json={"text": TEXT, **body})
    assert response.status_code == 200, response.text
    return response.json()


def restore(**body: object) -> dict:
    response = call(make_app(), "POST", "/v1/restore", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_names_go_and_come_back_through_a_translator():
    answer = redact(text="he is John")
    assert answer == {
        "model": {"name": "fake", "version": "0123456789ab", "scheme": "IOBES"},
        "text": "he is [PER_1]",
        "entities": [
            {"label": "PER", "start": 6, "end": 10, "replacement": "[PER_1]",
             "replacement_start": 6, "replacement_end": 13, "score": 0.9}
        ],
        "mapping": {"[PER_1]": "John"},
        "counts": {"[PER_1]": 1},
    }  # fmt: skip
    restored = restore(text="er ist [PER_1]", mapping=answer["mapping"], counts=answer["counts"])
    assert restored == {"text": "er ist John", "lost": [], "doubled": []}


def test_lost_and_doubled_placeholders_are_told():
    mapping = {"[PER_1]": "John", "[PER_2]": "Ann"}
    assert restore(text="[PER_1][PER_1]", mapping=mapping) == {
        "text": "JohnJohn", "lost": ["[PER_2]"], "doubled": ["[PER_1]"],
    }  # fmt: skip


@pytest.mark.parametrize(("mode", "text"), [("replace", "he is [PER]"), ("mask", "he is ****")])
def test_modes(mode, text):
    answer = redact(text="he is John", mode=mode)
    assert answer["text"] == text
    assert answer["mapping"] == answer["counts"] == {}


def test_hashes_need_a_key():
    assert redact(text="he is John", mode="hash", key=KEY)["text"].startswith("he is [PER:")
    response = call(make_app(), "POST", "/v1/redact", json={"text": TEXT, "mode": "hash"})
    assert [fault["field"] for fault in response.json()["errors"]] == ["key"]


def test_a_key_seals_the_mapping_and_opens_it():
    answer = redact(key=KEY)
    assert isinstance(answer["mapping"], str)
    again = redact(text="and John", key=KEY, session=answer["mapping"])
    assert again["text"] == f"and {answer['entities'][-1]['replacement']}"
    body = {"text": answer["text"], "mapping": answer["mapping"], "counts": answer["counts"]}
    assert restore(**body, key=KEY)["text"] == TEXT
    response = call(make_app(), "POST", "/v1/restore", json=body)
    assert [fault["field"] for fault in response.json()["errors"]] == ["key"]
    response = call(make_app(), "POST", "/v1/restore", json={**body, "key": KEY + "!"})
    assert [fault["field"] for fault in response.json()["errors"]] == ["mapping"]


def test_a_session_goes_on():
    first = redact(text="he is John")
    second = redact(text="Ann met John", session=first["mapping"])
    assert second["text"] == "[PER_2] met [PER_1]"
    assert second["mapping"] == {"[PER_1]": "John", "[PER_2]": "Ann"}


def test_labels_threshold_and_rules_choose_what_goes():
    assert redact(text="John in Paris", labels=["LOC"])["text"] == "John in [LOC_1]"
    assert redact(text="John in Paris", threshold=0.7)["text"] == "[PER_1] in Paris"
    rules = {"regexes": [{"label": "PHONE", "regex": r"\d{3}-\d{4}"}]}
    assert redact(text="call 555-1234", rules=rules)["text"] == "call [PHONE_1]"


def test_offsets_are_in_the_unit_asked_for():
    (entity,) = redact(text="😀 John 😀", offset_unit="utf16")["entities"]
    assert (entity["start"], entity["end"]) == (3, 7)
    assert (entity["replacement_start"], entity["replacement_end"]) == (3, 10)


@pytest.mark.parametrize(
    ("page", "body", "field"),
    [
        ("redact", {}, "text"),
        ("redact", {"text": 3}, "text"),
        ("redact", {"text": "\ud800"}, "text"),
        ("redact", {"text": "", "mode": "burn"}, "mode"),
        ("redact", {"text": "", "key": "short"}, "key"),
        ("redact", {"text": "", "key": "\ud800" * 16}, "key"),
        ("redact", {"text": "", "labels": ["XYZ"]}, "labels"),
        ("redact", {"text": "", "session": {"Ann": "Bob"}}, "session"),
        ("redact", {"text": "", "session": {"[PER_1]": "\ud800"}}, "session"),
        ("redact", {"text": "", "session": "sealed"}, "key"),
        ("redact", {"text": "", "documents": []}, "documents"),
        ("redact", [], "body"),
        ("restore", {"text": ""}, "mapping"),
        ("restore", {"text": "", "mapping": {"Ann": "Bob"}}, "mapping"),
        ("restore", {"text": "", "mapping": {"[PER_1]": 3}}, "mapping"),
        ("restore", {"text": "", "mapping": "sealed", "key": KEY}, "mapping"),
        ("restore", {"text": "", "mapping": {}, "counts": {"[PER_1]": -1}}, "counts.(unnamed)"),
        ("restore", {"text": "\ud800", "mapping": {}}, "text"),
    ],
)
def test_what_is_wrong_is_named(page, body, field):
    content = json.dumps(body).encode()
    response = call(make_app(), "POST", f"/v1/{page}", content=content)
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["field"].startswith(field.removesuffix(".(unnamed)"))


def test_limits_and_keys_hold_here_too():
    app = make_app(FakeTagger(), max_text_length=5, api_keys="k")
    assert call(app, "POST", "/v1/redact", json={"text": TEXT}).status_code == 401
    for page, body in (("redact", {}), ("restore", {"mapping": {}})):
        response = call(
            app, "POST", f"/v1/{page}", json={"text": TEXT, **body}, headers={"X-API-Key": "k"}
        )
        assert response.status_code == 413
    assert call(make_app(), "POST", "/v1/redact", content=b"{").status_code == 400


def test_the_document_tells_both_pages():
    document = call(make_app(), "GET", "/openapi.json").json()
    for page, name in (("/v1/redact", "Redact"), ("/v1/restore", "Restore")):
        operation = document["paths"][page]["post"]
        (schema,) = operation["requestBody"]["content"].values()
        assert schema["schema"]["$ref"].endswith(f"/{name}Request")
        assert f"{name}Answer" in document["components"]["schemas"]
    entity = document["components"]["schemas"]["EntityOut"]["properties"]
    assert {"source", "rule", "chosen", "explanation"} <= entity.keys()
