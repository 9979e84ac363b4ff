"""Losses: cross-entropy over time steps, and of a CRF against a teacher."""

import torch
from torch import Tensor

from ner_service.artifact.config import OutputLayer
from ner_service.network import CRF
from ner_service.network.crf import force_boundaries
from training.data import Batch


def window_losses(crf: CRF, emissions: Tensor, batch: Batch, *, output: OutputLayer) -> Tensor:
    """The loss of each window, (B,), as the output layer asks.

    Of a CRF the negative log-likelihood, or the cross-entropy against a teacher's beliefs where
    the batch has them; else the cross-entropy summed over the time steps.
    """
    if output != "crf":
        real = batch.mask & ~batch.boundaries
        return cross_entropy_by_step(emissions, batch.tag_ids, real).sum(dim=1)
    if batch.marginals is not None and batch.moves is not None:
        return distillation_loss(
            crf,
            emissions,
            batch.mask,
            batch.boundaries,
            marginals=batch.marginals,
            moves=batch.moves,
        )
    return -crf.log_likelihood(emissions, batch.tag_ids, batch.mask, batch.boundaries)


def cross_entropy_by_step(emissions: Tensor, tag_ids: Tensor, mask: Tensor) -> Tensor:
    """L_1 ... L_T: the cross-entropy of each time step; a sentence's loss is their sum.

    L_t = -log softmax(e_t)[y_t] (Goodfellow, Bengio and Courville 2016, "Deep Learning",
    section 10.2).

    Args:
        emissions: (B, T, K).
        tag_ids: (B, T) int64.
        mask: (B, T) bool, True where a loss is wanted.

    Returns:
        (B, T), 0 where the mask is False.
    """
    log_probabilities = torch.log_softmax(emissions, dim=2)
    losses = -log_probabilities.gather(2, tag_ids.unsqueeze(2)).squeeze(2)
    return losses * mask


def distillation_loss(
    crf: CRF,
    emissions: Tensor,
    mask: Tensor,
    boundaries: Tensor,
    *,
    marginals: Tensor,
    moves: Tensor,
) -> Tensor:
    """Cross-entropy of a CRF against a distribution over paths that is known by its marginals.

    -sum_y q(y) log p(y) = log Z - sum_t q(y_t) e_t - sum_t q(y_t, y_t+1) transitions - ends: the
    score of a path is a sum over its parts, so the teacher's marginals of the parts are all that
    is needed (Wang et al. 2021, "Structural Knowledge Distillation", section 3.2). With a gold
    path's 0 and 1 as marginals it is the negative log-likelihood.

    Args:
        crf: the student's.
        emissions: (B, T, K) the student's.
        mask: (B, T) bool, True for real slots, which come first.
        boundaries: (B, T) bool, True between sentences.
        marginals: (B, T, K) q of each slot's tag, zero at padding.
        moves: (B, K, K) expected number of each transition under q.

    Returns:
        (B,).
    """
    emissions = force_boundaries(emissions, boundaries)
    transitions, start, end = crf.legal_weights()
    rows = torch.arange(len(mask), device=mask.device)
    expected = (
        (marginals * emissions).sum(dim=(1, 2))
        + (moves * transitions).sum(dim=(1, 2))
        + marginals[:, 0] @ start
        + marginals[rows, mask.sum(dim=1) - 1] @ end
    )
    return crf.log_partition(emissions, mask) - expected
