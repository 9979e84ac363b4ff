"""Who may ask for what. Keys are kept as SHA-256 digests and compared in constant time."""

import hashlib
import hmac
import re
from enum import Enum
from pathlib import Path

from pydantic import SecretStr
from starlette.types import Scope

from ner_service.api.body import header
from ner_service.api.faults import ForbiddenError, UnauthorizedError
from ner_service.errors import ConfigError

# A key file may hold digests instead of keys: `sha256:` and 64 hex digits.
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})\Z")
_AWS_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 .*?Credential=([^/,\s]+)")
# Probes and pages that tell nothing of any text.
_OPEN = frozenset(
    {
        "/",
        "/docs",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/presidio/health",
        "/readyz",
    }
)
# The page's own files.
_OPEN_FOLDER = "/web/"
_EXAMPLES = "/v1/examples"
_ADMINISTRATIVE = ("/v1/models/", "/v1/rules/")


class Access(Enum):
    """What a page asks of those who call it."""

    OPEN = "open"
    KEY = "key"
    TEACH = "teach"
    ADMIN = "admin"


class KeyRing:
    """A set of accepted keys."""

    def __init__(self, keys: SecretStr, file: Path | None = None) -> None:
        """Take keys separated by commas, and those of a file: one a line, `#` begins a comment.

        Raises:
            ConfigError: the file cannot be read.
        """
        given = keys.get_secret_value().split(",")
        if file is not None:
            try:
                lines = file.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"key file {file}: {error}") from error
            given += [line.partition("#")[0] for line in lines]
        stripped = (key.strip() for key in given)
        self._digests = tuple(_digest(key) for key in stripped if key)

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._digests)

    def accepts(self, key: str) -> bool:
        """Say whether a key is in the set; takes the same time whichever it is."""
        digest = hashlib.sha256(key.encode()).digest()
        found = False
        for known in self._digests:
            found |= hmac.compare_digest(known, digest)
        return found


class Guard:
    """Checks the key of every request."""

    def __init__(self, *, keys: KeyRing, admin_keys: KeyRing) -> None:
        """Set the accepted keys; without `keys` the service is open."""
        self._keys = keys
        self._admin_keys = admin_keys

    @property
    def is_open(self) -> bool:
        """Whether everybody may tag texts."""
        return not self._keys

    def check(self, scope: Scope) -> None:
        """Let a request pass or not.

        Raises:
            UnauthorizedError: it has no key or a wrong one.
            ForbiddenError: it is administrative and there is no admin key.
        """
        access = access_to(scope["method"], scope["path"])
        # Who teaches changes everybody's answers: where there are keys, an admin's is needed.
        is_guarded = access is Access.TEACH and bool(self._keys or self._admin_keys)
        if access is Access.ADMIN or is_guarded:
            if not self._admin_keys:
                raise ForbiddenError("no admin key is set")
            self._check(scope, self._admin_keys)
        elif access is Access.KEY and self._keys:
            self._check(scope, self._keys)

    def _check(self, scope: Scope, ring: KeyRing) -> None:
        key = presented_key(scope)
        if key is None:
            raise UnauthorizedError("expected a key in Authorization: Bearer or X-API-Key")
        if not ring.accepts(key):
            raise UnauthorizedError("the key is not known")


def access_to(method: str, path: str) -> Access:
    """Say what a page asks for; what is not listed as open needs a key."""
    if path in _OPEN or path.startswith(_OPEN_FOLDER):
        return Access.OPEN
    if method != "GET" and path.startswith(_ADMINISTRATIVE):
        return Access.ADMIN
    if method != "GET" and (path == _EXAMPLES or path.startswith(f"{_EXAMPLES}/")):
        return Access.TEACH
    return Access.KEY


def presented_key(scope: Scope) -> str | None:
    """Find the key of a request: a bearer token, X-API-Key, or the access key id of AWS."""
    key = header(scope, b"x-api-key")
    if key is not None:
        return key
    authorization = header(scope, b"authorization")
    if authorization is None:
        return None
    kind, _, value = authorization.partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    found = _AWS_CREDENTIAL.match(authorization)
    return found[1] if found else None


def _digest(key: str) -> bytes:
    found = _DIGEST.match(key)
    return bytes.fromhex(found[1]) if found else hashlib.sha256(key.encode()).digest()
