"""Examples and feedback over HTTP, with a real tagger of random weights."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from ner_service.api.app import create_app
from ner_service.api.settings import Settings
from ner_service.memory import Taught, make_example
from ner_service.memory.store import EXAMPLES, FEEDBACK, read_examples
from ner_service.tagger import Tagger
from tests.fakes import call, make_app, post

TEXT = "the toy zorblax bought in Lisbon ."
ZORBLAX = {"text": TEXT, "entities": [{"start": 8, "end": 15, "label": "PER"}]}
JSON = {"content-type": "application/json"}


def send(app: FastAPI, path: str, body: Any, method: str = "POST", **headers: str):
    return call(app, method, path, content=json.dumps(body).encode(), headers=JSON | headers)


def get(app: FastAPI, path: str, **headers: str):
    return call(app, "GET", path, headers=headers)


def found(app: FastAPI, text: str = TEXT) -> list[tuple[str, str, str]]:
    response = post(app, {"text": text})
    assert response.status_code == 200, response.text
    (document,) = response.json()["documents"]
    return [(e["text"], e["label"], e["source"]) for e in document["entities"]]


@pytest.fixture
def tagger(tiny_model: Path) -> Tagger:
    return Tagger.load(tiny_model, backend="onnx", threads=1)


@pytest.fixture
def make() -> Iterator[Callable[..., FastAPI]]:
    """Makes applications, and closes their files in the end."""
    made: list[FastAPI] = []

    def make_one(*arguments: Any, **settings: Any) -> FastAPI:
        made.append(make_app(*arguments, **settings))
        return made[-1]

    yield make_one
    for app in made:
        app.state.service.close()


@pytest.fixture
def app(make: Callable[..., FastAPI], tagger: Tagger, tmp_path: Path) -> FastAPI:
    return make(tagger, memory=tmp_path)


def test_taught_name_is_found_and_forgotten(app: FastAPI, tmp_path: Path) -> None:
    before = found(app)
    answer = send(app, "/v1/examples", {"examples": [ZORBLAX]})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["model"], answer.json()["total"]) == ("tiny", 1)
    (example,) = answer.json()["examples"]
    assert example["entities"] == ZORBLAX["entities"]
    assert found(app) == [("zorblax", "PER", "memory")]
    assert get(app, "/v1/examples").json()["examples"] == [example]
    assert [e.id for e in read_examples(tmp_path / "tiny" / EXAMPLES)] == [example["id"]]
    gone = send(app, f"/v1/examples/{example['id']}", None, "DELETE")
    assert (gone.status_code, gone.json()["total"], gone.json()["tokens"]) == (200, 0, 0)
    assert found(app) == before
    assert send(app, f"/v1/examples/{example['id']}", None, "DELETE").status_code == 422


def test_new_label_is_shown_everywhere(app: FastAPI) -> None:
    lesson = {"text": TEXT, "entities": [{"start": 8, "end": 15, "label": "DRUG"}]}
    assert send(app, "/v1/examples", {"examples": [lesson]}).status_code == 200
    body = {"text": TEXT, "include": ["tokens"], "explain": True, "labels": ["DRUG"]}
    (document,) = post(app, body).json()["documents"]
    (entity,) = document["entities"]
    assert (entity["text"], entity["label"], entity["source"]) == ("zorblax", "DRUG", "memory")
    neighbour = entity["explanation"]["tokens"][0]["neighbours"][0]
    assert (neighbour["text"], neighbour["tag"]) == ("zorblax", "S-DRUG")
    token = document["tokens"][2]
    (model,) = get(app, "/v1/models").json()["models"]
    assert model["tags"][token["tag_id"]] == token["tag"] == "S-DRUG"
    assert token["one_hot"].index(1) == token["tag_id"]
    assert len(token["one_hot"]) == len(model["tags"])


def test_restarted_service_remembers(make, app: FastAPI, tiny_model: Path, tmp_path: Path) -> None:
    send(app, "/v1/examples", {"examples": [ZORBLAX]})
    app.state.service.close()
    again = make(Tagger.load(tiny_model, backend="onnx", threads=1), memory=tmp_path)
    assert found(again) == [("zorblax", "PER", "memory")]


def test_examples_are_listed_in_pages_and_as_columns(app: FastAPI) -> None:
    lessons = [{"text": f"toy {n}", "entities": []} for n in range(120)]
    assert send(app, "/v1/examples", {"examples": lessons}).status_code == 200
    first = get(app, "/v1/examples").json()["examples"]
    rest = get(app, f"/v1/examples?after={first[-1]['id']}").json()["examples"]
    assert [e["text"] for e in first + rest] == [lesson["text"] for lesson in lessons]
    columns = get(app, "/v1/examples?format=conll").text
    assert columns.count("\n\n") == 120
    assert "toy\tO\n0\tO\n" in columns
    assert get(app, "/v1/examples?after=unknown").status_code == 422
    assert get(app, "/v1/examples?format=xml").status_code == 422


def test_offsets_may_count_other_units(app: FastAPI) -> None:
    text = "\U0001f600 zorblax left"
    for unit, start in (("utf16", 3), ("byte", 5)):
        entity = {"start": start, "end": start + 7, "label": "PER"}
        body = {"offset_unit": unit, "examples": [{"text": text, "entities": [entity]}]}
        (example,) = send(app, "/v1/examples", body).json()["examples"]
        assert example["entities"] == [{"start": 2, "end": 9, "label": "PER"}]
    entity = {"start": 1, "end": 10, "label": "PER"}
    body = {"offset_unit": "utf16", "examples": [{"text": text, "entities": [entity]}]}
    (fault,) = send(app, "/v1/examples", body).json()["errors"]
    assert fault["field"] == "examples.0.entities.0"


@pytest.mark.parametrize(
    ("example", "field"),
    [
        ({"text": "Bob", "entities": [{"start": 0, "end": 9, "label": "PER"}]},
         "examples.1.entities.0"),
        ({"text": "Bobby", "entities": [{"start": 0, "end": 3, "label": "PER"}]},
         "examples.1.entities.0"),
        ({"text": "Bob", "entities": [{"start": 0, "end": 3, "label": "a b"}]},
         "examples.1.entities.0.label"),
        ({"text": " ", "entities": []}, "examples.1.text"),
        ({"text": "\ud800", "entities": []}, "examples.1.text"),
        ({"text": "Bob"}, "examples.1.entities"),
    ],
)  # fmt: skip
def test_one_bad_example_stops_all_of_them(
    app: FastAPI, example: dict[str, Any], field: str
) -> None:
    answer = send(app, "/v1/examples", {"examples": [ZORBLAX, example]})
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]
    assert get(app, "/v1/examples").json()["total"] == 0


def test_too_much_is_refused(make, tagger: Tagger, tmp_path: Path) -> None:
    app = make(tagger, memory=tmp_path, max_memory_tokens=8, max_documents=2, max_text_length=60)
    assert send(app, "/v1/examples", {"examples": []}).status_code == 422
    assert send(app, "/v1/examples", {"examples": [ZORBLAX] * 3}).status_code == 413
    long = {"text": "a" * 61, "entities": []}
    assert send(app, "/v1/examples", {"examples": [long]}).status_code == 413
    assert send(app, "/v1/examples", {"examples": [ZORBLAX]}).status_code == 200
    full = send(app, "/v1/examples", {"examples": [ZORBLAX]})
    assert (full.status_code, full.json()["detail"]) == (
        413, "expected at most 8 tokens in memory",
    )  # fmt: skip


def test_without_a_memory_nothing_can_be_taught(make) -> None:
    app = make()
    assert send(app, "/v1/examples", {"examples": [ZORBLAX]}).status_code == 409
    assert get(app, "/v1/examples").status_code == 409
    assert send(app, "/v1/feedback", {"feedback": [ZORBLAX]}).status_code == 409


def test_full_disk_is_told_and_changes_nothing(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    get(app, "/v1/examples")  # opens the files
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        assert send(app, "/v1/examples", {"examples": [ZORBLAX]}).status_code == 409
    assert get(app, "/v1/examples").json()["total"] == 0


@pytest.mark.parametrize(
    ("keys", "key", "expected"),
    [
        ({}, None, 200),
        ({"api_keys": "user"}, "user", 403),
        ({"api_keys": "user", "admin_keys": "admin"}, "user", 401),
        ({"api_keys": "user", "admin_keys": "admin"}, "admin", 200),
        ({"admin_keys": "admin"}, None, 401),
        ({"admin_keys": "admin"}, "admin", 200),
    ],
)
def test_where_there_are_keys_an_admins_teaches(
    make, tagger: Tagger, tmp_path: Path, keys: dict[str, str], key: str | None, expected: int
) -> None:
    app = make(tagger, memory=tmp_path, **keys)
    headers = {} if key is None else {"x-api-key": key}
    assert send(app, "/v1/examples", {"examples": [ZORBLAX]}, **headers).status_code == expected
    if key == "user":
        feedback = send(app, "/v1/feedback", {"feedback": [ZORBLAX]}, **headers)
        assert feedback.status_code == 200


def test_feedback_is_kept_with_the_models_version(app: FastAPI, tmp_path: Path) -> None:
    answer = send(app, "/v1/feedback", {"feedback": [ZORBLAX, ZORBLAX]})
    assert answer.json() == {"model": "tiny", "stored": 2}
    lines = (tmp_path / "tiny" / FEEDBACK).read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert records[0]["add"]["entities"] == ZORBLAX["entities"]
    assert records[0]["version"] == get(app, "/v1/models").json()["models"][0]["version"]
    assert found(app) != [("zorblax", "PER", "memory")]  # it waits for the next training


def make_app_of(model: Path, memory: Path) -> FastAPI:
    settings = {"memory": memory, "model": str(model), "backend": "onnx", "admin_keys": "admin"}
    return create_app(Settings.model_validate({**settings, "log_level": "error"}))


def test_reloaded_model_knows_what_was_taught(tiny_model: Path, tmp_path: Path) -> None:
    app = make_app_of(tiny_model, tmp_path)
    service = app.state.service
    service.load_models()
    key = {"x-api-key": "admin"}
    send(app, "/v1/examples", {"examples": [ZORBLAX]}, **key)
    old = service.models.get(None).tagger
    assert send(app, "/v1/models/tiny/reload", None, **key).status_code == 200
    assert service.models.get(None).tagger is not old
    assert found(app) == [("zorblax", "PER", "memory")]
    lesson = {"text": "xyzzy", "entities": [{"start": 0, "end": 5, "label": "X"}]}
    send(app, "/v1/examples", {"examples": [lesson]}, **key)
    assert send(app, "/v1/models/tiny/rollback", None, **key).status_code == 200
    assert service.models.get(None).tagger is old
    assert found(app, "xyzzy") == [("xyzzy", "X", "memory")]
    service.close()


def test_lessons_at_the_same_time_are_learnt_once(app: FastAPI) -> None:
    service = app.state.service
    model = service.models.get(None)
    shelf = service.lessons.shelf("tiny")
    shelf.examples.add([make_example(f"toy {n}", [Taught(0, 3, "PER")]) for n in range(40)])

    async def twice() -> None:
        await asyncio.gather(service.bring_up_to_date(model), service.bring_up_to_date(model))

    asyncio.run(twice())
    assert model.tagger.memory.examples == 40
