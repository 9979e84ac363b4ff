"""Models side by side: listing, readiness, swapping and going back."""

import asyncio

import pytest

from ner_service.api.faults import ConflictError, NotReadyError
from ner_service.api.models import Models
from ner_service.errors import ArtifactError, ConfigError, ModelNotFoundError
from tests.fakes import FakeTagger, call, make_app, post

ADMIN = {"x-api-key": "admin"}


class Source:
    """Where models are loaded from: a new version each time, unless it is broken."""

    def __init__(self) -> None:
        self.broken: Exception | None = None
        self.name: str | None = None
        self.count = 0

    def load(self, source: str) -> FakeTagger:
        if self.broken is not None:
            raise self.broken
        self.count += 1
        return FakeTagger(name=self.name or source, version=f"version-{self.count}")


def versions(models: Models) -> list[str]:
    return [f"{model.info.name} {model.info.version}" for model in models]


def test_the_first_model_is_the_default():
    models = Models(Source().load)
    models.load(("a", "b"))
    assert models.get(None).info.name == "a"
    assert models.get("b").info.name == "b"
    assert versions(models) == ["a version-1", "b version-2"]


def test_before_loading_nothing_is_ready():
    with pytest.raises(NotReadyError):
        Models(Source().load).get(None)


def test_an_unknown_model_is_told_with_the_known_ones():
    models = Models(Source().load)
    models.load(("a", "b"))
    with pytest.raises(ModelNotFoundError, match="a, b"):
        models.get("c")


def test_two_models_of_one_name_are_refused():
    models = Models(Source().load)
    with pytest.raises(ConfigError, match="'a'"):
        models.load(("a", "a"))


def test_a_reload_swaps_and_a_rollback_swaps_back():
    models = Models(Source().load)
    models.load(("a",))
    before = models.get("a")
    asyncio.run(models.reload("a"))
    assert versions(models) == ["a version-2"]
    assert before.info.version == "version-1"  # requests that began with it keep it
    asyncio.run(models.rollback("a"))
    assert versions(models) == ["a version-1"]
    asyncio.run(models.rollback("a"))
    assert versions(models) == ["a version-2"]


def test_a_bad_model_leaves_the_old_one_in_place():
    source = Source()
    models = Models(source.load)
    models.load(("a",))
    source.broken = ArtifactError("weights.safetensors: altered")
    with pytest.raises(ConflictError, match=r"weights\.safetensors: altered"):
        asyncio.run(models.reload("a"))
    assert versions(models) == ["a version-1"]


def test_a_model_of_another_name_is_not_taken():
    source = Source()
    models = Models(source.load)
    models.load(("a",))
    source.name = "b"
    with pytest.raises(ConflictError, match="'b'"):
        asyncio.run(models.reload("a"))


def test_a_model_that_cannot_tag_is_not_taken():
    class Broken(FakeTagger):
        def tag(self, _: str):
            raise ZeroDivisionError

    with pytest.raises(ArtifactError, match="cannot tag"):
        Models(lambda _: Broken()).load(("a",))


def test_going_back_needs_a_reload():
    models = Models(Source().load)
    models.load(("a",))
    with pytest.raises(ConflictError):
        asyncio.run(models.rollback("a"))


@pytest.fixture
def app():
    app = make_app(admin_keys="admin")
    app.state.service.models._load = Source().load
    return app


def test_reload_and_rollback_over_http(app):
    assert call(app, "POST", "/v1/models/fake/reload", headers=ADMIN).json() == {
        "name": "fake",
        "version": "version-1",
        "scheme": "IOBES",
        "labels": ["LOC", "MISC", "ORG", "PER"],
        "tags": list(FakeTagger().info.tags),
        "default": True,
    }
    assert post(app, {"text": "Bob"}).json()["model"]["version"] == "version-1"
    assert b'version="version-1"' in call(app, "GET", "/metrics").content
    call(app, "POST", "/v1/models/fake/rollback", headers=ADMIN)
    assert post(app, {"text": "Bob"}).json()["model"]["version"] == "0123456789ab"
    assert b'version="version-1"' not in call(app, "GET", "/metrics").content


def test_a_failed_reload_is_409_and_an_unknown_model_404(app):
    def fail(_: str):
        raise ArtifactError("config.json: missing")

    app.state.service.models._load = fail
    response = call(app, "POST", "/v1/models/fake/reload", headers=ADMIN)
    assert response.status_code == 409
    assert "config.json: missing" in response.json()["detail"]
    assert call(app, "POST", "/v1/models/nope/reload", headers=ADMIN).status_code == 404


def test_models_are_listed_with_labels_and_tags():
    app = make_app()
    app.state.service.models.add(FakeTagger(name="other"), source="other")
    models = call(app, "GET", "/v1/models").json()["models"]
    assert [(m["name"], m["default"]) for m in models] == [("fake", True), ("other", False)]
    assert models[0]["tags"][0] == "O"
    assert models[0]["labels"] == ["LOC", "MISC", "ORG", "PER"]
