import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_service.inference.decoding import (
    FORBIDDEN,
    DecodingWeights,
    active_counts,
    forward_backward,
    marginals,
    span_probabilities,
    transition_counts,
    viterbi,
)
from ner_service.tags import legal_transitions, spans_from_tags, tag_inventory
from tests.reference import is_well_formed
from tests.strategies import LABELS, CRFCase, crf_cases, decoding_schemes, legality_of, seeds


def weights_of(case: CRFCase) -> DecodingWeights:
    crf = case.crf
    return DecodingWeights.build(crf.transitions, crf.start, crf.end, legality_of(case)).tempered(
        crf.temperature
    )


def batch_of(case: CRFCase) -> tuple[np.ndarray, np.ndarray]:
    """Tempered emissions (T, B, K), noise behind the ends, and lengths (B,)."""
    lengths = np.array([len(scores) for scores in case.emissions])
    batch = np.full((lengths[0], len(lengths), len(case.crf.tags)), 77.0, dtype=np.float32)
    for row, scores in enumerate(case.emissions):
        batch[: len(scores), row] = scores / np.float32(case.crf.temperature)
    return batch, lengths


without_boundaries = crf_cases(with_boundaries=False)


@given(without_boundaries)
def test_viterbi_finds_a_path_that_no_other_beats(case):
    batch, lengths = batch_of(case)
    paths = viterbi(batch, lengths, weights_of(case))
    for row, scores in enumerate(case.emissions):
        found = paths[: lengths[row], row]
        every, score = case.crf.paths(scores)
        (place,) = np.flatnonzero((every == found).all(axis=1))
        assert score[place] == pytest.approx(score.max(), abs=1e-4)
        assert not paths[lengths[row] :, row].any()


@given(without_boundaries)
def test_log_partition_and_marginals_are_those_of_enumeration(case):
    batch, lengths = batch_of(case)
    lattice = forward_backward(batch, lengths, weights_of(case))
    found = marginals(lattice)
    for row, scores in enumerate(case.emissions):
        assert lattice.log_partition[row] == pytest.approx(case.crf.log_partition(scores), abs=1e-4)
        np.testing.assert_allclose(
            found[: lengths[row], row], case.crf.marginals(scores), atol=1e-5
        )
        np.testing.assert_allclose(found[: lengths[row], row].sum(axis=1), 1.0, atol=1e-9)
        assert not found[lengths[row] :, row].any()


@given(without_boundaries)
@settings(max_examples=50)
def test_transition_counts_are_those_of_enumeration(case):
    batch, lengths = batch_of(case)
    found = transition_counts(forward_backward(batch, lengths, weights_of(case)))
    for row, scores in enumerate(case.emissions):
        expected = np.zeros(found.shape[1:])
        for path, probability in zip(*case.crf.probabilities(scores), strict=True):
            np.add.at(expected, (path[:-1], path[1:]), probability)
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


def closing_of(case: CRFCase) -> np.ndarray:
    """Moves that end the span of the tag they leave, by the names of the tags."""
    tags = case.crf.tags
    return np.array([[not (b[0] in "IE" and a[2:] == b[2:]) for b in tags] for a in tags])


@given(without_boundaries)
@settings(max_examples=50)
def test_span_probabilities_are_those_of_enumeration(case):
    batch, lengths = batch_of(case)
    weights = weights_of(case)
    lattice = forward_backward(batch, lengths, weights)
    row = len(lengths) - 1
    emissions = case.emissions[row]
    expected = case.crf.span_probabilities(emissions)
    # Every span of every path, not only those of the best one.
    for path in case.crf.paths(emissions)[0][:40]:
        paths = np.zeros(batch.shape[:2], dtype=np.int64)
        paths[: lengths[row], row] = path
        spans = spans_from_tags([case.crf.tags[i] for i in path], case.scheme)
        found = span_probabilities(
            lattice,
            np.full(len(spans), row),
            np.array([span.start_token for span in spans], dtype=np.int64),
            np.array([span.end_token for span in spans], dtype=np.int64),
            paths,
            closing_of(case),
        )
        np.testing.assert_allclose(found, [expected[span] for span in spans], atol=1e-5)


