"""How far back a loss is felt: the gradient of L_T with respect to the states before it.

Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks",
section 2: dL_T/dh_t is a product of T - t Jacobians dh_k+1/dh_k, so its norm shrinks (vanishing
gradients) or grows (exploding gradients) about exponentially with the distance T - t, unless the
cell keeps a path on which it does neither (Hochreiter and Schmidhuber 1997).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from training.data import Batch, TrainingWindow, WordTypes, make_batch
from training.losses import cross_entropy_by_step
from training.module import TaggerModule


@dataclass(frozen=True, slots=True)
class GradientProfile:
    """Norms of dL_T/dh_t relative to that at distance 0, over windows.

    Attributes:
        median: by distance T - t, from 0.
        lower: the first quartile.
        upper: the third.
        windows: how many were looked at.
    """

    median: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    windows: int

    def reach(self, share: float = 0.01) -> int | None:
        """The first distance at which the median is below `share`; None if it stays above."""
        return next((k for k, value in enumerate(self.median) if value < share), None)


def state_gradient_norms(
    cell: nn.RNNBase, rows: Tensor, last_loss: Callable[[Tensor], Tensor]
) -> Tensor:
    """Norm of dL_T/dh_t for every t, the cell run step by step from a zero state.

    The state of an LSTM is h and c together: c carries the loss back as well.

    Args:
        cell: one layer, one direction, batch first.
        rows: (B, T, width) its inputs.
        last_loss: takes h_T (B, H) to L_T, (B,).

    Returns:
        (B, T).
    """
    states: list[tuple[Tensor, ...]] = []  # each part (1, B, H)
    state: Tensor | tuple[Tensor, ...] | None = None
    for step in range(rows.shape[1]):
        _, state = cell(rows[:, step : step + 1], state)
        states.append(state if isinstance(state, tuple) else (state,))
    parts = [part for parts in states for part in parts]
    loss = last_loss(states[-1][0][0]).sum()
    gradients = torch.autograd.grad(loss, parts, materialize_grads=True)
    squares = torch.stack([gradient[0].square().sum(dim=1) for gradient in gradients])
    by_step = squares.reshape(len(states), -1, len(rows)).sum(dim=1)  # (T, B)
    return by_step.sqrt().T


def gradient_by_distance(
    module: TaggerModule,
    windows: Sequence[TrainingWindow],
    types: WordTypes,
    *,
    steps: int,
    most_windows: int = 128,
) -> GradientProfile | None:
    """How a network's gradient fades over the `steps` slots before the last entity of a window.

    The loss is the cross-entropy of one time step, that entity's last token.

    Returns:
        None for a network with no recurrence, more than one layer or two directions, and where
        no window is long enough.
    """
    network = module.network
    recurrence = network.sentence_encoder.recurrence
    if recurrence is None or len(recurrence.layers) > 1:
        return None
    cells = list(recurrence.layers[0].children())
    chosen = _before_last_entity(windows, steps)[:most_windows]
    if len(cells) > 1 or not chosen:
        return None
    (cell,) = cells
    assert isinstance(cell, nn.RNNBase)
    batch = make_batch(chosen, types)
    rows = _rows(module, batch)
    real = batch.mask[:, -1:]

    def last_loss(states: Tensor) -> Tensor:
        emissions = network.sentence_encoder.output(states).unsqueeze(1)
        return cross_entropy_by_step(emissions, batch.tag_ids[:, -1:], real)[:, 0]

    norms = state_gradient_norms(cell, rows, last_loss).detach().double().numpy()
    norms = norms[norms[:, -1] > 0]
    relative = (norms / norms[:, -1:])[:, ::-1]  # column k: distance k
    if not len(relative):
        return None
    lower, median, upper = np.quantile(relative, (0.25, 0.5, 0.75), axis=0)
    return GradientProfile(
        tuple(median.tolist()), tuple(lower.tolist()), tuple(upper.tolist()), len(relative)
    )


def _before_last_entity(windows: Sequence[TrainingWindow], steps: int) -> list[TrainingWindow]:
    """Of each window `steps` slots that end in an entity, as late as there is one."""
    cut = []
    for window in windows:
        ends = np.flatnonzero(window.tag_ids) + 1
        if len(ends) and (stop := int(ends[-1])) >= steps:
            part = slice(stop - steps, stop)
            cut.append(TrainingWindow(window.types[part], window.tag_ids[part]))
    return cut


def _rows(module: TaggerModule, batch: Batch) -> Tensor:
    """What the recurrence reads, (B, T, width), without dropout."""
    seen: list[Tensor] = []
    encoder = module.network.sentence_encoder
    hook = encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    was_training = module.training
    try:
        with torch.no_grad():
            module.eval()(batch)
    finally:
        module.train(was_training)
        hook.remove()
    return seen[0]
