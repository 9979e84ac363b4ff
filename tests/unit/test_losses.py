import numpy as np
import pytest
import torch
from hypothesis import given, settings

from ner_service.network import CRF
from tests.reference import cross_entropies
from tests.strategies import CRFCase, crf_cases, legality_of
from training.losses import cross_entropy_by_step, distillation_loss


def test_losses_by_step_are_those_written_out_and_sum_to_the_loss_of_torch():
    torch.manual_seed(1)
    emissions = torch.randn(2, 5, 4, dtype=torch.float64)
    tag_ids = torch.randint(4, (2, 5))
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    losses = cross_entropy_by_step(emissions, tag_ids, mask)
    assert losses.shape == (2, 5)
    for row, length in enumerate((5, 2)):
        expected = cross_entropies(emissions[row, :length].numpy(), tag_ids[row, :length].tolist())
        np.testing.assert_allclose(losses[row, :length].numpy(), expected, atol=1e-12)
    assert not losses[1, 2:].any()
    total = torch.nn.functional.cross_entropy(emissions[mask], tag_ids[mask], reduction="sum")
    torch.testing.assert_close(losses.sum(), total)


def test_masked_steps_have_no_gradient():
    emissions = torch.randn(1, 3, 4, requires_grad=True)
    mask = torch.tensor([[True, False, True]])
    cross_entropy_by_step(emissions, torch.zeros(1, 3, dtype=torch.int64), mask).sum().backward()
    assert emissions.grad[0, 0].any()
    assert not emissions.grad[0, 1].any()


def crf_of(case: CRFCase, seed: int = 2) -> CRF:
    torch.manual_seed(seed)
    crf = CRF(legality_of(case)).double()
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    return crf


@given(crf_cases())
@settings(max_examples=40)
def test_distillation_is_the_cross_entropy_over_all_paths(case):
    # Teacher: the enumerated CRF. Student: random weights over the same emissions.
    emissions, at = case.emissions[0], case.boundaries[0]
    paths, beliefs = case.crf.probabilities(emissions, at)
    student = crf_of(case)
    count = len(paths)
    scores = torch.from_numpy(emissions).double().unsqueeze(0)
    mask = torch.ones(1, len(emissions), dtype=torch.bool)
    boundaries = torch.from_numpy(at).unsqueeze(0)
    likelihoods = student.log_likelihood(
        scores.expand(count, -1, -1),
        torch.from_numpy(paths),
        mask.expand(count, -1),
        boundaries.expand(count, -1),
    )
    expected = -(torch.from_numpy(beliefs) * likelihoods).sum().item()
    moves = np.zeros((len(case.crf.tags), len(case.crf.tags)))
    for path, belief in zip(paths, beliefs, strict=True):
        np.add.at(moves, (path[:-1], path[1:]), belief)
    found = distillation_loss(
        student,
        scores,
        mask,
        boundaries,
        marginals=torch.from_numpy(case.crf.marginals(emissions, at)).unsqueeze(0),
        moves=torch.from_numpy(moves).unsqueeze(0),
    )
    assert found.item() == pytest.approx(expected, abs=1e-6)


@given(crf_cases())
@settings(max_examples=30)
def test_distillation_of_a_gold_path_is_its_negative_log_likelihood(case):
    student = crf_of(case)
    longest = len(case.emissions[0])
    size, count = len(case.emissions), len(case.crf.tags)
    scores = torch.zeros(size, longest, count, dtype=torch.float64)
    mask = torch.zeros(size, longest, dtype=torch.bool)
    boundaries = torch.zeros_like(mask)
    gold = torch.zeros(size, longest, dtype=torch.int64)
    marginals, moves = torch.zeros_like(scores), torch.zeros(size, count, count).double()
    for row, (emissions, at) in enumerate(zip(case.emissions, case.boundaries, strict=True)):
        length = len(emissions)
        (path,), _ = case.crf.n_best(emissions, 1, at)
        scores[row, :length] = torch.from_numpy(emissions)
        mask[row, :length] = True
        boundaries[row, :length] = torch.from_numpy(at)
        gold[row, :length] = torch.from_numpy(path)
        marginals[row, torch.arange(length), torch.from_numpy(path)] = 1.0
        for a, b in zip(path, path[1:], strict=False):
            moves[row, a, b] += 1.0
    found = distillation_loss(student, scores, mask, boundaries, marginals=marginals, moves=moves)
    expected = -student.log_likelihood(scores, gold, mask, boundaries)
    torch.testing.assert_close(found, expected)
