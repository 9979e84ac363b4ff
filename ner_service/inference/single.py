"""One short segment to its best path and the probabilities of its spans, in few NumPy calls.

`decoding` does the same over a batch and is the reference. There, a step costs some calls for all
segments together; for a single sentence the calls are all that it costs, so here they are fewer.
The sums come first, unscaled, with one call a step and direction. Usually one path has more than
half of the probability: it is the best one, it goes through the most probable tag of every step,
and nothing has to be searched.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ner_service.inference.decoding import (
    FORBIDDEN,
    DecodingWeights,
    Floats,
    forward_backward,
    span_probabilities,
)

LONGEST = 128
"""Steps. Sums are not scaled, so they grow and shrink with every step."""
_STEPS = np.arange(LONGEST)
_PRECISION = float(np.finfo(np.float32).eps)
_MOST_GROWTH = 1e85
"""No sum over paths may become greater than this, whatever the emissions, ..."""
_LEAST_TOTAL = 1e-35
"""... and that over all of them not smaller: then neither what is too small for a number nor what
goes through an emission below `decoding.LEAST_EMISSION` is a share of it that counts."""
_SURE = 0.6
"""A path of more than half of the probability is the best one. With this much, its score is better
than any other's by log(0.6 / 0.4) or more, and no search in single precision finds another, ..."""
_MOST_ROUNDING = 0.1
"""... if its sums are off by no more than this."""

Found = list[tuple[int, int, int, float]]
"""Spans: first step, step behind the last, tag of the first, probability."""


class _Sums(NamedTuple):
    """Sums over the paths of a segment.

    Attributes:
        steps: (T, K, K) weight of the step to tag j at step t from tag i at [t, j, i]; none at 0.
        alpha: (T, K) over all ways to a tag.
        beta: (T, K) over all ways on from a tag.
        total: over all paths.
    """

    steps: Floats
    alpha: Floats
    beta: Floats
    total: float


class _Workspace:
    """Room for the sums of one segment after the other, and lists of its rows.

    To make a view of a row takes about as long as to multiply by it, so all are made beforehand.
    """

    def __init__(self, tag_count: int) -> None:
        self.steps = np.empty((LONGEST, tag_count, tag_count))
        self.alpha, self.beta = np.empty((2, LONGEST, tag_count))
        self.moves, self.ahead, self.behind = list(self.steps), list(self.alpha), list(self.beta)


