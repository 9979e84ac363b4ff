from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training.config import load_config
from training.corpus import load_corpus
from training.gradients import GradientProfile, gradient_by_distance, state_gradient_norms
from training.train import make_module, prepare

ROOT = Path(__file__).parents[2]
STEPS = 6


def cell_of(kind: str) -> nn.RNNBase:
    torch.manual_seed(3)
    kinds = {"lstm": nn.LSTM, "gru": nn.GRU}
    if kind in kinds:
        return kinds[kind](2, 3, batch_first=True).double()
    return nn.RNN(2, 3, nonlinearity=kind, batch_first=True).double()


def rows_of(batch: int = 2, steps: int = STEPS) -> torch.Tensor:
    return torch.randn(batch, steps, 2, generator=torch.Generator().manual_seed(4)).double()


def squared(states: torch.Tensor) -> torch.Tensor:
    return states.square().sum(dim=1)


def test_tanh_gradient_is_the_product_of_jacobians():
    cell, rows = cell_of("tanh"), rows_of()
    norms = state_gradient_norms(cell, rows, squared)
    states = cell(rows)[0].detach().numpy()  # (B, T, H)
    weight = cell.weight_hh_l0.detach().numpy()
    for item, expected in enumerate(2 * states[:, -1]):
        gradient = expected
        for step in reversed(range(STEPS)):
            assert norms[item, step].item() == pytest.approx(np.linalg.norm(gradient))
            gradient = weight.T @ (gradient * (1 - states[item, step] ** 2))


@pytest.mark.parametrize("kind", ["tanh", "relu", "gru", "lstm"])
@pytest.mark.parametrize("step", [0, 3, STEPS - 1])
def test_gradient_agrees_with_finite_differences(kind, step):
    cell, rows = cell_of(kind), rows_of(batch=1)
    norm = state_gradient_norms(cell, rows, squared)[0, step].item()
    with torch.no_grad():
        state = cell(rows[:, : step + 1])[1]
        parts = list(state) if kind == "lstm" else [state]

        def loss(parts: list[torch.Tensor]) -> float:
            rest = rows[:, step + 1 :]
            final = parts[0]
            if rest.shape[1]:
                ended = cell(rest, tuple(parts) if kind == "lstm" else parts[0])[1]
                final = ended[0] if kind == "lstm" else ended
            return squared(final[0]).item()

        squares = 0.0
        for place, part in enumerate(parts):
            for unit in range(part.shape[2]):
                losses = []
                for nudge in (1e-6, -1e-6):
                    moved = [each.clone() for each in parts]
                    moved[place][0, 0, unit] += nudge
                    losses.append(loss(moved))
                squares += ((losses[0] - losses[1]) / 2e-6) ** 2
    assert norm == pytest.approx(squares**0.5, rel=1e-4)


def test_small_recurrent_weights_make_the_gradient_vanish_and_large_ones_explode():
    for scale, check in ((0.3, lambda ratio: ratio < 0.01), (3.0, lambda ratio: ratio > 100)):
        cell = nn.RNN(2, 3, nonlinearity="relu", batch_first=True)
        with torch.no_grad():
            for parameter in cell.parameters():
                parameter.fill_(0.1)
            cell.weight_hh_l0.copy_(scale * torch.eye(3))
        norms = state_gradient_norms(cell, rows_of().abs().float(), squared)
        assert all(check(float(ratio)) for ratio in norms[:, 0] / norms[:, -1])


def module_and_windows(**network):
    settings = load_config(ROOT / "training/configs/smoke.toml")
    data = replace(settings.data, path=str(ROOT / "tests/data/conll"))
    settings = replace(settings, data=data, network=replace(settings.network, **network))
    materials = prepare(settings, load_corpus(settings.data))
    return make_module(settings, materials), materials


@pytest.mark.parametrize("cell", ["rnn_tanh", "rnn_relu", "gru", "lstm"])
def test_profile_begins_at_one_and_has_every_distance(cell):
    module, materials = module_and_windows(cell=cell, bidirectional=False)
    profile = gradient_by_distance(module, materials.train, materials.types, steps=12)
    assert profile is not None
    assert profile.windows > 1
    for values in (profile.lower, profile.median, profile.upper):
        assert len(values) == 12
        assert values[0] == pytest.approx(1.0)
    assert module.training


@pytest.mark.parametrize("network", [{"cell": "none"}, {"bidirectional": True}, {"layers": 2}])
def test_other_networks_have_no_profile(network):
    module, materials = module_and_windows(**{"bidirectional": False, **network})
    assert gradient_by_distance(module, materials.train, materials.types, steps=12) is None


def test_windows_that_are_too_short_give_no_profile():
    module, materials = module_and_windows(bidirectional=False)
    assert gradient_by_distance(module, materials.train, materials.types, steps=1000) is None


def test_reach_is_the_first_distance_below_the_share():
    profile = GradientProfile((1.0, 0.1, 0.001), (1.0, 0.0, 0.0), (1.0, 1.0, 1.0), 1)
    assert profile.reach() == 2
    assert profile.reach(0.5) == 1
    assert profile.reach(1e-9) is None
