"""Words that share their labels, against the same said slowly."""

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ner_service.artifact import ArtifactConfig
from ner_service.inference.consistency import FLOOR, OPEN, Consistency
from ner_service.inference.decoder import Decoder
from ner_service.inference.decoding import DecodingWeights
from ner_service.inference.rows import NO_FORM
from tests.reference import shared_emissions
from tests.strategies import CRFCase, crf_cases, legality_of

WEIGHT = 0.7


def consistency_of(case: CRFCase, weight: float = WEIGHT) -> Consistency:
    crf = case.crf
    labels = tuple(dict.fromkeys(tag[2:] for tag in crf.tags if tag != "O"))
    config = ArtifactConfig(name="case", scheme=case.scheme, labels=labels, consistency=weight)
    assert config.tags == crf.tags
    numbers = [0 if tag == "O" else 1 + labels.index(tag[2:]) for tag in crf.tags]
    weights = DecodingWeights.build(crf.transitions, crf.start, crf.end, legality_of(case))
    return Consistency(weight, np.array(numbers), weights)


def shared(
    case: CRFCase,
    segments: list[NDArray[np.float32]],
    forms: list[list[int]],
    documents: list[int],
    weight: float = WEIGHT,
) -> list[NDArray[np.float32]]:
    """Emissions of segments, those of a document one behind the other."""
    ends = list(accumulate(map(len, segments)))
    emissions = np.concatenate(segments).copy()
    firsts = [
        end - len(segments[i])
        for i, end in enumerate(ends)
        if i == 0 or documents[i] != documents[i - 1]
    ]
    ranges = list(zip([0, *ends], ends, strict=False))
    numbers = np.array([form for own in forms for form in own], dtype=np.int32)
    consistency_of(case, weight).share(emissions, numbers, [*firsts, ends[-1]], ranges)
    return np.split(emissions, ends[:-1])


def drawn(case: CRFCase, data: st.DataObject) -> tuple[list[list[int]], list[int]]:
    few = st.integers(0, 2)
    forms = [data.draw(st.lists(few, min_size=len(e), max_size=len(e))) for e in case.emissions]
    count = len(case.emissions)
    documents = sorted(data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)))
    return forms, documents


@given(crf_cases(with_boundaries=False, scales=(1.0, 4.0)), st.data())
def test_evidence_is_that_of_the_formula(case, data):
    forms, documents = drawn(case, data)
    expected = shared_emissions(
        case.crf.at(1.0),
        case.emissions,
        forms,
        documents,
        weight=WEIGHT,
        floor=FLOOR,
        margin=OPEN,
    )
    found = shared(case, case.emissions, forms, documents)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@given(crf_cases(with_boundaries=False), st.data())
def test_documents_do_not_hear_each_other_to_the_last_bit(case, data):
    forms, documents = drawn(case, data)
    together = shared(case, case.emissions, forms, documents)
    for document in set(documents):
        own = [i for i, each in enumerate(documents) if each == document]
        segments, words = [case.emissions[i] for i in own], [forms[i] for i in own]
        alone = shared(case, segments, words, [0] * len(own))
        for i, emissions in zip(own, alone, strict=True):
            np.testing.assert_array_equal(emissions, together[i])


@given(crf_cases(with_boundaries=False), st.data())
def test_weight_0_and_words_that_stand_alone_change_nothing(case, data):
    forms, documents = drawn(case, data)
    for found, emissions in zip(
        shared(case, case.emissions, forms, documents, weight=0.0), case.emissions, strict=True
    ):
        np.testing.assert_array_equal(found, emissions)
    total = iter(range(sum(map(len, forms))))
    apart = [[next(total) for _ in own] for own in forms]
    for found, emissions in zip(
        shared(case, case.emissions, apart, documents), case.emissions, strict=True
    ):
        np.testing.assert_array_equal(found, emissions)


@pytest.mark.parametrize("scheme", ["BIO", "IOBES"])
def test_boundaries_keep_saying_o_and_a_batch_without_slots_is_nothing(scheme):
    labels = ("LOC", "PER")
    config = ArtifactConfig(name="none", scheme=scheme, labels=labels, consistency=1.0)
    count = len(config.tags)
    numbers = np.array([0, *(1 + labels.index(tag[2:]) for tag in config.tags[1:])])
    zero = DecodingWeights(np.zeros((count, count)), np.zeros(count), np.zeros(count))
    consistency = Consistency(1.0, numbers, zero)
    emissions = np.zeros((5, count), dtype=np.float32)
    boundaries = np.array([2, 4])
    Decoder.force_boundaries(emissions, boundaries)
    before = emissions.copy()
    forms = np.array([4, 5, NO_FORM, 4, NO_FORM], dtype=np.int32)
    consistency.share(emissions, forms, [0, 5], [(0, 5)])
    np.testing.assert_array_equal(emissions[boundaries], before[boundaries])
    assert (emissions[0] != before[0]).any()
    np.testing.assert_array_equal(emissions[1], before[1])
    consistency.share(np.zeros((0, count), dtype=np.float32), forms[:0], [0], [])
