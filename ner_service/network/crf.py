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
        """Log of the sum of exp(score) over all legal paths, (B,): the forward algorithm.

        Step by step on a processor; on a GPU, where each step is a launch, in halves.
        """
        emissions = force_boundaries(emissions, boundaries)
        return (self._by_halves if emissions.is_cuda else self._by_steps)(emissions, mask)

    def _by_steps(self, emissions: Tensor, mask: Tensor) -> Tensor:
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

    def _by_halves(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The same sum in log2(T) rounds, as K times the work that can all go on at once.

        A step is a matrix in the semiring of logsumexp and +, and a product of matrices can be
        taken in pairs (Rush 2020, "Torch-Struct: Deep Structured Prediction Library").
        """
        transitions, start, end = self.legal_weights()
        same = torch.full_like(transitions, FORBIDDEN).fill_diagonal_(0.0)
        steps = transitions + emissions[:, 1:].unsqueeze(2)  # (B, T - 1, from, to)
        steps = torch.where(mask[:, 1:, None, None], steps, same)
        while steps.shape[1] > 1:
            left, right = steps[:, 0:-1:2], steps[:, 1::2]
            pairs = torch.logsumexp(left.unsqueeze(4) + right.unsqueeze(2), dim=3)
            # An odd one out stands behind all pairs and waits for the next round.
            steps = torch.cat([pairs, steps[:, 2 * right.shape[1] :]], dim=1)
        alpha = start + emissions[:, 0]
        for step in steps.unbind(1):
            alpha = torch.logsumexp(alpha.unsqueeze(2) + step, dim=1)
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
