"""Spans that the model holds possible, chosen or not, with their exact probabilities.

The probability of a span is that of Culotta and McCallum 2004 (see `decoding.span_probabilities`):
all paths that hold exactly this span, over all paths.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_service.inference.decoding import Floats, Lattice
from ner_service.inference.span_tags import SpanTags

Ints = NDArray[np.int64]

_SLACK = 1.0 - 1e-9
"""Bounds are sums in another order than what they bound: a hair's breadth for rounding."""


@dataclass(frozen=True, slots=True)
class Readings:
    """S spans of a batch of segments.

    Attributes:
        rows: (S,) the segment of each.
        starts: (S,) first step.
        ends: (S,) one past the last step.
        labels: (S,) index of the label.
        probabilities: (S,).
    """

    rows: Ints
    starts: Ints
    ends: Ints
    labels: Ints
    probabilities: Floats

    def where(self, chosen: NDArray[np.bool_]) -> "Readings":
        """Some of them."""
        return Readings(
            self.rows[chosen],
            self.starts[chosen],
            self.ends[chosen],
            self.labels[chosen],
            self.probabilities[chosen],
        )


@dataclass(frozen=True, slots=True)
class _Growing:
    """Spans that may go on: the tag of their last step, and the weight of all up to it."""

    rows: Ints
    starts: Ints
    labels: Ints
    tags: Ints
    weights: Floats

    def where(self, chosen: NDArray[np.bool_]) -> "_Growing":
        return _Growing(
            self.rows[chosen],
            self.starts[chosen],
            self.labels[chosen],
            self.tags[chosen],
            self.weights[chosen],
        )


def likely_spans(lattice: Lattice, span_tags: SpanTags, *, least: float) -> Readings:
    """All spans whose probability is at least `least`, whatever path they are on.

    Spans grow token by token from every opening. The probability of the tags so far bounds that of
    every span that begins so; growth stops where the bound falls below `least`. Spans that are open
    at one token exclude each other, so at most 1/least of them are, and the work is linear.
    """
    entering = lattice.emitted / lattice.scale[:, :, None]  # (T, B, K)
    leaving = _leaving(lattice, span_tags, entering)  # (T, B, K)
    bound = least * _SLACK
    opened = lattice.alpha / lattice.total[:, None]  # (T, B, K)
    alone = opened[:, :, span_tags.single] * leaving[:, :, span_tags.single]  # (T, B, L)
    first, rows, labels = np.nonzero(alone >= least)
    found = [Readings(rows, first, first + 1, labels, alone[first, rows, labels])]

    hopeful = (opened * lattice.beta)[:, :, span_tags.first] >= bound
    first, rows, labels = np.nonzero(hopeful)
    tags = span_tags.first[labels]
    growing = _Growing(rows, first, labels, tags, opened[first, rows, tags])
    for length in range(2, len(lattice.alpha) + 1):
        growing = growing.where(growing.starts + length <= lattice.lengths[growing.rows])
        if not len(growing.rows):
            break
        rows, labels, step = growing.rows, growing.labels, growing.starts + length - 1
        last = span_tags.last[labels]
        closed = growing.weights * lattice.moves[growing.tags, last] * entering[step, rows, last]
        closed *= leaving[step, rows, last]
        found.append(
            Readings(rows, growing.starts, growing.starts + length, labels, closed).where(
                closed >= least
            )
        )
        inner = span_tags.inner[labels]
        weights = growing.weights * lattice.moves[growing.tags, inner]
        weights *= entering[step, rows, inner]
        growing = _Growing(rows, growing.starts, labels, inner, weights).where(
            weights * lattice.beta[step, rows, inner] >= bound
        )
    return _joined(found)


def probabilities_of(
    lattice: Lattice, span_tags: SpanTags, rows: Ints, starts: Ints, ends: Ints, labels: Ints
) -> Floats:
    """Exact probability of any S spans, (S,)."""
    entering = lattice.emitted / lattice.scale[:, :, None]
    leaving = _leaving(lattice, span_tags, entering)
    alone = ends - starts == 1
    tags = np.where(alone, span_tags.single[labels], span_tags.first[labels])
    result = lattice.alpha[starts, rows, tags] / lattice.total[rows]
    for offset in range(1, int((ends - starts).max(initial=1))):
        inside = np.flatnonzero(starts + offset < ends)
        step, row, label = starts[inside] + offset, rows[inside], labels[inside]
        is_last = step == ends[inside] - 1
        onward = np.where(is_last, span_tags.last[label], span_tags.inner[label])
        result[inside] *= lattice.moves[tags[inside], onward] * entering[step, row, onward]
        tags[inside] = onward
    return np.minimum(result * leaving[ends - 1, rows, tags], 1.0)


def _leaving(lattice: Lattice, span_tags: SpanTags, entering: Floats) -> Floats:
    """(T, B, K) sum over all that may follow a span whose last tag is k at step t."""
    leaving = np.zeros_like(lattice.beta)
    behind = entering[1:] * lattice.beta[1:]
    leaving[:-1] = behind @ (lattice.moves * span_tags.closing).T
    leaving[lattice.lengths - 1, np.arange(len(lattice.lengths))] = lattice.ends
    return leaving


def _joined(parts: list[Readings]) -> Readings:
    rows, starts, ends, labels, probabilities = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("rows", "starts", "ends", "labels", "probabilities")
    )
    return Readings(rows, starts, ends, labels, np.minimum(probabilities, 1.0))
