"""What stands in a name's place, and how it is recognised again."""

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ner_service.errors import ConfigError

RedactionMode = Literal["replace", "mask", "hash", "pseudonym"]

ESCAPED = "TEXT"
"""Label of a placeholder for text that only looks like a placeholder of the session."""

LEAST_KEY_BYTES = 16
_HASH_DIGITS = 16
_LONGEST_LABEL = 40

PLACEHOLDER = re.compile(
    # Translators change case, put spaces inside and swap the brackets; Markdown escapes the
    # underscore. All repetitions are bounded, so the search is linear in any text.
    r"[\[［【]\s{0,3}([^\W\d_](?:[\w.-]|\\_){0,63}?)\s{0,3}\\?_?\s{0,3}(\d{1,9})\s{0,3}[\]］】]"
)
"""A placeholder with its label and number, also as a translator may leave it."""

_SEPARATORS = re.compile(r"[\s_\\]+")


@dataclass(frozen=True, slots=True)
class Identity:
    """What two spellings of one placeholder have in common."""

    label: str
    number: int


def identity_of(match: re.Match[str]) -> Identity:
    """The identity of a match of `PLACEHOLDER`."""
    return Identity(_canonical(match[1]), int(match[2]))


def parse_placeholder(placeholder: str) -> Identity:
    """The identity of a placeholder.

    Raises:
        ConfigError: it is none.
    """
    match = PLACEHOLDER.fullmatch(placeholder)
    if match is None:
        raise ConfigError("mapping: expected placeholders such as [PER_1]")
    return identity_of(match)


def literal_pattern(labels: Iterable[str]) -> re.Pattern[str]:
    """Matches what other redactions left in a text.

    `[ANY_1]` is taken for a placeholder whatever its label, if in capitals; `[PER]` and
    `[PER:1f0c...]` only with one of the labels given, for `[PARIS]` may well be a name.
    """
    names = "|".join(re.escape(name) for name in sorted({*map(label_name, labels), ESCAPED}))
    return re.compile(
        rf"\[(?:(?:[A-Z][A-Z0-9_.-]{{0,63}}|{names})_\d{{1,9}}"
        rf"|(?:{names})(?::[0-9a-f]{{{_HASH_DIGITS}}})?)\]"
    )


def label_name(label: str) -> str:
    """A label as placeholders write it, without signs that would break them."""
    name = re.sub(r"[^\w.-]+", "_", label).lstrip("_-.0123456789")[:_LONGEST_LABEL]
    return name if name and PLACEHOLDER.fullmatch(f"[{name}_1]") else "NAME"


@dataclass(slots=True)
class Naming:
    """Gives what replaces a name: for equal names of one label always the same.

    Attributes:
        mapping: names by placeholder, those of the session included.
        session: placeholders that earlier texts of the session use.
    """

    mode: RedactionMode
    key: bytes = b""
    reserved: frozenset[Identity] = frozenset()
    mapping: dict[str, str] = field(default_factory=dict)
    session: frozenset[Identity] = frozenset()
    _known: dict[tuple[str, str], str] = field(default_factory=dict)
    _last: Counter[str] = field(default_factory=Counter)

    @classmethod
    def build(
        cls, mode: RedactionMode, text: str, *, key: bytes | None, session: Mapping[str, str] | None
    ) -> "Naming":
        """Prepare for one text.

        Raises:
            ConfigError: no sufficient key for `hash`, or a session that is no mapping of ours.
        """
        length = len(key or b"")
        if mode == "hash" and length < LEAST_KEY_BYTES:
            raise ConfigError(f"key: expected at least {LEAST_KEY_BYTES} bytes, got {length}")
        if mode != "pseudonym":
            return cls(mode, key or b"")
        names = dict(session or {})
        identities = {placeholder: parse_placeholder(placeholder) for placeholder in names}
        naming = cls(
            mode,
            # Numbers that stand in the text already are not given to anybody.
            reserved=frozenset(identity_of(match) for match in PLACEHOLDER.finditer(text)),
            mapping=names,
            session=frozenset(identities.values()),
        )
        for placeholder, identity in identities.items():
            naming._known[identity.label, names[placeholder]] = placeholder
            naming._last[identity.label] += 1
        return naming

    def replacement(self, surface: str, label: str) -> str:
        """What stands in the place of this name."""
        if self.mode == "mask":
            return "*" * len(surface)
        name = label_name(label)
        if self.mode == "replace":
            return f"[{name}]"
        if self.mode == "hash":
            return f"[{name}:{self._digest(surface, name)}]"
        known = _canonical(name), surface
        if known not in self._known:
            placeholder = f"[{name}_{self._next_number(_canonical(name))}]"
            self._known[known] = placeholder
            self.mapping[placeholder] = surface
        return self._known[known]

    def _digest(self, surface: str, name: str) -> str:
        # RFC 2104 with SHA-256, shortened to 64 bits: without the key, nobody can try names out.
        message = f"{name}\0{surface}".encode("utf-8", "surrogatepass")
        return hmac.new(self.key, message, hashlib.sha256).hexdigest()[:_HASH_DIGITS]

    def _next_number(self, label: str) -> int:
        number = self._last[label] + 1
        while (taken := Identity(label, number)) in self.reserved or taken in self.session:
            number += 1
        self._last[label] = number
        return number


def _canonical(label: str) -> str:
    return _SEPARATORS.sub("", label).casefold()
