"""A mapping that only a key opens, to be kept beside the text it belongs to.

Fernet (https://github.com/fernet/spec) of the `cryptography` library: AES-128 in CBC mode with an
HMAC over all of it, so that a wrong key or an altered seal is told, not decrypted to nonsense.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping

from ner_service.errors import ConfigError
from ner_service.redaction.naming import LEAST_KEY_BYTES

_PURPOSE = b"ner-service: seal of a redaction mapping"
_EXTRA = "sealing a mapping: expected cryptography, install ner-service[redaction]"


def seal(mapping: Mapping[str, str], key: bytes) -> str:
    """Encrypt a mapping.

    Args:
        mapping: of `redact`.
        key: a random secret of at least 16 bytes, as `openssl rand -hex 32` gives. No pass phrase:
            nothing here slows guessing down.

    Raises:
        ConfigError: the key is too short, or `cryptography` is not installed.
    """
    try:
        from cryptography.fernet import Fernet
    except ImportError:
        raise ConfigError(_EXTRA) from None
    content = json.dumps(dict(mapping)).encode()
    return Fernet(_fernet_key(key)).encrypt(content).decode()


def unseal(sealed: str, key: bytes) -> dict[str, str]:
    """Decrypt what `seal` gave.

    Raises:
        ConfigError: another key, an altered seal, or `cryptography` is not installed.
    """
    try:
        from cryptography.fernet import Fernet, InvalidToken
    except ImportError:
        raise ConfigError(_EXTRA) from None
    try:
        content = Fernet(_fernet_key(key)).decrypt(sealed.encode("utf-8", "replace"))
    except InvalidToken:
        raise ConfigError("mapping: the key does not open it, or it was altered") from None
    mapping: dict[str, str] = json.loads(content)
    return mapping


def _fernet_key(key: bytes) -> bytes:
    if len(key) < LEAST_KEY_BYTES:
        raise ConfigError(f"key: expected at least {LEAST_KEY_BYTES} bytes, got {len(key)}")
    # Derived, so that one key can serve here and in `hash` mode (RFC 5869's expand step).
    derived = hmac.new(key, _PURPOSE + b"\x01", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(derived)
