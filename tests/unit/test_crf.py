import numpy as np
import pytest
import torch
from hypothesis import given, settings

from ner_service.network.crf import CRF, force_boundaries
from ner_service.tags import legal_transitions, tag_inventory
from tests.strategies import CRFCase, crf_cases, legality_of

TAGS = tag_inventory(("LOC", "PER"), "IOBES")


def crf_of(case: CRFCase) -> CRF:
    crf = CRF(legality_of(case)).double()
    oracle = case.crf
    with torch.no_grad():
        crf.transitions.copy_(torch.from_numpy(oracle.transitions))
        crf.start_transitions.copy_(torch.from_numpy(oracle.start))
        crf.end_transitions.copy_(torch.from_numpy(oracle.end))
    return crf


def batch_of(case: CRFCase) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Emissions (B, T, K), mask and boundaries (B, T); what is padding is noise."""
    longest = len(case.emissions[0])
    count = len(case.crf.tags)
    emissions = torch.full((len(case.emissions), longest, count), 1e3, dtype=torch.float64)
    mask = torch.zeros(emissions.shape[:2], dtype=torch.bool)
    boundaries = torch.zeros_like(mask)
    for row, (scores, at) in enumerate(zip(case.emissions, case.boundaries, strict=True)):
        emissions[row, : len(scores)] = torch.from_numpy(scores)
        mask[row, : len(scores)] = True
        boundaries[row, : len(scores)] = torch.from_numpy(at)
    return emissions, mask, boundaries


@given(crf_cases())
@settings(max_examples=50)
def test_log_partition_is_the_sum_over_all_paths(case):
    emissions, mask, boundaries = batch_of(case)
    found = crf_of(case).log_partition(emissions, mask, boundaries).tolist()
    for scores, at, value in zip(case.emissions, case.boundaries, found, strict=True):
        # Temperature is for decoding; training has none.
        assert value == pytest.approx(case.crf.at(1.0).log_partition(scores, at), abs=1e-6)


@given(crf_cases())
@settings(max_examples=50)
def test_the_sum_in_halves_is_the_sum_step_by_step_and_so_is_its_gradient(case):
    emissions, mask, boundaries = batch_of(case)
    crf = crf_of(case)
    found = []
    for way in (crf._by_steps, crf._by_halves):  # a GPU takes the other one than a processor
        leaf = emissions.clone().requires_grad_()
        total = way(force_boundaries(leaf, boundaries), mask)
        inputs = leaf, crf.transitions
        found.append([total, *torch.autograd.grad(total.sum(), inputs, materialize_grads=True)])
    for stepped, halved in zip(*found, strict=True):
        assert torch.allclose(stepped, halved, atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 3, 8, 149])
def test_a_long_sum_in_halves_is_exact_in_single_precision(length):
    torch.manual_seed(length)
    crf = CRF(legal_transitions(TAGS, "IOBES"))
    emissions = 10 * torch.randn(3, length, len(TAGS))
    mask = torch.ones(3, length, dtype=torch.bool)
    stepped = crf.double()._by_steps(emissions.double(), mask)
    halved = crf.float()._by_halves(emissions, mask)
    assert torch.allclose(stepped.float(), halved, rtol=1e-5)


@given(crf_cases())
@settings(max_examples=50)
def test_likelihoods_of_all_legal_paths_are_those_of_enumeration(case):
    emissions, mask, boundaries = batch_of(case)
    crf = crf_of(case)
    row = len(case.emissions) - 1  # the shortest, beside longer ones
    length = len(case.emissions[row])
    paths, probabilities = case.crf.at(1.0).probabilities(case.emissions[row], case.boundaries[row])
    gold = torch.zeros(len(paths), emissions.shape[1], dtype=torch.int64)
    gold[:, :length] = torch.from_numpy(paths)
    likelihoods = crf.log_likelihood(
        emissions[row].expand(len(paths), -1, -1),
        gold,
        mask[row].expand(len(paths), -1),
        boundaries[row].expand(len(paths), -1),
    ).exp()
    np.testing.assert_allclose(likelihoods.detach().numpy(), probabilities, atol=1e-7)
    assert likelihoods.sum().item() == pytest.approx(1.0)


@given(crf_cases())
@settings(max_examples=50)
def test_marginals_are_those_of_enumeration_and_sum_to_one(case):
    emissions, mask, boundaries = batch_of(case)
    found = crf_of(case).marginals(emissions, mask, boundaries).numpy()
    for row, (scores, at) in enumerate(zip(case.emissions, case.boundaries, strict=True)):
        expected = case.crf.at(1.0).marginals(scores, at)
        np.testing.assert_allclose(found[row, : len(scores)], expected, atol=1e-7)
        np.testing.assert_allclose(found[row, : len(scores)].sum(axis=1), 1.0, atol=1e-9)
        assert not found[row, len(scores) :].any()


def random_crf(scheme: str = "IOBES") -> CRF:
    torch.manual_seed(3)
    crf = CRF(legal_transitions(TAGS, scheme))
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    return crf


def test_probability_of_a_sentence_does_not_depend_on_the_next_one():
    # A boundary is forced to O, so p(both) = p(first) p(second | boundary).
    crf = random_crf().double()
    first, second, other = torch.randn(3, 1, 4, len(TAGS), dtype=torch.float64)
    boundary = torch.zeros(1, 1, len(TAGS), dtype=torch.float64)
    mask = torch.ones(1, 9, dtype=torch.bool)
    at = torch.zeros(1, 9, dtype=torch.bool)
    at[0, 4] = True
    marginals = [
        crf.marginals(torch.cat([first, boundary, behind], dim=1), mask, at)
        for behind in (second, other)
    ]
    torch.testing.assert_close(marginals[0][:, :4], marginals[1][:, :4])
    assert marginals[0][0, 4].tolist() == [1.0, *[0.0] * (len(TAGS) - 1)]
    together = crf.log_partition(torch.cat([first, boundary, second], dim=1), mask, at)
    swapped = crf.log_partition(torch.cat([first, boundary, other], dim=1), mask, at)
    again = crf.log_partition(torch.cat([other, boundary, second], dim=1), mask, at)
    crossed = crf.log_partition(torch.cat([other, boundary, other], dim=1), mask, at)
    torch.testing.assert_close(together + crossed, swapped + again)


def test_emissions_at_a_boundary_do_not_count():
    crf = random_crf()
    mask, at = torch.ones(1, 5, dtype=torch.bool), torch.zeros(1, 5, dtype=torch.bool)
    at[0, 2] = True
    emissions = torch.randn(1, 5, len(TAGS))
    shouted = emissions.clone()
    shouted[0, 2] = torch.randn(len(TAGS)) * 100
    tags = torch.zeros(1, 5, dtype=torch.int64)
    torch.testing.assert_close(
        crf.log_likelihood(emissions, tags, mask, at), crf.log_likelihood(shouted, tags, mask, at)
    )


def test_no_boundaries_leave_emissions_alone():
    emissions = torch.randn(1, 5, len(TAGS))
    assert force_boundaries(emissions, None) is emissions


def test_gradients_never_reach_illegal_moves():
    crf = random_crf()
    mask = torch.ones(2, 6, dtype=torch.bool)
    gold = torch.zeros(2, 6, dtype=torch.int64)
    crf.log_likelihood(torch.randn(2, 6, len(TAGS)), gold, mask).sum().backward()
    for weights, illegal in (
        (crf.transitions, crf.illegal),
        (crf.start_transitions, crf.illegal_start),
        (crf.end_transitions, crf.illegal_end),
    ):
        assert not weights.grad[illegal].any()
        assert weights.grad[~illegal].any()


@pytest.mark.parametrize("size", [1.0, 1e3])
def test_likelihood_stays_finite_and_not_above_zero(size):
    crf = random_crf()
    emissions = torch.randn(3, 40, len(TAGS)) * size
    emissions.requires_grad_()
    mask = torch.ones(3, 40, dtype=torch.bool)
    likelihood = crf.log_likelihood(emissions, torch.zeros(3, 40, dtype=torch.int64), mask)
    likelihood.sum().backward()
    assert torch.isfinite(likelihood).all()
    assert torch.isfinite(emissions.grad).all()
    assert (likelihood <= 1e-3).all()


def test_without_learned_transitions_the_weights_are_zero_and_no_parameters():
    crf = CRF(legal_transitions(TAGS, "IOBES"), learned=False)
    assert not list(crf.parameters())
    assert {name for name, _ in crf.named_buffers()} >= {"transitions", "start_transitions"}
    assert not crf.transitions.any()
    assert set(crf.state_dict()) == {"transitions", "start_transitions", "end_transitions"}
