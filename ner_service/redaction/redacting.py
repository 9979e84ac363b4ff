"""Taking names out of a text."""

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ner_service.errors import ConfigError
from ner_service.redaction.naming import (
    ESCAPED,
    PLACEHOLDER,
    Identity,
    Naming,
    RedactionMode,
    identity_of,
    literal_pattern,
)
from ner_service.tagger import Document

# What a name can begin with: a run of letters and digits, or any other sign.
_UNIT = re.compile(r"[^\W_]+|\S")


@dataclass(frozen=True, slots=True)
class Redaction:
    """One place that was redacted.

    Attributes:
        label: of the entity; `TEXT` for text that looked like a placeholder of the session.
        start: first code point in the text that came.
        end: one past its last code point there.
        replacement: what stands in its place.
        replacement_start: first code point in the redacted text.
        replacement_end: one past its last code point there.
        score: of the entity; None where a name that was found elsewhere is repeated.
    """

    label: str
    start: int
    end: int
    replacement: str
    replacement_start: int
    replacement_end: int
    score: float | None


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without its names.

    Attributes:
        text: the redacted text.
        entities: what was taken out, in the order of the text, without the names themselves.
        mapping: names by placeholder, those of the session included; empty unless reversible.
        counts: how often each placeholder was put into this text.
    """

    text: str
    entities: tuple[Redaction, ...]
    mapping: dict[str, str]
    counts: dict[str, int]


def redact(
    document: Document,
    *,
    mode: RedactionMode = "pseudonym",
    key: bytes | None = None,
    session: Mapping[str, str] | None = None,
    labels: Iterable[str] = (),
) -> Redacted:
    """Take the entities of a document out of its text; nothing else in it changes.

    A name goes wherever it stands as a whole word, also where it was not found a second time.
    Placeholders that the text holds already stay, and their numbers are not given to anybody.

    Args:
        document: what was found; filter its entities first if not all of them should go.
        mode: `replace` gives `[PER]`; `mask` as many `*` as the name has code points; `hash`
            `[PER:1f0c...]`, equal for equal names under one key; `pseudonym` `[PER_1]`, equal for
            equal names of this text and its session, and the only one that can be restored.
        key: for `hash`, at least 16 bytes.
        session: the mapping of an earlier text, whose names keep their placeholders.
        labels: that placeholders in the text may have, beside those found.

    Raises:
        ConfigError: no sufficient key for `hash`, a session that is no mapping of ours, or
            entities that overlap.
    """
    naming = Naming.build(mode, document.text, key=key, session=session)
    pieces: list[str] = []
    redactions: list[Redaction] = []
    position = length = 0
    for place in _places(document, naming.session, labels):
        replacement = naming.replacement(document.text[place.start : place.end], place.label)
        kept = document.text[position : place.start]
        pieces += (kept, replacement)
        start = length + len(kept)
        length = start + len(replacement)
        redactions.append(
            Redaction(place.label, place.start, place.end, replacement, start, length, place.score)
        )
        position = place.end
    pieces.append(document.text[position:])
    counts = Counter(redaction.replacement for redaction in redactions)
    return Redacted(
        "".join(pieces),
        tuple(redactions),
        naming.mapping,
        dict(counts) if mode == "pseudonym" else {},
    )


@dataclass(frozen=True, slots=True)
class _Place:
    start: int
    end: int
    label: str
    score: float | None = None


def _places(
    document: Document, session: frozenset[Identity], labels: Iterable[str]
) -> list[_Place]:
    """Everything to replace, in the order of the text: entities, their repetitions, escapes."""
    text = document.text
    found = sorted(
        (_Place(e.start, e.end, e.label, e.score) for e in document.entities),
        key=lambda place: place.start,
    )
    for place, following in zip(found, found[1:], strict=False):
        if place.end > following.start:
            raise ConfigError(f"expected entities that do not overlap, got two at {place.start}")
    pattern = literal_pattern([*labels, *(place.label for place in found)])
    literals = [_Place(*match.span(), ESCAPED) for match in pattern.finditer(text)]
    found = [place for place in found if not _lies_in(place, literals)]
    escapes = [
        _Place(*match.span(), ESCAPED)
        for match in (PLACEHOLDER.finditer(text) if session else ())
        if identity_of(match) in session
    ]
    taken = _united([*found, *escapes])
    names = {text[place.start : place.end]: place.label for place in reversed(found)}
    repetitions = _repetitions(text, names, _united([*taken, *literals]))
    return sorted([*taken, *repetitions], key=lambda place: place.start)


def _lies_in(place: _Place, literals: list[_Place]) -> bool:
    before = bisect_right(literals, place.start, key=lambda literal: literal.start) - 1
    return before >= 0 and place.end <= literals[before].end


def _united(places: list[_Place]) -> list[_Place]:
    """Places in order, those that overlap made one; an entity's label wins over an escape's."""
    result: list[_Place] = []
    for place in sorted(places, key=lambda place: (place.start, -place.end)):
        last = result[-1] if result else None
        if last is None or place.start >= last.end:
            result.append(place)
            continue
        named = place if last.label == ESCAPED else last
        result[-1] = replace(named, start=last.start, end=max(last.end, place.end))
    return result


def _repetitions(text: str, names: Mapping[str, str], taken: list[_Place]) -> Iterator[_Place]:
    """Further places between those taken where one of the names stands as a whole word.

    One pass: each word asks whether a name begins with it, and those of its lengths are compared.
    """
    labels = {name.strip(): label for name, label in names.items()}
    lengths: dict[str, set[int]] = {}
    for name in labels:
        if unit := _UNIT.match(name):
            lengths.setdefault(unit[0], set()).add(len(name))
    longest_first = {unit: sorted(found, reverse=True) for unit, found in lengths.items()}
    gap_starts = [0, *(place.end for place in taken)]
    gap_ends = [*(place.start for place in taken), len(text)]
    for position, gap_end in zip(gap_starts, gap_ends, strict=True):
        free = position
        for unit in _UNIT.finditer(text, position, gap_end):
            start = unit.start()
            if start < free or (start > position and _is_inside_word(text, start)):
                continue
            for length in longest_first.get(unit[0], ()):
                end = start + length
                if end > gap_end or text[start:end] not in labels:
                    continue
                if end == gap_end or not _is_inside_word(text, end):
                    yield _Place(start, end, labels[text[start:end]])
                    free = end
                    break


def _is_inside_word(text: str, place: int) -> bool:
    """Whether a word goes on from the code point before `place` to the one behind it."""
    before, behind = unicodedata.category(text[place - 1]), unicodedata.category(text[place])
    return before[0] in "LNM" and behind[0] in "LNM"
