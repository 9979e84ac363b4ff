import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_service.artifact import ArtifactConfig
from ner_service.errors import ArtifactError
from ner_service.inference import decoder as decoder_module
from ner_service.inference import lattices as lattices_module
from ner_service.inference.decoder import Decoded, Decoder, Summed
from ner_service.inference.lattices import SegmentSums, ends_of
from ner_service.tags import Span, spans_from_tags
from tests.reference import is_well_formed
from tests.strategies import LABELS, CRFCase, crf_cases, seeds


def artifact_of(case: CRFCase) -> SimpleNamespace:
    """As much of an artifact as a decoder reads."""
    config = ArtifactConfig(
        name="x", labels=LABELS, scheme=case.scheme, temperature=case.crf.temperature
    )
    assert config.tags == case.crf.tags
    weights = {
        "crf.transitions": case.crf.transitions.astype(np.float32),
        "crf.start_transitions": case.crf.start.astype(np.float32),
        "crf.end_transitions": case.crf.end.astype(np.float32),
    }
    return SimpleNamespace(config=config, weights=weights, path=Path("model"))


NO_BOUNDARIES = np.zeros(0, dtype=np.int64)


def decode(case: CRFCase, order: list[int] | None = None) -> tuple[Decoded, list[tuple[int, int]]]:
    order = order or list(range(len(case.emissions)))
    emissions = np.concatenate([case.emissions[index] for index in order])
    boundaries = np.flatnonzero(np.concatenate([case.boundaries[index] for index in order]))
    stops = np.cumsum([len(case.emissions[index]) for index in order]).tolist()
    segments = list(zip([0, *stops], stops, strict=False))
    return Decoder(artifact_of(case)).decode(emissions, segments, boundaries), segments


@given(crf_cases())
def test_spans_and_scores_are_those_of_enumeration(case):
    decoded, segments = decode(case)
    found = dict(zip(decoded.spans, decoded.scores, strict=True))
    assert decoded.spans == sorted(decoded.spans)
    for (start, stop), emissions, at in zip(segments, case.emissions, case.boundaries, strict=True):
        path = decoded.tag_ids[start:stop]
        paths, scores = case.crf.paths(emissions, at)
        (place,) = np.flatnonzero((paths == path).all(axis=1))
        assert scores[place] == pytest.approx(scores.max(), abs=1e-4)
        probabilities = case.crf.span_probabilities(emissions, at)
        for span in spans_from_tags([case.crf.tags[i] for i in path], case.scheme):
            shifted = Span(span.start_token + start, span.end_token + start, span.label)
            assert found.pop(shifted) == pytest.approx(probabilities[span], abs=1e-5)
    assert not found


@given(crf_cases(), st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_segments_are_decoded_alike_in_any_order(case, random):
    order = random.sample(range(len(case.emissions)), len(case.emissions))
    straight, segments = decode(case)
    turned, places = decode(case, order)
    for index, (start, stop) in zip(order, places, strict=True):
        first, last = segments[index]
        np.testing.assert_array_equal(turned.tag_ids[start:stop], straight.tag_ids[first:last])
    assert len(turned.spans) == len(straight.spans)
    np.testing.assert_allclose(sorted(turned.scores), sorted(straight.scores), atol=1e-9)


@given(seeds, st.sampled_from([1.0, 1e3, 1e6]))
@settings(max_examples=50)
def test_whatever_the_network_says_spans_are_those_of_a_well_formed_path(seed, size):
    generator = np.random.default_rng(seed)
    config = ArtifactConfig(name="x", labels=LABELS)
    count = len(config.tags)
    weights = {
        "crf.transitions": generator.normal(size=(count, count)).astype(np.float32),
        "crf.start_transitions": generator.normal(size=count).astype(np.float32),
        "crf.end_transitions": generator.normal(size=count).astype(np.float32),
    }
    decoder = Decoder(SimpleNamespace(config=config, weights=weights, path=Path("model")))
    lengths = generator.integers(1, 40, size=6)
    stops = np.cumsum(lengths).tolist()
    segments = list(zip([0, *stops], stops, strict=False))
    emissions = (generator.normal(size=(stops[-1], count)) * size).astype(np.float32)
    boundaries = np.flatnonzero(generator.random(stops[-1]) < 0.1)
    decoded = decoder.decode(emissions, segments, boundaries)
    assert not decoded.tag_ids[boundaries].any()
    expected = []
    for start, stop in segments:
        tags = [config.tags[i] for i in decoded.tag_ids[start:stop]]
        assert is_well_formed(tags, "IOBES")
        expected += [
            Span(span.start_token + start, span.end_token + start, span.label)
            for span in spans_from_tags(tags, "IOBES")
        ]
    assert decoded.spans == expected
    assert all(0.0 <= score <= 1.0 for score in decoded.scores)


@given(crf_cases())
@settings(max_examples=30)
def test_batches_of_one_segment_give_the_same_answers(case):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder_module, "_FEW", 0)
        together, _ = decode(case)
        patch.setattr(decoder_module, "_SLOTS_A_BATCH", 1)
        patch.setattr(lattices_module, "_SLOTS_SUMMED", 1)
        alone, _ = decode(case)
    np.testing.assert_array_equal(alone.tag_ids, together.tag_ids)
    assert alone.spans == together.spans
    np.testing.assert_allclose(alone.scores, together.scores, atol=1e-9)


