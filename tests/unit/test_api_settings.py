"""Settings come from NER_ variables and are checked."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from ner_service.api.settings import Settings


def test_the_limits_that_are_promised_are_the_defaults():
    settings = Settings()
    assert settings.max_text_length == 1_000_000
    assert settings.max_documents == 1_000
    assert settings.max_body_bytes == 16 * 1024 * 1024
    assert settings.model == ("conll2003",)
    assert settings.port == 8000


def test_the_environment_sets_them(monkeypatch):
    monkeypatch.setenv("NER_PORT", "9000")
    monkeypatch.setenv("NER_MODEL", "conll2003, /models/wnut17")
    monkeypatch.setenv("NER_CORS_ORIGINS", "https://a.example,https://b.example")
    monkeypatch.setenv("NER_API_KEYS_FILE", "/run/keys")
    monkeypatch.setenv("NER_MODELS", "/models")  # the search path of the tagger, not a setting
    settings = Settings()
    assert settings.port == 9000
    assert settings.model == ("conll2003", "/models/wnut17")
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.api_keys_file == Path("/run/keys")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "70000"),
        ("model", ""),
        ("deadline_seconds", "0"),
        ("deadline_seconds", "inf"),
        ("max_documents", "0"),
        ("backend", "tensorflow"),
    ],
)
def test_senseless_values_are_refused(monkeypatch, name: str, value: str):
    monkeypatch.setenv(f"NER_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Settings()