@given(seeds, decoding_schemes, st.sampled_from([1.0, 30.0, 1e3, 1e5]), st.integers(1, 60))
@settings(max_examples=60)
def test_illegal_transition_is_never_decoded(seed, scheme, size, length):
    generator = np.random.default_rng(seed)
    tags = tag_inventory(LABELS, scheme)
    count = len(tags)
    weights = DecodingWeights.build(
        generator.normal(size=(count, count)).astype(np.float32),
        generator.normal(size=count).astype(np.float32),
        generator.normal(size=count).astype(np.float32),
        legal_transitions(tags, scheme),
    )
    emissions = (generator.normal(size=(length, 3, count)) * size).astype(np.float32)
    lengths = np.array([length, (length + 1) // 2, 1])
    paths = viterbi(emissions, lengths, weights)
    for row, stop in enumerate(lengths):
        assert is_well_formed([tags[i] for i in paths[:stop, row]], scheme)
    found = marginals(forward_backward(emissions, lengths, weights))
    assert np.isfinite(found).all()
    real = np.arange(length)[:, None] < lengths
    np.testing.assert_allclose(found[real].sum(axis=1), 1.0, atol=1e-6)


@given(crf_cases(scales=(70.0,)))
@settings(max_examples=50)
def test_sums_are_exact_however_sure_the_network_is(case):
    # Emissions up to some 250 apart; what is forbidden at a boundary weighs nothing at all.
    batch, lengths = batch_of(case)
    for row, at in enumerate(case.boundaries):
        batch[: len(at), row][at] = FORBIDDEN
        batch[: len(at), row][at, 0] = 0.0
    lattice = forward_backward(batch, lengths, weights_of(case))
    found, paths = marginals(lattice), viterbi(batch, lengths, weights_of(case))
    for row, (scores, at) in enumerate(zip(case.emissions, case.boundaries, strict=True)):
        if np.ptp(batch[: lengths[row], row][~at], axis=1).max(initial=0.0) > 300:
            continue
        expected = case.crf.marginals(scores, at)
        np.testing.assert_allclose(found[: lengths[row], row], expected, atol=1e-4)
        best, (score,) = case.crf.n_best(scores, 1, at)
        every, every_score = case.crf.paths(scores, at)
        (place,) = np.flatnonzero((every == paths[: lengths[row], row]).all(axis=1))
        assert every_score[place] == pytest.approx(score, abs=1e-3)
        assert len(best) == 1


def plain_weights(scheme: str = "BIO") -> DecodingWeights:
    tags = tag_inventory(LABELS, scheme)
    count = len(tags)
    zeros = np.zeros(count)
    return DecodingWeights.build(
        np.zeros((count, count)), zeros, zeros, legal_transitions(tags, scheme)
    )


def test_ties_go_to_lower_ids_whatever_the_batch():
    weights = plain_weights()
    emissions = np.zeros((6, 4, 5), dtype=np.float32)
    paths = viterbi(emissions, np.array([6, 6, 5, 2]), weights)
    assert not paths.any()
    alone = viterbi(emissions[:, :1], np.array([6]), weights)
    assert (alone[:, 0] == paths[:, 0]).all()


def test_equal_emissions_give_every_legal_path_the_same_probability():
    # BIO over two labels, two tokens: O B B after O; B-x may be followed by I-x too.
    lattice = forward_backward(np.zeros((2, 1, 5)), np.array([2]), plain_weights())
    assert np.exp(lattice.log_partition[0]) == pytest.approx(3 + 2 * 4)


def test_marginals_do_not_depend_on_the_batch():
    generator = np.random.default_rng(5)
    weights = plain_weights("IOBES")
    emissions = generator.normal(size=(30, 8, 9)) * 4
    lengths = np.sort(generator.integers(1, 31, size=8))[::-1]
    lengths[0] = 30
    together = marginals(forward_backward(emissions, lengths, weights))
    for row, length in enumerate(lengths):
        alone = marginals(
            forward_backward(emissions[:length, row : row + 1], lengths[row : row + 1], weights)
        )
        np.testing.assert_allclose(together[:length, row], alone[:, 0], atol=1e-12)


def test_temperature_flattens_probabilities_and_keeps_the_path():
    generator = np.random.default_rng(6)
    weights, emissions = plain_weights("IOBES"), generator.normal(size=(20, 1, 9)) * 3
    lengths = np.array([20])
    paths, peaks = [], []
    for temperature in (0.5, 1.0, 2.0, 100.0):
        tempered = emissions / temperature
        paths.append(viterbi(tempered, lengths, weights.tempered(temperature)))
        lattice = forward_backward(tempered, lengths, weights.tempered(temperature))
        peaks.append(marginals(lattice).max(axis=2).mean())
    assert all((path == paths[0]).all() for path in paths)
    assert peaks == sorted(peaks, reverse=True)


def test_illegal_moves_stay_illegal_at_any_temperature():
    tempered = plain_weights().tempered(100.0)
    lattice = forward_backward(np.zeros((1, 1, 5)), np.array([1]), tempered)
    inside = [tag_inventory(LABELS, "BIO").index(f"I-{label}") for label in LABELS]
    assert not marginals(lattice)[0, 0, inside].any()


def test_no_spans_have_no_probabilities():
    lattice = forward_backward(np.zeros((2, 1, 5)), np.array([2]), plain_weights())
    nothing = np.zeros(0, dtype=np.int64)
    paths = np.zeros((2, 1), dtype=np.int64)
    closing = np.ones((5, 5), dtype=bool)
    assert not len(span_probabilities(lattice, nothing, nothing, nothing, paths, closing))


def test_active_counts_tell_who_is_still_running():
    assert active_counts(np.array([3, 3, 1])) == [3, 2, 2]
    assert active_counts(np.array([], dtype=np.int64)) == []