@dataclass(frozen=True, slots=True)
class SingleDecoder:
    """The CRF's weights in the forms that are needed here. Not for several threads at once.

    Attributes:
        weights: the CRF's, tempered.
        opens: (K,) the tags that begin a span.
        closing: (K, K) the moves that end the span of the tag before, or follow none.
        final: the tags behind which no span goes on.
        start: (K,) in single precision, as are the next two.
        transitions: (K, K).
        into: (K, K) the same turned round: from tag j to tag i at [i, j].
        moves: (K, K) exp(into).
        first: (K,) exp(start).
        last: (K,) exp(end).
        longest: steps after which a sum could be too great.
        largest: of the legal moves' scores, either sign.
        room: for the sums, which are good until the next segment.
    """

    weights: DecodingWeights
    opens: frozenset[int]
    closing: NDArray[np.bool_]
    final: frozenset[int]
    start: Floats
    transitions: Floats
    into: Floats
    moves: Floats
    first: Floats
    last: Floats
    longest: int
    largest: float
    room: _Workspace

    @classmethod
    def build(
        cls, weights: DecodingWeights, opens: NDArray[np.bool_], closing: NDArray[np.bool_]
    ) -> "SingleDecoder":
        """Work the forms out, once."""
        moves = np.exp(np.ascontiguousarray(weights.transitions.T, dtype=np.float64))
        first = np.exp(weights.start.astype(np.float64))
        last = np.exp(weights.end.astype(np.float64))
        return cls(
            weights,
            frozenset(np.flatnonzero(opens).tolist()),
            closing,
            frozenset(np.flatnonzero(closing.all(axis=1)).tolist()),
            weights.start.astype(np.float32),
            weights.transitions.astype(np.float32),
            np.ascontiguousarray(weights.transitions.T, dtype=np.float32),
            moves,
            first,
            last,
            min(_safe_steps(first, moves.T), _safe_steps(last, moves)),
            max(
                float(np.abs(scores[scores != FORBIDDEN]).max(initial=0.0))
                for scores in (weights.start, weights.transitions, weights.end)
            ),
            _Workspace(len(first)),
        )

    def decode(self, emissions: NDArray[np.float32]) -> tuple[list[int], Found]:
        """The best path of a segment and its spans; tags are those of `decoding.viterbi`.

        Args:
            emissions: (T, K), of at most `LONGEST` steps.
        """
        sums = self._sums(emissions)
        path = None if sums is None else self._likely(sums)
        if path is None:
            path = self._way_back(self._best(emissions))
        spans = self._spans(path)
        if not spans:
            return path, []
        if sums is None:
            scores = self._careful_scores(emissions, path, spans)
        else:
            scores = self._scores(sums, path, spans)
        tags = [path[first] for first, _ in spans]
        return path, [
            (*span, tag, score) for span, tag, score in zip(spans, tags, scores, strict=True)
        ]

    def _sums(self, emissions: NDArray[np.float32]) -> _Sums | None:
        """Sums as in `decoding.forward_backward`, unscaled; None where they may fail."""
        length = len(emissions)
        peaks = np.maximum.reduce(emissions, axis=1)
        # The score of a good path is at most this; each step adds three numbers.
        magnitude = sum(map(abs, peaks.tolist())) + length * self.largest
        if length > self.longest or 3 * length * magnitude * _PRECISION > _MOST_ROUNDING:
            return None
        # What `LEAST_EMISSION` would lift does not count here: see `_LEAST_TOTAL`.
        weights = np.exp(emissions - peaks[:, None], dtype=np.float64)
        room = self.room
        steps = np.multiply(self.moves, weights[:, :, None], room.steps[:length])
        moves, ahead, behind = room.moves, room.ahead, room.behind
        before = np.multiply(self.first, weights[0], ahead[0])
        for place in range(1, length):
            before = moves[place].dot(before, ahead[place])  # np.dot takes half as long again
        total = float(before.dot(self.last))
        if not total > _LEAST_TOTAL:
            return None
        after = behind[length - 1]
        after[:] = self.last
        for place in range(length - 1, 0, -1):
            after = after.dot(moves[place], behind[place - 1])
        return _Sums(steps, room.alpha[:length], room.beta[:length], total)

    def _likely(self, sums: _Sums) -> list[int] | None:
        """The path that has more than half of the probability, if there is one."""
        path = (sums.alpha * sums.beta).argmax(axis=1)
        moved = sums.steps[_STEPS[1 : len(path)], path[1:], path[:-1]]
        weight = sums.alpha[0, path[0]] * np.multiply.reduce(moved) * self.last[path[-1]]
        likely: list[int] = path.tolist()
        return likely if weight > _SURE * sums.total else None

    def _best(self, emissions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score of the best way to each tag at each step; the very sums of `decoding.viterbi`."""
        best = np.empty_like(emissions)
        np.add(emissions[0], self.start, best[0])
        transitions = self.transitions
        arrived = np.empty_like(transitions)
        add, reduce = np.add, np.maximum.reduce
        columns = list(best[:-1, :, None])
        for before, now, emitted in zip(columns, best[1:], emissions[1:], strict=True):
            add(before, transitions, arrived)
            reduce(arrived, 0, None, now)
            add(now, emitted, now)
        return best

    def _way_back(self, best: NDArray[np.float32]) -> list[int]:
        came_from = (best[:-1, None, :] + self.into).argmax(axis=2).tolist()  # (T - 1, K)
        tag = int((best[-1] + self.weights.end).argmax())
        path = [tag]
        for origins in reversed(came_from):
            tag = origins[tag]
            path.append(tag)
        path.reverse()
        return path

    def _spans(self, path: list[int]) -> list[tuple[int, int]]:
        spans = []
        length = len(path)
        for first, tag in enumerate(path):
            if tag in self.opens:
                end = first + 1
                while end < length and not self.closing[path[end - 1], path[end]]:
                    end += 1
                spans.append((first, end))
        return spans

    def _scores(self, sums: _Sums, path: list[int], spans: list[tuple[int, int]]) -> list[float]:
        """Probability of each span, as in `decoding.span_probabilities`."""
        steps, alpha, beta = sums.steps, sums.alpha, sums.beta
        scores = []
        for first, end in spans:
            score = float(alpha[first, path[first]]) / sums.total
            for place in range(first + 1, end):
                score *= float(steps[place, path[place], path[place - 1]])
            tag = path[end - 1]
            if tag in self.final or end == len(path):
                score *= float(beta[end - 1, tag])
            else:
                score *= float((steps[end, :, tag] * self.closing[tag]).dot(beta[end]))
            scores.append(min(score, 1.0))
        return scores

    def _careful_scores(
        self, emissions: NDArray[np.float32], path: list[int], spans: list[tuple[int, int]]
    ) -> list[float]:
        lattice = forward_backward(emissions[:, None], np.array([len(path)]), self.weights)
        firsts, ends = np.array(spans).T
        paths = np.array(path)[:, None]
        rows = np.zeros(len(spans), dtype=np.int64)
        found = span_probabilities(lattice, rows, firsts, ends, paths, self.closing)
        scores: list[float] = found.tolist()
        return scores


def _safe_steps(sums: Floats, moves: Floats) -> int:
    """For how many steps no sum is too great: an emission weighs at most 1."""
    for step in range(LONGEST):
        if not sums.max() < _MOST_GROWTH:
            return step
        sums = sums @ moves
    return LONGEST
