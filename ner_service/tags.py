"""Tags and spans: the schemes IOB1, BIO and IOBES, and which tag may follow which.

Spans are read as the CoNLL-2000 scorer (conlleval) reads them, which for well-formed sequences is
also seqeval's strict reading. Pure functions; nothing here knows of text or of tensors.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from ner_service.errors import ConfigError

Scheme = Literal["IOB1", "BIO", "IOBES"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
OUTSIDE = "O"

_PREFIXES: dict[Scheme, str] = {"IOB1": "BI", "BIO": "BI", "IOBES": "BIES"}
_BEGINS = "BS"
_ENDS = "ES"


class Span(NamedTuple):
    """Tokens `start_token` up to, not including, `end_token`, that carry `label`."""

    start_token: int
    end_token: int
    label: str


@dataclass(frozen=True, slots=True)
class Legality:
    """Which moves keep a tag sequence well formed.

    Attributes:
        transitions: (K, K) bool, from tag i to tag j.
        start: (K,) bool, may open a sentence.
        end: (K,) bool, may close a sentence.
    """

    transitions: NDArray[np.bool_]
    start: NDArray[np.bool_]
    end: NDArray[np.bool_]


def split_tag(tag: str) -> tuple[str, str]:
    """Split a tag into prefix and label: `B-PER` gives `("B", "PER")`, `O` gives `("O", "")`.

    Raises:
        ConfigError: neither `O` nor one of the prefixes B, I, E, S with a label behind a hyphen.
    """
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, hyphen, label = tag.partition("-")
    if len(prefix) != 1 or prefix not in "BIES" or not hyphen or not label:
        raise ConfigError(
            f"expected O or a tag such as B-PER with prefix B, I, E or S, got {tag!r}"
        )
    return prefix, label


def spans_from_tags(tags: Sequence[str], scheme: Scheme) -> list[Span]:
    """Read the spans of one sentence.

    An `I-` or `E-` that continues nothing opens a span, as in conlleval: right for IOB1, lenient
    for ill-formed BIO and IOBES (which decoding here never produces).
    """
    spans: list[Span] = []
    start, open_label = 0, ""
    for position, tag in enumerate(tags):
        prefix, label = split_tag(tag)
        if open_label and (label != open_label or prefix in _BEGINS):
            spans.append(Span(start, position, open_label))
            open_label = ""
        if label and not open_label:
            start, open_label = position, label
        if scheme == "IOBES" and prefix in _ENDS:
            spans.append(Span(start, position + 1, label))
            open_label = ""
    if open_label:
        spans.append(Span(start, len(tags), open_label))
    return spans


def tags_from_spans(spans: Iterable[Span], length: int, scheme: Scheme) -> list[str]:
    """Write disjoint spans as the tags of a sentence of `length` tokens."""
    tags = [OUTSIDE] * length
    previous: Span | None = None
    for span in sorted(spans):
        body = [f"I-{span.label}"] * (span.end_token - span.start_token)
        touches = previous and previous.end_token == span.start_token
        if scheme != "IOB1" or (touches and previous and previous.label == span.label):
            body[0] = f"B-{span.label}"
        if scheme == "IOBES":
            body[-1] = f"E-{span.label}" if len(body) > 1 else f"S-{span.label}"
        tags[span.start_token : span.end_token] = body
        previous = span
    return tags


def convert_tags(tags: Sequence[str], source: Scheme, target: Scheme) -> list[str]:
    """Rewrite the tags of one sentence in another scheme, with the same spans."""
    return tags_from_spans(spans_from_tags(tags, source), len(tags), target)


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Recognise the scheme of a corpus from its tags.

    `E-` or `S-` occur in IOBES alone. An `I-` that opens a span occurs in IOB1 alone. What is
    left is BIO, which is also what a corpus without any multi-token evidence is read as.

    Raises:
        ConfigError: a tag has an unknown prefix, or IOBES and IOB1 evidence is mixed.
    """
    opens_with_inside = False
    has_iobes_prefix = False
    for tags in sentences:
        previous_label = ""
        for tag in tags:
            prefix, label = split_tag(tag)
            has_iobes_prefix |= prefix in ("E", "S")
            opens_with_inside |= prefix == "I" and label != previous_label
            previous_label = label
    if has_iobes_prefix and opens_with_inside:
        raise ConfigError(
            "expected one tag scheme, got E- or S- tags beside I- tags that open a span"
        )
    if has_iobes_prefix:
        return "IOBES"
    return "IOB1" if opens_with_inside else "BIO"


def tag_inventory(labels: Iterable[str], scheme: Scheme) -> list[str]:
    """All tags of the scheme over `labels`, in id order: `O` is 0, then label by label."""
    return [OUTSIDE, *(f"{prefix}-{label}" for label in labels for prefix in _PREFIXES[scheme])]


def legal_transitions(tags: Sequence[str], scheme: Scheme) -> Legality:
    """Which tag may follow which, open and close a sentence, in BIO or IOBES.

    Raises:
        ConfigError: the scheme is IOB1, in which the legal moves do not make spans unique.
    """
    if scheme == "IOB1":
        raise ConfigError("expected scheme BIO or IOBES for decoding, got IOB1")
    parts = [split_tag(tag) for tag in tags]
    transitions = np.array([[_may_follow(a, b, scheme) for b in parts] for a in parts], dtype=bool)
    outside = (OUTSIDE, "")
    start = np.array([_may_follow(outside, part, scheme) for part in parts], dtype=bool)
    end = np.array([_may_follow(part, outside, scheme) for part in parts], dtype=bool)
    return Legality(transitions, start, end)


def _may_follow(left: tuple[str, str], right: tuple[str, str], scheme: Scheme) -> bool:
    left_prefix, left_label = left
    right_prefix, right_label = right
    continues = right_prefix in ("I", "E")
    if continues:
        return left_label == right_label and left_prefix in ("B", "I")
    return scheme == "BIO" or left_prefix not in ("B", "I")