@given(crf_cases(), seeds)
@settings(max_examples=50)
def test_sums_that_are_known_are_taken_for_segments_that_did_not_change(case, seed):
    random = np.random.default_rng(seed)
    decoder = Decoder(artifact_of(case))
    stops = np.cumsum([len(emissions) for emissions in case.emissions]).tolist()
    segments = list(zip([0, *stops], stops, strict=False))
    before = np.concatenate(case.emissions).astype(np.float32)
    marks = np.concatenate(case.boundaries)
    boundaries = np.flatnonzero(marks)
    changed = np.flatnonzero((random.random(len(before)) < 0.2) & ~marks)
    after = before.copy()
    after[changed] += random.normal(size=after[changed].shape)
    tempered = before / np.float32(case.crf.temperature)
    decoder.force_boundaries(tempered, boundaries)
    summed = Summed(SegmentSums.over(tempered, *ends_of(segments), decoder.weights), changed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder_module, "_FEW", 0)
        anew = decoder.decode(after.copy(), segments, boundaries)
        known = decoder.decode(after.copy(), segments, boundaries, summed)
    assert known.spans == anew.spans
    np.testing.assert_allclose(known.scores, anew.scores, rtol=0, atol=1e-12)


def outside_decoder() -> Decoder:
    config = ArtifactConfig(name="x", labels=LABELS)
    count = len(config.tags)
    weights = {
        "crf.transitions": np.zeros((count, count), dtype=np.float32),
        "crf.start_transitions": np.zeros(count, dtype=np.float32),
        "crf.end_transitions": np.zeros(count, dtype=np.float32),
    }
    return Decoder(SimpleNamespace(config=config, weights=weights, path=Path("model")))


def test_the_sums_of_a_batch_are_let_go_before_the_next():
    segments = [(start, start + 50) for start in range(0, 200_000, 50)]
    emissions = np.zeros((200_000, 9), dtype=np.float32)
    emissions[:, 0] = 5.0
    emissions[::50, 1:] = 9.0  # a span in each, so that all are summed
    whole = 3 * emissions.size * np.dtype(np.float64).itemsize  # forwards, backwards, emitted
    tracemalloc.start()
    decoded = outside_decoder().decode(emissions, segments, NO_BOUNDARIES)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(decoded.spans) == len(segments)
    assert peak < whole / 2


def test_no_segments_have_no_spans():
    decoded = outside_decoder().decode(np.zeros((0, 9), np.float32), [], NO_BOUNDARIES)
    assert decoded.spans == []
    assert decoded.scores == []
    assert decoded.tag_ids.shape == (0,)


def test_segments_without_spans_are_not_scored():
    emissions = np.zeros((5, 9), dtype=np.float32)
    emissions[:, 0] = 50.0
    decoded = outside_decoder().decode(emissions, [(0, 3), (3, 5)], NO_BOUNDARIES)
    assert decoded.spans == []
    assert not decoded.tag_ids.any()


def test_equal_emissions_are_decoded_as_outside():
    decoded = outside_decoder().decode(np.zeros((4, 9), np.float32), [(0, 4)], NO_BOUNDARIES)
    assert not decoded.tag_ids.any()


@pytest.mark.parametrize("weights", [{}, {"crf.transitions": np.zeros((2, 2), dtype=np.float32)}])
def test_transitions_that_do_not_fit_the_tags_are_refused(weights):
    config = ArtifactConfig(name="x", labels=LABELS)
    artifact = SimpleNamespace(config=config, weights=weights, path=Path("model"))
    with pytest.raises(ArtifactError, match=r"expected crf.transitions of shape \(9, 9\)"):
        Decoder(artifact)
