import base64
import sys

import pytest

from ner_service.errors import ConfigError
from ner_service.redaction.sealing import seal, unseal

KEY = b"a secret of enough bytes"
MAPPING = {"[PER_1]": "Zoë\nO'Brien", "[LOC_1]": "北京 \U0001f600"}


def test_a_sealed_mapping_is_opened_by_its_key():
    sealed = seal(MAPPING, KEY)
    assert sealed.isascii()
    for content in (sealed.encode(), base64.urlsafe_b64decode(sealed)):
        assert b"Brien" not in content
    assert unseal(sealed, KEY) == MAPPING


def test_another_key_does_not_open_it():
    with pytest.raises(ConfigError, match="does not open it"):
        unseal(seal(MAPPING, KEY), KEY + b"!")


@pytest.mark.parametrize("change", ["", "A", "not base64 \ud800", "gAAAA"])
def test_an_altered_seal_is_told(change: str):
    sealed = change or seal(MAPPING, KEY)[:-8] + "AAAAAAA="
    with pytest.raises(ConfigError, match="altered"):
        unseal(sealed, KEY)


def test_a_short_key_is_refused():
    with pytest.raises(ConfigError, match="at least 16 bytes, got 5"):
        seal(MAPPING, b"12345")


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    for work in (lambda: seal(MAPPING, KEY), lambda: unseal("x", KEY)):
        with pytest.raises(ConfigError, match=r"install ner-service\[redaction\]"):
            work()
