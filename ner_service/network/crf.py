"""A linear-chain conditional random field whose paths are well-formed tag sequences only.

Lafferty, McCallum and Pereira 2001; as an output layer of a BiLSTM, Huang, Xu and Yu 2015,
"Bidirectional LSTM-CRF Models for Sequence Tagging". For a sentence of T tokens, emissions e and
tags y the score is

    s(y) = start[y_1] + sum_t e[t, y_t] + sum_t transitions[y_t, y_t+1] + end[y_T]

and p(y) = exp(s(y)) / sum over all legal y' of exp(s(y')).

Boundary slots between the sentences of a window are forced to tag 0, O, wherever the emissions
are used, so that the sentences' paths are independent of each other.
"""

import torch
from torch import Tensor, nn

from ner_service.tags import Legality

FORBIDDEN = -1e4
"""Added to the score of an illegal move: exp() of it is 0 in any precision we use."""


class CRF(nn.Module):
    """Transition weights and the sums over paths that they define.

    With `learned=False` the weights stay zero: what is left is a softmax at each time step,
    restricted to legal sequences.
    """

    start_transitions: Tensor
    transitions: Tensor
    end_transitions: Tensor
    illegal: Tensor
    illegal_start: Tensor
    illegal_end: Tensor

    def __init__(self, legality: Legality, *, learned: bool = True) -> None:
        """Make zero weights for K tags."""
        super().__init__()
        tag_count = len(legality.start)
        for name, shape in (
            ("transitions", (tag_count, tag_count)),
            ("start_transitions", (tag_count,)),
            ("end_transitions", (tag_count,)),
        ):
            weights = torch.zeros(shape)
            if learned:
                self.register_parameter(name, nn.Parameter(weights))
            else:
                self.register_buffer(name, weights)
        for name, legal in (
            ("illegal", legality.transitions),
            ("illegal_start", legality.start),
            ("illegal_end", legality.end),
        ):
            self.register_buffer(name, torch.from_numpy(~legal), persistent=False)

    def log_likelihood(
        self, emissions: Tensor, tags: Tensor, mask: Tensor, boundaries: Tensor | None = None
    ) -> Tensor:
        """Log-probability of each gold path.

        Args:
            emissions: (B, T, K).
            tags: (B, T) int64, a legal path where the mask is True.
            mask: (B, T) bool, True for real slots, which come first.
            boundaries: (B, T) bool, True for slots between sentences.

        Returns:
            (B,), at most 0.
        """
        emissions = force_boundaries(emissions, boundaries)
        return self._path_score(emissions, tags, mask) - self.log_partition(emissions, mask)

    def log_partition(
        self, emissions: Tensor, mask: Tensor, boundaries: Tensor | None = None
    ) -> Tensor:
        """Log of the sum of exp(score) over all legal paths, (B,): the forward algorithm."""
        emissions = force_boundaries(emissions, boundaries)
        transitions, start, end = self.legal_weights()
        alpha = start + emissions[:, 0]  # (B, K)
        # Steps are taken together as far as every sequence reaches; the mask is asked only behind.
        shortest = int(mask.sum(dim=1).min())
        for step, emission in enumerate(emissions.unbind(1)[1:], start=1):
            updated = torch.logsumexp(alpha.unsqueeze(2) + transitions, dim=1) + emission
            if step >= shortest:
                updated = torch.where(mask[:, step].unsqueeze(1), updated, alpha)
            alpha = updated
        return torch.logsumexp(alpha + end, dim=1)

    def marginals(
        self, emissions: Tensor, mask: Tensor, boundaries: Tensor | None = None
    ) -> Tensor:
        """Probability of each tag at each slot, (B, T, K), zero at padding.

        The gradient of the log-partition with respect to the emissions (Sutton and McCallum 2012,
        "An Introduction to Conditional Random Fields", section 4.1).
        """
        with torch.enable_grad():
            leaf = force_boundaries(emissions.detach(), boundaries).requires_grad_()
            (gradient,) = torch.autograd.grad(self.log_partition(leaf, mask).sum(), leaf)
        return gradient * mask.unsqueeze(2)

    def legal_weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """Transitions (K, K), start (K,) and end (K,) with illegal moves at `FORBIDDEN`."""
        return (
            self.transitions.masked_fill(self.illegal, FORBIDDEN),
            self.start_transitions.masked_fill(self.illegal_start, FORBIDDEN),
            self.end_transitions.masked_fill(self.illegal_end, FORBIDDEN),
        )

    def _path_score(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        transitions, start, end = self.legal_weights()
        emitted = emissions.gather(2, tags.unsqueeze(2)).squeeze(2)  # (B, T)
        moved = transitions[tags[:, :-1], tags[:, 1:]]  # (B, T - 1)
        last = tags.gather(1, mask.sum(dim=1, keepdim=True) - 1).squeeze(1)
        return (
            start[tags[:, 0]]
            + (emitted * mask).sum(dim=1)
            + (moved * mask[:, 1:]).sum(dim=1)
            + end[last]
        )


def force_boundaries(emissions: Tensor, boundaries: Tensor | None) -> Tensor:
    """Leave tag 0 the only choice at boundary slots: 0 there, `FORBIDDEN` elsewhere."""
    if boundaries is None:
        return emissions
    forced = emissions.new_full((emissions.shape[2],), FORBIDDEN)
    forced[0] = 0.0
    return torch.where(boundaries.unsqueeze(2), forced, emissions)
