"""Emissions to tags and exact probabilities, in NumPy, over a batch of segments at once.

Arrays are time-major, (T, B, K). Segments of a batch come longest first, so that at step t the
first `active[t]` of them are still running and no mask is needed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ner_service.tags import Legality

FORBIDDEN = -np.inf
"""Score of what may not be: no emission, however large, outweighs it, and exp() of it is 0."""

LEAST_EMISSION = -300.0
"""No emission counts as further below the step's best: every sum stays above underflow, whatever
the network says, since a legal move out of the likeliest tag always exists. Networks that bounded
states feed stay within a tenth of this, where sums are exact."""

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class DecodingWeights:
    """CRF weights, illegal moves at `FORBIDDEN`.

    Attributes:
        transitions: (K, K), from tag i to tag j.
        start: (K,).
        end: (K,).
    """

    transitions: Floats
    start: Floats
    end: Floats

    @classmethod
    def build(
        cls, transitions: Floats, start: Floats, end: Floats, legality: Legality
    ) -> "DecodingWeights":
        """Forbid what the scheme forbids."""
        return cls(
            np.where(legality.transitions, transitions, FORBIDDEN),
            np.where(legality.start, start, FORBIDDEN),
            np.where(legality.end, end, FORBIDDEN),
        )

    def tempered(self, temperature: float) -> "DecodingWeights":
        """The CRF of the same scores divided by `temperature` (illegal moves stay illegal)."""
        return DecodingWeights(
            *(
                np.where(weights <= FORBIDDEN, FORBIDDEN, weights / temperature)
                for weights in (self.transitions, self.start, self.end)
            )
        )


@dataclass(frozen=True, slots=True)
class Lattice:
    """Scaled forward and backward sums over all legal paths of a batch.

    Rabiner 1989, "A Tutorial on Hidden Markov Models", section V.A: at every step the forward
    variables are divided by their sum `scale[t]`, and the backward ones by the same number, so
    that `alpha[t] * beta[t]` are the marginals of step t.

    Attributes:
        alpha: (T, B, K).
        beta: (T, B, K).
        emitted: (T, B, K), exp(emission - its maximum over tags).
        scale: (T, B).
        moves: (K, K), exp(transitions).
        ends: (K,), exp(end).
        total: (B,), sum of alpha * ends at the last step.
        log_partition: (B,).
        lengths: (B,).
    """

    alpha: Floats
    beta: Floats
    emitted: Floats
    scale: Floats
    moves: Floats
    ends: Floats
    total: Floats
    log_partition: Floats
    lengths: NDArray[np.int64]


def active_counts(lengths: NDArray[np.int64]) -> list[int]:
    """How many segments are still running at each step, for lengths that fall."""
    steps = np.arange(int(lengths[0]) if len(lengths) else 0)
    counts: list[int] = np.searchsorted(-lengths, -steps, side="left").tolist()
    return counts


def viterbi(
    emissions: Floats, lengths: NDArray[np.int64], weights: DecodingWeights
) -> NDArray[np.int64]:
    """The best legal path of each segment.

    Viterbi 1967; Forney 1973, "The Viterbi Algorithm". Only the best scores are kept on the way
    forward; the way back asks again where the best one came from, for one tag instead of all.

    Args:
        emissions: (T, B, K).
        lengths: (B,), falling, at least 1.
        weights: the CRF's.

    Returns:
        (T, B) tag ids, 0 behind a segment's end. Of equal paths the one with lower ids at the end.
    """
    step_count, batch, _ = emissions.shape
    active = active_counts(lengths)
    sources, moves = _legal_moves(weights.transitions.astype(emissions.dtype))
    # The batch is the last axis here: NumPy's inner loops run along it, not along the few tags.
    by_tag = np.ascontiguousarray(emissions.transpose(0, 2, 1))  # (T, K, B)
    best = np.empty_like(by_tag)
    best[0] = by_tag[0] + weights.start.astype(emissions.dtype)[:, None]
    for step in range(1, step_count):
        n = active[step]
        arrived = best[step - 1, :, :n].take(sources, axis=0)  # (M, K, n)
        arrived += moves
        np.maximum.reduce(arrived, axis=0, out=best[step, :, :n])
        best[step, :, :n] += by_tag[step, :, :n]
    best = best.transpose(0, 2, 1)  # (T, B, K)
    paths = np.zeros((step_count, batch), dtype=np.int64)
    rows = np.arange(batch)
    final = best[lengths - 1, rows] + weights.end
    into = np.ascontiguousarray(weights.transitions.T.astype(emissions.dtype))  # (to, from)
    tags = final.argmax(axis=1)
    for step in range(step_count - 1, -1, -1):
        n = active[step]
        running = active[step + 1] if step + 1 < step_count else 0
        if running:
            tags[:running] = (best[step, :running] + into[tags[:running]]).argmax(axis=1)
        paths[step, :n] = tags[:n]
    return paths


def _legal_moves(transitions: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Of (K, K) moves the legal ones into each tag: their tags (M, K) and scores (M, K, 1).

    M is the most that any tag has; a tag with fewer has illegal ones behind them. In a scheme of
    many tags most moves are illegal, and need not be tried.
    """
    legal = transitions > FORBIDDEN
    sources = np.argsort(~legal, axis=0, kind="stable")[: legal.sum(axis=0).max()]
    return sources, np.take_along_axis(transitions, sources, axis=0)[:, :, None]


