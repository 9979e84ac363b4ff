"""Putting names back into a text."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ner_service.redaction.naming import PLACEHOLDER, identity_of, parse_placeholder


@dataclass(frozen=True, slots=True)
class Restored:
    """A text with its names back in place.

    Attributes:
        text: the restored text.
        lost: placeholders that stood there less often than expected.
        doubled: placeholders that stood there more often than expected.
    """

    text: str
    lost: tuple[str, ...]
    doubled: tuple[str, ...]


def restore(
    text: str, mapping: Mapping[str, str], *, counts: Mapping[str, int] | None = None
) -> Restored:
    """Put names back where their placeholders stand, whatever happened to the text between.

    A placeholder is recognised in another case, with spaces inside and in full-width brackets too,
    as translators leave them.

    Args:
        text: a redacted text, perhaps translated.
        mapping: of `redact`.
        counts: of `redact` for this text: only these placeholders are replaced, and expected so
            often. Without them, every placeholder of the mapping is expected once.

    Raises:
        ConfigError: the mapping has a key that is no placeholder.
    """
    expected = dict.fromkeys(mapping, 1) if counts is None else counts
    placeholders = {parse_placeholder(name): name for name in mapping if name in expected}
    found: Counter[str] = Counter()

    def name_of(match: re.Match[str]) -> str:
        placeholder = placeholders.get(identity_of(match))
        if placeholder is None:
            return match[0]
        found[placeholder] += 1
        return mapping[placeholder]

    restored = PLACEHOLDER.sub(name_of, text)
    return Restored(
        restored,
        lost=tuple(name for name, count in expected.items() if found[name] < count),
        doubled=tuple(name for name, count in found.items() if count > expected[name]),
    )
