"""One short segment to its best path and the probabilities of its spans, in few NumPy calls.

`decoding` does the same over a batch and is the reference. There, a step costs some calls for all
segments together; for a single sentence the calls are all that it costs, so here they are fewer:
the way back and the weights of all steps are worked out at once, sums are scaled by the best path
instead of step by step, and only as far as a span asks for them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_service.inference.decoding import (
    FORBIDDEN,
    LEAST_EMISSION,
    DecodingWeights,
    Floats,
    forward_backward,
    span_probabilities,
)

LONGEST = 128
"""Steps. Sums are relative to the best path, so they grow with the number of paths."""
_LEAST_GAIN = -60.0
"""Where the best path gains less in a step than this below the best emission, sums could vanish."""

Found = list[tuple[int, int, int, float]]
"""Spans: first step, step behind the last, tag of the first, probability."""


@dataclass(frozen=True, slots=True)
class SingleDecoder:
    """The CRF's weights in the forms that are needed here.

    Attributes:
        weights: the CRF's, tempered.
        opens: (K,) the tags that begin a span.
        closing: (K, K) the moves that end the span of the tag before, or follow none.
        start: (K,) in single precision, as are the next two.
        transitions: (K, K).
        into: (K, K) the same turned round: from tag j to tag i at [i, j].
        moves: (K, K) exp(transitions).
        first: (K,) exp(start).
        last: (K,) exp(end).
    """

    weights: DecodingWeights
    opens: frozenset[int]
    closing: NDArray[np.bool_]
    start: Floats
    transitions: Floats
    into: Floats
    moves: Floats
    first: Floats
    last: Floats

    @classmethod
    def build(
        cls, weights: DecodingWeights, opens: NDArray[np.bool_], closing: NDArray[np.bool_]
    ) -> "SingleDecoder":
        """Work the forms out, once."""
        return cls(
            weights,
            frozenset(np.flatnonzero(opens).tolist()),
            closing,
            weights.start.astype(np.float32),
            weights.transitions.astype(np.float32),
            np.ascontiguousarray(weights.transitions.T, dtype=np.float32),
            np.exp(weights.transitions.astype(np.float64)),
            np.exp(weights.start.astype(np.float64)),
            np.exp(weights.end.astype(np.float64)),
        )

    def decode(self, emissions: NDArray[np.float32]) -> tuple[list[int], Found]:
        """The best path of a segment and its spans; tags are those of `decoding.viterbi`.

        Args:
            emissions: (T, K), of at most `LONGEST` steps.
        """
        best = self._best(emissions)
        path = self._way_back(best)
        spans = self._spans(path)
        if not spans:
            return path, []
        scores = self._scores(emissions, best, path, spans)
        if scores is None:
            scores = self._careful_scores(emissions, path, spans)
        tags = [path[first] for first, _ in spans]
        return path, [
            (*span, tag, score) for span, tag, score in zip(spans, tags, scores, strict=True)
        ]

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

    def _scores(
        self,
        emissions: NDArray[np.float32],
        best: NDArray[np.float32],
        path: list[int],
        spans: list[tuple[int, int]],
    ) -> list[float] | None:
        """Probability of each span, as in `decoding.span_probabilities`; None if sums may fail."""
        peaks = emissions.max(axis=1)
        gains = best.max(axis=1).astype(np.float64)
        gains[1:] -= gains[:-1].copy()
        gains -= peaks
        if not gains.min() > _LEAST_GAIN:
            return None
        relative = np.maximum((emissions - peaks[:, None]).astype(np.float64), LEAST_EMISSION)
        weights = np.exp(relative - gains[:, None])
        weights[emissions == FORBIDDEN] = 0.0
        steps = list(self.moves * weights[:, None, :])  # T times (K, K): step 0 has none before it
        length, last_first = len(path), spans[-1][0]
        alpha = [self.first * weights[0]]
        for step in steps[1 : last_first + 1]:
            alpha.append(alpha[-1].dot(step))
        lowest = min(spans[0][1], last_first)
        beta = [self.last]  # of the last step, then of those before it
        for step in steps[length - 1 : lowest : -1]:
            beta.append(step.dot(beta[-1]))
        total = float(alpha[last_first].dot(beta[length - 1 - last_first]))
        if not 0.0 < total < float("inf"):
            return None
        scores = []
        for first, end in spans:
            score = float(alpha[first][path[first]]) / total
            for place in range(first + 1, end):
                score *= float(steps[place][path[place - 1], path[place]])
            tag = path[end - 1]
            if end < length:
                onward = steps[end][tag] * self.closing[tag]
                score *= float(onward.dot(beta[length - 1 - end]))
            else:
                score *= float(self.last[tag])
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
