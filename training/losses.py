"""Cross-entropy over time steps."""

import torch
from torch import Tensor


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