def forward_backward(
    emissions: Floats, lengths: NDArray[np.int64], weights: DecodingWeights
) -> Lattice:
    """Sums over all legal paths, in double precision.

    Args:
        emissions: (T, B, K).
        lengths: (B,), falling, at least 1.
        weights: the CRF's; tempered, if probabilities should be.
    """
    step_count, batch, tag_count = emissions.shape
    active = active_counts(lengths)
    # (T, B); NumPy is quick along the last axis, not over the few tags.
    peaks = np.ascontiguousarray(emissions.transpose(2, 0, 1)).max(axis=0)
    emitted = np.exp(np.maximum(emissions - peaks[:, :, None], LEAST_EMISSION), dtype=np.float64)
    emitted[emissions == FORBIDDEN] = 0.0
    moves = np.exp(weights.transitions.astype(np.float64))
    ends = np.exp(weights.end.astype(np.float64))
    alpha = np.zeros((step_count, batch, tag_count))
    beta = np.zeros((step_count, batch, tag_count))
    scale = np.ones((step_count, batch))

    alpha[0] = np.exp(weights.start.astype(np.float64)) * emitted[0]
    for step in range(step_count):
        n = active[step]
        now = alpha[step, :n]
        if step:
            np.matmul(alpha[step - 1, :n], moves, out=now)
            now *= emitted[step, :n]
        now.sum(axis=1, out=scale[step, :n])
        now /= scale[step, :n, None]

    rows = np.arange(batch)
    beta[lengths - 1, rows] = ends
    back = np.ascontiguousarray(moves.T)
    for step in range(step_count - 2, -1, -1):
        n = active[step + 1]
        weighted = emitted[step + 1, :n] / scale[step + 1, :n, None]
        weighted *= beta[step + 1, :n]
        np.matmul(weighted, back, out=beta[step, :n])

    total = (alpha[lengths - 1, rows] * ends).sum(axis=1)
    real = np.arange(step_count)[:, None] < lengths
    log_partition = ((np.log(scale) + peaks) * real).sum(axis=0) + np.log(total)
    return Lattice(alpha, beta, emitted, scale, moves, ends, total, log_partition, lengths)


def marginals(lattice: Lattice) -> Floats:
    """Probability of each tag at each step, (T, B, K), zero behind a segment's end."""
    return lattice.alpha * lattice.beta / lattice.total[:, None]


def transition_counts(lattice: Lattice) -> Floats:
    """Expected number of each transition in a segment, (B, K, K)."""
    onward = lattice.emitted[1:] * lattice.beta[1:] / lattice.scale[1:, :, None]
    counts: Floats = np.einsum("tbi,tbj->bij", lattice.alpha[:-1], onward)
    return counts * lattice.moves / lattice.total[:, None, None]


def span_probabilities(
    lattice: Lattice,
    segments: NDArray[np.integer[Any]],
    starts: NDArray[np.integer[Any]],
    ends: NDArray[np.integer[Any]],
    paths: NDArray[np.int64],
    closing: NDArray[np.bool_],
) -> Floats:
    """Exact probability that a segment has a span exactly there, for S spans at once.

    The constrained forward pass of Culotta and McCallum 2004, "Confidence Estimation for
    Information Extraction": all paths that hold the span's tags inside it and do not continue it
    behind, over all paths. Inside a span there is one path, so the constrained sum is a product.

    Args:
        lattice: of the batch.
        segments: (S,) the segment of each span.
        starts: (S,) its first step.
        ends: (S,) one past its last step.
        paths: (T, B) tag ids whose spans these are.
        closing: (K, K) bool, True where a move from tag i to tag j ends i's span.

    Returns:
        (S,) probabilities.
    """
    if not len(segments):
        return np.zeros(0)
    rows, first, last = segments, starts, ends - 1
    probabilities = lattice.alpha[first, rows, paths[first, rows]]
    probabilities = probabilities / lattice.total[rows]
    longest = int((last - first).max())
    for offset in range(1, longest + 1):
        inside = np.flatnonzero(first + offset <= last)
        step, row = first[inside] + offset, rows[inside]
        tag, before = paths[step, row], paths[step - 1, row]
        probabilities[inside] *= (
            lattice.moves[before, tag] * lattice.emitted[step, row, tag] / lattice.scale[step, row]
        )
    final = paths[last, rows]
    behind = np.minimum(last + 1, len(lattice.alpha) - 1)
    onward = (  # (S, K): the next step's tags, weighted by all that may follow them
        lattice.moves[final]
        * closing[final]
        * lattice.emitted[behind, rows]
        * lattice.beta[behind, rows]
        / lattice.scale[behind, rows][:, None]
    ).sum(axis=1)
    onward = np.where(last + 1 < lattice.lengths[rows], onward, lattice.ends[final])
    result: Floats = np.minimum(probabilities * onward, 1.0)
    return result
