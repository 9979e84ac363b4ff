"""Hypothesis strategies shared by the tests: tags, spans, random CRFs, awkward texts."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from ner_service.tags import Scheme, Span, legal_transitions, tag_inventory
from tests.reference import EnumeratedCRF

LABELS = ("LOC", "PER")

seeds = st.integers(min_value=0, max_value=2**32 - 1)
decoding_schemes = st.sampled_from(("BIO", "IOBES"))

# What breaks offsets and tokenizers: astral emoji and their joiners, combining marks, line ends,
# right-to-left runs, controls, zero-width signs.
_PIECES = (
    "Bob", "bought", "a toy", "Yoda", "U.S.", "New\nYork", "don't", "1996-08-22", "SPAIN", "Ines",
    "Costa", "Lisbon", ".", "! ", "\r\n", "\n\n", "\t", " ", "\x00", "\u200b", "\u202eRTL\u202c",
    "\U0001f600", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f1f5\U0001f1f9", "é",
    "e\u0301", "مرحبا", "שלום", "北京", "ﬁ", "\ufeff", "(", "))", "\"", "-", "https://x.org/a?b=c",
)  # fmt: skip
texts = st.lists(st.sampled_from(_PIECES) | st.text(max_size=4), max_size=24).map("".join) | (
    st.lists(st.sampled_from(_PIECES), max_size=40).map(" ".join)
)
words = st.lists(
    st.sampled_from(_PIECES).filter(bool) | st.text(min_size=1, max_size=6), max_size=20
)


@st.composite
def tag_sequences(draw: st.DrawFn, prefixes: str, *, labels: tuple[str, ...] = LABELS) -> list[str]:
    """Any tags with these prefixes, well formed or not."""
    tags = ["O", *(f"{prefix}-{label}" for prefix in prefixes for label in labels)]
    return draw(st.lists(st.sampled_from(tags), max_size=12))


@st.composite
def sentences_with_spans(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Disjoint spans and the length of the sentence they stand in."""
    spans, position = [], 0
    for gap, length, label in draw(
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from(LABELS)), max_size=5
        )
    ):
        spans.append(Span(position + gap, position + gap + length, label))
        position += gap + length
    return spans, position + draw(st.integers(0, 2))


@dataclass(frozen=True, slots=True)
class CRFCase:
    """A random CRF with a batch of short sequences, longest first.

    Attributes:
        crf: the oracle.
        emissions: each (T, K) float32.
        boundaries: each (T,) bool.
    """

    crf: EnumeratedCRF
    scheme: Scheme
    emissions: list[NDArray[np.float32]]
    boundaries: list[NDArray[np.bool_]]


@st.composite
def crf_cases(
    draw: st.DrawFn, *, scales: tuple[float, ...] = (1.0, 8.0), with_boundaries: bool = True
) -> CRFCase:
    """Small enough to write every path down: up to 4 sequences of up to 4 or 5 tokens."""
    scheme: Scheme = draw(decoding_schemes)
    tags = tuple(tag_inventory(LABELS, scheme))
    longest = 4 if scheme == "IOBES" else 5
    lengths = sorted(draw(st.lists(st.integers(1, longest), min_size=1, max_size=4)), reverse=True)
    generator = np.random.default_rng(draw(seeds))
    scale = draw(st.sampled_from(scales))
    count = len(tags)
    crf = EnumeratedCRF(
        tags,
        scheme,
        # Rounded to float32, so that the oracle sums the numbers that torch sees.
        generator.normal(size=(count, count)).astype(np.float32).astype(np.float64),
        generator.normal(size=count).astype(np.float32).astype(np.float64),
        generator.normal(size=count).astype(np.float32).astype(np.float64),
        temperature=draw(st.sampled_from((1.0, 0.5, 1.7))),
    )
    emissions = [
        (generator.normal(size=(length, count)) * scale).astype(np.float32) for length in lengths
    ]
    chance = 0.25 if with_boundaries and draw(st.booleans()) else 0.0
    boundaries = [generator.random(length) < chance for length in lengths]
    return CRFCase(crf, scheme, emissions, boundaries)


def legality_of(case: CRFCase):
    return legal_transitions(case.crf.tags, case.scheme)
