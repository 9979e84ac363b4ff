"""Rules over HTTP: with a request, and the server's own."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.fakes import FakeTagger, call, make_app, post

TOYS = {"gazetteers": [{"label": "TOY", "names": ["Yoda", "toy Yoda"], "id": "toys"}]}
TEXT = "Bob bought a toy Yoda in Paris"
ADMIN = {"admin_keys": "secret"}
KEY = {"X-API-Key": "secret"}


def found(response) -> list[tuple[str, str, str]]:
    assert response.status_code == 200, response.text
    (document,) = response.json()["documents"]
    return [(e["text"], e["label"], e["source"]) for e in document["entities"]]


def test_rules_of_a_request_meet_what_the_model_found():
    response = post(make_app(), {"text": TEXT, "rules": TOYS})
    assert found(response) == [
        ("Bob", "PER", "model"), ("toy Yoda", "TOY", "rule"), ("Paris", "LOC", "model"),
    ]  # fmt: skip
    toy = response.json()["documents"][0]["entities"][1]
    assert toy == {"text": "toy Yoda", "label": "TOY", "start": 13, "end": 21, "score": 1.0,
                   "source": "rule", "rule": "toys"}  # fmt: skip


def test_labels_and_thresholds_may_name_those_of_rules():
    rules = {"regexes": [{"label": "TOY", "regex": "Yoda", "score": 0.4}]}
    body = {"text": TEXT, "rules": rules, "labels": ["TOY"]}
    assert found(post(make_app(), body)) == [("Yoda", "TOY", "rule")]
    assert found(post(make_app(), {**body, "threshold": {"TOY": 0.5}})) == []
    assert post(make_app(), {**body, "labels": ["GAME"]}).status_code == 422


def test_rules_meet_a_long_document_as_a_whole():
    text = "he said so . " * 300 + "order\nORD-1 " + "and more . " * 300
    rules = {"regexes": [{"label": "ORDER", "regex": r"order\sORD-\d+"}]}
    response = post(make_app(turn_tokens=64), {"text": text, "rules": rules})
    assert found(response) == [("order\nORD-1", "ORDER", "rule")]


def test_every_line_of_a_stream_may_have_rules():
    lines = [{"text": TEXT, "rules": TOYS}, {"text": TEXT}, {"text": TEXT, "rules": {"deny": 1}}]
    content = "\n".join(map(json.dumps, lines)).encode()
    headers = {"content-type": "application/x-ndjson"}
    answers = call(make_app(), "POST", "/v1/entities", content=content, headers=headers).text
    first, second, third = map(json.loads, answers.splitlines())
    assert [e["source"] for e in first["entities"]] == ["model", "rule", "model"]
    assert [e["source"] for e in second["entities"]] == ["model"] * 3
    assert third["code"] == "invalid_request"


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ([], "rules"),
        ({"gazetteer": []}, "rules.gazetteer"),
        ({"gazetteers": [{"label": "a b", "names": []}]}, "rules.gazetteers.0.label"),
        ({"gazetteers": [{"label": "A", "file": "names.txt"}]}, "rules.gazetteers.0.file"),
        ({"gazetteers": [{"label": "A", "names": [""]}]}, "rules.gazetteers.0.names.0"),
        ({"patterns": [{"label": "A", "pattern": []}]}, "rules.patterns.0.pattern"),
        ({"patterns": [{"label": "A", "pattern": 5}]}, "rules.patterns.0.pattern"),
        ({"patterns": [{"label": "A", "pattern": [{"POS": "X"}]}]}, "rules.patterns.0.pattern.0"),
        ({"regexes": [{"label": "A", "regex": "("}]}, "rules.regexes.0.regex"),
        ({"regexes": [{"label": "A", "regex": "(a{900}){900}"}]}, "rules.regexes.0.regex"),
        ({"regexes": [{"label": "A", "regex": "\ud800"}]}, "rules.regexes.0.regex"),
        ({"regexes": [{"label": "A", "regex": "a", "id": "\ud800"}]}, "rules.regexes.0.id"),
        ({"regexes": [{"label": "A", "regex": "a", "score": float("nan")}]},
         "rules.regexes.0.score"),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_named_and_not_repeated(rules, field):
    content = json.dumps({"text": TEXT, "rules": rules}).encode()
    response = call(make_app(), "POST", "/v1/entities", content=content)
    assert response.status_code == 422, response.text
    (fault, *_) = response.json()["errors"]
    assert fault["field"] == field
    assert "900" not in fault["message"]


def test_names_with_lone_surrogates_find_nothing_and_fail_nothing():
    rules = {"gazetteers": [{"label": "A", "names": ["\ud800"]}], "deny": [{"texts": ["\ud800"]}]}
    content = json.dumps({"text": TEXT, "rules": rules}).encode()
    assert call(make_app(), "POST", "/v1/entities", content=content).status_code in (200, 422)


def test_rules_that_take_too_long_are_stopped(monkeypatch):
    monkeypatch.setattr(
        "ner_service.rules.stopwatch.time.perf_counter", iter(range(10**6)).__next__
    )
    response = post(
        make_app(), {"text": "a " * 50, "rules": {"regexes": [{"label": "A", "regex": "a"}]}}
    )
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "rules"


def test_labels_of_requests_do_not_fill_the_metrics():
    app = make_app()
    post(app, {"text": TEXT, "rules": TOYS})
    metrics = call(app, "GET", "/metrics").text
    assert 'label="other"' in metrics
    assert "TOY" not in metrics


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    path = tmp_path / "toys.json"
    path.write_text(json.dumps(TOYS))
    return path


def server(rules_file: Path):
    app = make_app(FakeTagger(), rules=(str(rules_file),), **ADMIN)
    app.state.service.ruling.load()  # as the application does when it starts
    return app


def test_the_servers_rules_meet_every_document_and_every_dialect(rules_file):
    app = server(rules_file)
    assert ("toy Yoda", "TOY", "rule") in found(post(app, {"text": TEXT}))
    assert found(post(app, {"text": TEXT, "labels": ["TOY"]})) == [("toy Yoda", "TOY", "rule")]
    metrics = call(app, "GET", "/metrics").text
    assert 'label="TOY"' in metrics
    hf = call(app, "POST", "/hf/fake", json={"inputs": TEXT,
              "parameters": {"aggregation_strategy": "none"}}).json()  # fmt: skip
    assert [e["entity"] for e in hf] == ["B-PER", "B-TOY", "I-TOY", "B-LOC"]


def test_a_requests_rules_come_after_the_servers(rules_file):
    own = {"deny": [{"texts": ["toy Yoda", "Bob"]}]}
    assert found(post(server(rules_file), {"text": TEXT, "rules": own})) == [
        ("Paris", "LOC", "model")
    ]


def test_the_servers_rules_are_listed_and_read_again(rules_file):
    app = server(rules_file)
    listed = {"rules": [{"name": "toys.json", "labels": ["TOY"], "prefer": "rules"}]}
    assert call(app, "GET", "/v1/rules").json() == listed
    rules_file.write_text(json.dumps({"regexes": [{"label": "PAID", "regex": "bought"}]}))
    assert call(app, "POST", "/v1/rules/reload").status_code == 401
    reloaded = call(app, "POST", "/v1/rules/reload", headers=KEY)
    assert reloaded.json()["rules"][0]["labels"] == ["PAID"]
    assert ("bought", "PAID", "rule") in found(post(app, {"text": TEXT}))


def test_bad_rules_leave_the_loaded_ones_in_place(rules_file):
    app = server(rules_file)
    rules_file.write_text("{")
    response = call(app, "POST", "/v1/rules/reload", headers=KEY)
    assert response.status_code == 409
    assert "toys.json" in response.json()["detail"]
    assert ("toy Yoda", "TOY", "rule") in found(post(app, {"text": TEXT}))


def test_without_admin_keys_nobody_reloads():
    assert call(make_app(), "POST", "/v1/rules/reload").status_code == 403


def test_bad_rules_are_told_at_the_start(rules_file):
    rules_file.write_text("{")
    app = make_app(FakeTagger(), rules=str(rules_file))

    async def start() -> None:
        async with app.router.lifespan_context(app):
            pass

    with pytest.raises(Exception, match=r"toys\.json"):
        asyncio.run(start())


@pytest.mark.parametrize("kind", ["displacy", "spacy"])
def test_spacys_forms_take_matches_within_tokens(kind):
    rules = {"regexes": [{"label": "PART", "regex": "od"}]}
    body = {"text": TEXT, "rules": rules}
    response = call(make_app(), "POST", f"/v1/entities?format={kind}", json=body).json()
    assert {"start": 18, "end": 20, "label": "PART"} in response["ents"]
    if kind == "spacy":
        edges = {t["start"] for t in response["tokens"]} | {t["end"] for t in response["tokens"]}
        assert {18, 20} <= edges
