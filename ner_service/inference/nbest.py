"""The likeliest labellings, exactly: k best paths of a segment, then k best combinations of them.

Segments do not influence each other, so a labelling of a document is one path a segment and its
log-probability the sum of theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest

import numpy as np
from numpy.typing import NDArray

from ner_service.inference.decoding import DecodingWeights, Floats, active_counts


def k_best_paths(
    emissions: Floats, lengths: NDArray[np.int64], weights: DecodingWeights, *, k: int
) -> tuple[NDArray[np.int64], Floats]:
    """The k best legal paths of each segment, best first.

    The parallel list Viterbi algorithm of Seshadri and Sundberg 1994, "List Viterbi Decoding
    Algorithms with Applications": every tag at every step keeps its k best ways to get there.

    Args:
        emissions: (T, B, K).
        lengths: (B,), falling, at least 1.
        weights: the CRF's.
        k: how many.

    Returns:
        Paths (T, B, k), 0 behind a segment's end, and scores (B, k), minus infinity where a segment
        has fewer legal paths.
    """
    steps, batch, tags = emissions.shape
    active = active_counts(lengths)
    best = np.full((batch, tags, k), -np.inf)
    best[:, :, 0] = weights.start + emissions[0]
    came_from = np.zeros((steps, batch, tags, k), dtype=np.int32)  # tag * k + rank
    moves = weights.transitions[None, :, None, :]  # (1, K, 1, K)
    for step in range(1, steps):
        n = active[step]
        arrived = (best[:n, :, :, None] + moves).reshape(n, tags * k, tags)
        came_from[step, :n], scores = _top(arrived.transpose(0, 2, 1), k)
        best[:n] = scores + emissions[step, :n, :, None]
    places, scores = _top((best + weights.end[:, None]).reshape(batch, 1, tags * k), k)
    cursor = places[:, 0]  # (B, k)
    paths = np.zeros((steps, batch, k), dtype=np.int64)
    rows = np.arange(batch)[:, None]
    for step in range(steps - 1, -1, -1):
        n = active[step]
        tag, rank = np.divmod(cursor[:n], k)
        paths[step, :n] = tag
        cursor[:n] = came_from[step, rows[:n], tag, rank]
    return paths, scores[:, 0]


@dataclass(frozen=True, slots=True)
class Combination:
    """One choice for every part.

    Attributes:
        log_probability: sum over the parts.
        ranks: of the parts that do not take their best choice, the rank of what they take.
    """

    log_probability: float
    ranks: dict[int, int]


def k_best_combinations(choices: Sequence[Sequence[float]], k: int) -> list[Combination]:
    """The k best ways to make one choice for every part, best first.

    Args:
        choices: log-probabilities of each part's choices, falling, at least one a part.
        k: how many.
    """
    everywhere_best = sum(scores[0] for scores in choices)
    best = [Combination(everywhere_best, {})]
    for part in least_sure(choices, k):
        scores = choices[part]
        best = nlargest(
            k,
            (
                # Of two falling lists, only pairs with (i + 1)(j + 1) <= k can be among the k best.
                Combination(
                    combination.log_probability + scores[rank] - scores[0],
                    {**combination.ranks, part: rank} if rank else combination.ranks,
                )
                for place, combination in enumerate(best)
                for rank in range(min(len(scores), k // (place + 1)))
            ),
            key=lambda combination: combination.log_probability,
        )
    return best


def least_sure(choices: Sequence[Sequence[float]], k: int) -> list[int]:
    """The parts, at most k - 1, that may differ from their best choice in the k best combinations.

    A combination that changes any other part is beaten by k others: the best one, and those that
    change just one of these.
    """
    gaps = sorted(
        (scores[0] - scores[1], part) for part, scores in enumerate(choices) if len(scores) > 1
    )
    return [part for _, part in gaps[: k - 1]]


def _top(values: Floats, k: int) -> tuple[NDArray[np.int64], Floats]:
    """Places and values of the k largest along the last axis; of equal ones the first."""
    places = np.argsort(-values, axis=-1, kind="stable")[..., :k]
    return places, np.take_along_axis(values, places, axis=-1)
