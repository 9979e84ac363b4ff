"""Votes and the extended CRF, against sums over all paths."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_service.inference.decoding import DecodingWeights, forward_backward, marginals
from ner_service.memory.crf import extended_tags, extended_weights
from ner_service.memory.votes import Ballot, Kernel, count_votes, from_votes, kernel_weights, mixed
from ner_service.tags import legal_transitions, tag_inventory
from tests.strategies import decoding_schemes, seeds

KNOWN = ("LOC", "PER")


def weights_of(scheme: str, generator: np.random.Generator) -> DecodingWeights:
    tags = tag_inventory(KNOWN, scheme)
    count = len(tags)
    return DecodingWeights.build(
        generator.normal(size=(count, count)),
        generator.normal(size=count),
        generator.normal(size=count),
        legal_transitions(tags, scheme),
    )


@given(seeds, decoding_schemes)
@settings(max_examples=40)
def test_new_labels_change_nothing_where_nobody_votes(seed: int, scheme: str) -> None:
    generator = np.random.default_rng(seed)
    weights = weights_of(scheme, generator)
    known = tag_inventory(KNOWN, scheme)
    tags = extended_tags(known, ["DISEASE", "DRUG"], scheme)
    assert tags[: len(known)] == tuple(known)
    wider = extended_weights(weights, tags, len(known), scheme)
    emissions = generator.normal(size=(6, 2, len(known)))
    padded = np.full((6, 2, len(tags)), -np.inf)
    padded[:, :, : len(known)] = emissions
    lengths = np.array([6, 4])
    before = forward_backward(emissions, lengths, weights)
    after = forward_backward(padded, lengths, wider)
    np.testing.assert_allclose(after.log_partition, before.log_partition, rtol=1e-12)
    np.testing.assert_allclose(
        marginals(after)[:4, :, : len(known)], marginals(before)[:4], atol=1e-12
    )
    assert marginals(after)[:4, :, len(known) :].max() == 0.0


@given(seeds, decoding_schemes)
@settings(max_examples=20)
def test_moves_of_new_labels_are_means_of_the_known_ones(seed: int, scheme: str) -> None:
    weights = weights_of(scheme, np.random.default_rng(seed))
    known = tag_inventory(KNOWN, scheme)
    tags = extended_tags(known, ["X"], scheme)
    wider = extended_weights(weights, tags, len(known), scheme)
    place = {tag: index for index, tag in enumerate(tags)}

    def move(left: str, right: str) -> float:
        return float(wider.transitions[place[left], place[right]])

    inner = np.mean([move(f"B-{label}", f"I-{label}") for label in KNOWN])
    np.testing.assert_allclose(move("B-X", "I-X"), inner)
    np.testing.assert_allclose(
        move("O", "B-X"), np.mean([move("O", f"B-{label}") for label in KNOWN])
    )
    assert move("B-X", "I-PER") == -np.inf
    assert wider.start[place["I-X"]] == -np.inf
    np.testing.assert_array_equal(
        wider.transitions[: len(known), : len(known)], weights.transitions
    )


def test_one_label_alone_can_be_extended() -> None:
    tags = tag_inventory(["PER"], "IOBES")
    weights = DecodingWeights.build(
        np.zeros((5, 5)), np.zeros(5), np.zeros(5), legal_transitions(tags, "IOBES")
    )
    wider = extended_weights(weights, extended_tags(tags, ["X"], "IOBES"), 5, "IOBES")
    assert np.isfinite(wider.transitions[4, 8])  # from S-PER to B-X: no such move was known


@given(st.lists(st.floats(0, 50), min_size=5, max_size=5), seeds)
def test_votes_of_a_lone_token_are_mixed_as_the_paper_mixes_them(
    votes: list[float], seed: int
) -> None:
    """Without transitions the new marginals are (p + votes) / (1 + all votes)."""
    emissions = np.random.default_rng(seed).normal(size=(1, 5)).astype(np.float32)
    own = np.exp(emissions.astype(float)) / np.exp(emissions.astype(float)).sum()
    result = mixed(emissions, own, np.array([votes])).astype(float)
    found = np.exp(result) / np.exp(result).sum()
    np.testing.assert_allclose(found, (own + votes) / (1 + sum(votes)), atol=1e-5)


def test_tags_without_votes_keep_their_emissions_to_the_last_bit() -> None:
    emissions = np.array([[0.1, -3.7, 2.2]], dtype=np.float32)
    result = mixed(emissions, np.array([[0.1, 0.1, 0.8]]), np.array([[0.0, 2.0, 0.0]]))
    assert result[0, 0] == emissions[0, 0]
    assert result[0, 2] == emissions[0, 2]
    assert result[0, 1] > emissions[0, 1]


def test_votes_are_summed_by_tag_and_fall_with_distance() -> None:
    weights = kernel_weights(
        (Kernel(2.0, 0.1), Kernel(1.0, 1.0)), np.array([0, 0, 1]),
        np.array([1.0, 0.9, 0.0], dtype=np.float32),
    )  # fmt: skip
    np.testing.assert_allclose(weights, [2.0, 2.0 / np.e, 1.0 / np.e], rtol=1e-5)
    rows, entries = np.array([0, 0, 1]), np.array([0, 1, 2])
    ballot = Ballot(rows, entries, np.zeros(3, np.float32), weights)
    votes = count_votes(ballot, np.array([1, 1, 0]), (2, 3))
    np.testing.assert_allclose(votes[0], [0, 2.0 + 2.0 / np.e, 0], rtol=1e-5)
    np.testing.assert_allclose(votes[1], [1.0 / np.e, 0, 0], rtol=1e-5)


def test_a_tag_is_from_votes_where_they_outweigh_the_model() -> None:
    own = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    votes = np.array([[0.0, 0.5, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.1]])
    assert from_votes(own, votes, np.array([1, 1, 2])).tolist() == [True, False, True]
