"""How neighbours change emissions.

Wang et al. 2022, "kNN-NER: Named Entity Recognition with Nearest Neighbor Search", mix a token's
tag distribution with that of its nearest neighbours. Under a CRF a token has no distribution of its
own but potentials, exp(emission), and the mixture is made of those: neighbours vote with weights
that fall with distance, and the votes for tag k are added to its potential,

    exp(emission'[k]) = exp(emission[k]) + votes[k] * reference,

where the reference is the potential of the likeliest tag over its marginal: votes of weight 1 count
as much as a model that is sure. It is kNN-NER's interpolation with a weight of the neighbours that
grows with their number and nearness, instead of a constant. Where nobody votes, nothing changes, to
the last bit; and a tag that the model lacks has potential 0, so that votes alone can make it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TRAINED, KNOWN, NEW = 0, 1, 2
"""What the model has seen of a form: in training, only as a word vector, nothing at all. The less
it has seen, the more it is worth that somebody taught the form."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Weight of a neighbour at a cosine: `weight` at 1, a factor e less for each `width` below."""

    weight: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Voting:
    """Who is asked and what votes weigh; `python -m training.tune_memory` finds weights.

    Attributes:
        forms: for neighbours of the token's own form, by what the model has seen of the form.
        states: for the nearest neighbours of any form.
        neighbours: so many vote at most, of each kind.
        sure: a token whose likeliest tag has this marginal is sure ...
        agreeing: ... and asks nobody if so large a share of its form's neighbours has that tag.
        audible: nor does a sure token ask where the others' votes weigh no more than this together.
        least: a neighbour of the token's form whose vote weighs less does not vote.
        uncertain: a token whose likeliest tag has less asks neighbours of any form.
    """

    forms: tuple[Kernel, Kernel, Kernel] = (Kernel(30, 0.01), Kernel(3, 0.1), Kernel(100, 1.0))
    states: Kernel = Kernel(0.3, 0.05)
    neighbours: int = 16
    sure: float = 0.95
    agreeing: float = 0.9
    audible: float = 0.05
    least: float = 0.001
    uncertain: float = 0.3


@dataclass(frozen=True, slots=True)
class Ballot:
    """V votes.

    Attributes:
        rows: (V,) the slot voted for.
        entries: (V,) the neighbour that votes.
        cosines: (V,) how near it is.
        weights: (V,) what its vote weighs.
    """

    rows: NDArray[np.int64]
    entries: NDArray[np.int64]
    cosines: NDArray[np.float32]
    weights: NDArray[np.float64]


def kernel_weights(
    kernels: tuple[Kernel, ...], kinds: NDArray[np.int64], cosines: NDArray[np.float32]
) -> NDArray[np.float64]:
    """What neighbours at these cosines weigh; `kinds` says which kernel each has."""
    heights = np.array([kernel.weight for kernel in kernels])
    widths = np.array([kernel.width for kernel in kernels])
    weights: NDArray[np.float64] = heights[kinds] * np.exp(
        (cosines.astype(np.float64) - 1.0) / widths[kinds]
    )
    return weights


def count_votes(ballot: Ballot, entry_tags: NDArray[np.int64], shape: tuple[int, int]) -> (
    NDArray[np.float64]
):  # fmt: skip
    """Sum the votes for each tag of each slot, (S, K)."""
    votes = np.zeros(shape)
    np.add.at(votes, (ballot.rows, entry_tags[ballot.entries]), ballot.weights)
    return votes


def mixed(
    emissions: NDArray[np.float32], marginals: NDArray[np.float64], votes: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Add votes to the potentials of N slots.

    Args:
        emissions: (N, K), tempered.
        marginals: (N, K') over the K' <= K tags that the model has.
        votes: (N, K).
    """
    best = marginals.argmax(axis=1)
    rows = np.arange(len(best))
    reference = emissions[rows, best] - np.log(marginals[rows, best])
    with np.errstate(divide="ignore"):  # no votes: log 0, which adds nothing
        added = np.log(votes) + reference[:, None]
    result = np.logaddexp(emissions.astype(np.float64), added).astype(np.float32)
    return np.where(votes > 0, result, emissions)


def from_votes(
    marginals: NDArray[np.float64], votes: NDArray[np.float64], tag_ids: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether a slot's tag got more from votes than from the model, (N,)."""
    rows = np.arange(len(tag_ids))
    known = tag_ids < marginals.shape[1]
    own = np.where(known, marginals[rows, np.where(known, tag_ids, 0)], 0.0)
    result: NDArray[np.bool_] = votes[rows, tag_ids] > own
    return result
