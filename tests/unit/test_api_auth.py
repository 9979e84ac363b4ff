"""Keys: who gets in, and who does not."""

import hashlib
from pathlib import Path

import pytest
from pydantic import SecretStr

from ner_service.api.auth import Access, KeyRing, access_to
from ner_service.errors import ConfigError
from tests.fakes import FakeTagger, call, make_app, post

BODY = {"text": "Bob"}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer first"},
        {"authorization": "bearer second"},
        {"x-api-key": "first"},
        {
            "authorization": "AWS4-HMAC-SHA256 Credential=second/20260101/us-east-1/comprehend/"
            "aws4_request, SignedHeaders=host, Signature=00"
        },
    ],
)
def test_a_known_key_gets_in(headers: dict[str, str]):
    assert post(make_app(api_keys="first, second"), BODY, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic first"},
        {"authorization": "first"},
        {"authorization": "Bearer "},
        {"x-api-key": ""},
        {"x-api-key": "first,second"},
        {"x-api-key": "admin"},
    ],
)
def test_everybody_else_gets_401(headers: dict[str, str]):
    response = post(make_app(api_keys="first,second", admin_keys="admin"), BODY, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["code"] == "unauthorized"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"])
def test_probes_and_documents_need_no_key(path: str):
    assert call(make_app(api_keys="key"), "GET", path).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models", "/nope"])
def test_every_other_page_needs_one(path: str):
    assert call(make_app(api_keys="key"), "GET", path).status_code == 401


def test_without_keys_everybody_may_tag():
    assert post(make_app(), BODY).status_code == 200


def test_administration_needs_the_admin_key():
    app = make_app(api_keys="key", admin_keys="admin")
    path = "/v1/models/fake/rollback"
    assert call(app, "POST", path).status_code == 401
    assert call(app, "POST", path, headers={"x-api-key": "key"}).status_code == 401
    assert call(app, "POST", path, headers={"x-api-key": "admin"}).status_code == 409


def test_without_an_admin_key_administration_is_off():
    response = call(make_app(api_keys="key"), "POST", "/v1/models/fake/reload")
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "access"),
    [
        ("GET", "/healthz", Access.OPEN),
        ("GET", "/v1/models", Access.KEY),
        ("POST", "/v1/entities", Access.KEY),
        ("POST", "/v1/models/x/reload", Access.ADMIN),
        ("GET", "/healthz/", Access.KEY),
    ],
)
def test_what_a_page_asks_for(method: str, path: str, access: Access):
    assert access_to(method, path) is access


def test_a_key_file_holds_keys_digests_and_comments(tmp_path: Path):
    digest = hashlib.sha256(b"third").hexdigest()
    file = tmp_path / "keys"
    file.write_text(f"# ours\nfirst # Ann's\n\nsecond\nsha256:{digest}\n")
    ring = KeyRing(SecretStr(""), file)
    assert len(ring) == 3
    assert all(ring.accepts(key) for key in ("first", "second", "third"))
    assert not ring.accepts(f"sha256:{digest}")
    assert not ring.accepts("# ours")


def test_a_missing_key_file_is_a_clear_error(tmp_path: Path):
    with pytest.raises(ConfigError, match="nowhere"):
        KeyRing(SecretStr(""), tmp_path / "nowhere")


def test_keys_do_not_show():
    app = make_app(FakeTagger(), api_keys="hidden-key")
    assert "hidden-key" not in repr(app.state.service.settings)
