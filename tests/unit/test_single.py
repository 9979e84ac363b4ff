"""One segment alone: exactly the tags, and to many digits the scores, of decoding in a batch."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.artifact import ArtifactConfig
from ner_service.inference import decoder as decoder_module
from ner_service.inference.decoder import Decoded, Decoder
from ner_service.inference.single import LONGEST
from tests.strategies import LABELS, seeds


def decoders(seed: int, scheme: str, size: float) -> tuple[Decoder, int]:
    draw = np.random.default_rng(seed)
    config = ArtifactConfig(name="x", labels=LABELS, scheme=scheme, temperature=1.3)
    count = len(config.tags)
    weights = {
        "crf.transitions": draw.normal(scale=size, size=(count, count)).astype(np.float32),
        "crf.start_transitions": draw.normal(scale=size, size=count).astype(np.float32),
        "crf.end_transitions": draw.normal(scale=size, size=count).astype(np.float32),
    }
    return Decoder(SimpleNamespace(config=config, weights=weights, path=None)), count


def both(
    decoder: Decoder, emissions: np.ndarray, segments: list[tuple[int, int]]
) -> tuple[Decoded, Decoded]:
    boundaries = np.zeros(len(emissions), dtype=bool)
    for start, stop in segments:
        boundaries[start + 1 : stop - 1] = np.arange(start + 1, stop - 1) % 7 == 3
    decoded = []
    for few in (0, len(segments)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(decoder_module, "_FEW", few)
            decoded.append(decoder.decode(emissions.copy(), segments, np.flatnonzero(boundaries)))
    return decoded[0], decoded[1]


@given(
    seeds,
    st.sampled_from(("IOBES", "BIO")),
    st.lists(st.integers(1, LONGEST), min_size=1, max_size=3),
    st.sampled_from((0.0, 0.5, 3.0, 20.0)),
    st.sampled_from((0.0, 1.0, 5.0, 50.0, 1e4)),
)
def test_alone_and_in_a_batch_are_the_same(seed, scheme, lengths, weight_size, size):
    decoder, count = decoders(seed, scheme, weight_size)
    stops = np.cumsum(lengths).tolist()
    segments = list(zip([0, *stops], stops, strict=False))
    draw = np.random.default_rng(seed + 1)
    # Rounded, so that paths tie.
    emissions = (draw.normal(size=(stops[-1], count)).round(1) * size).astype(np.float32)
    batch, alone = both(decoder, emissions, segments)
    np.testing.assert_array_equal(batch.tag_ids, alone.tag_ids)
    assert batch.spans == alone.spans
    np.testing.assert_allclose(batch.scores, alone.scores, rtol=1e-7, atol=1e-12)
    assert all(0.0 <= score <= 1.0 for score in alone.scores)


def test_sums_that_could_vanish_are_taken_step_by_step():
    decoder, count = decoders(0, "IOBES", 0.0)
    tags = ArtifactConfig(name="x", labels=LABELS).tags
    emissions = np.zeros((6, count), dtype=np.float32)
    emissions[::2, [i for i, tag in enumerate(tags) if tag.startswith("E-")]] = 500.0
    emissions[1::2, [i for i, tag in enumerate(tags) if tag.startswith("I-")]] = 500.0
    batch, alone = both(decoder, emissions, [(0, 6)])
    np.testing.assert_array_equal(batch.tag_ids, alone.tag_ids)
    assert alone.spans
    assert alone.scores == pytest.approx(batch.scores)


def test_longer_segments_take_the_other_way():
    decoder, count = decoders(3, "IOBES", 1.0)
    emissions = np.random.default_rng(1).normal(size=(LONGEST + 1, count)).astype(np.float32)
    batch, alone = both(decoder, emissions, [(0, LONGEST + 1)])
    np.testing.assert_array_equal(batch.tag_ids, alone.tag_ids)
    assert batch.scores == alone.scores
