import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.errors import ConfigError
from ner_service.tags import (
    SCHEMES,
    Span,
    convert_tags,
    detect_scheme,
    legal_transitions,
    spans_from_tags,
    split_tag,
    tag_inventory,
    tags_from_spans,
)
from tests.reference import is_well_formed, spans_by_conlleval
from tests.strategies import LABELS, decoding_schemes, sentences_with_spans, tag_sequences


@pytest.mark.parametrize(
    ("tag", "parts"),
    [
        ("O", ("O", "")),
        ("B-PER", ("B", "PER")),
        ("S-creative-work", ("S", "creative-work")),
    ],
)
def test_tag_splits_at_its_first_hyphen(tag, parts):
    assert split_tag(tag) == parts


@pytest.mark.parametrize("tag", ["", "PER", "B-", "-PER", "X-PER", "BI-PER", "o", "BPER", "B"])
def test_what_is_no_tag_is_refused_by_name(tag):
    with pytest.raises(ConfigError, match=r"expected O or a tag such as B-PER") as failure:
        split_tag(tag)
    assert repr(tag) in str(failure.value)


@given(sentences_with_spans(), st.sampled_from(SCHEMES))
def test_spans_survive_being_written_as_tags(case, scheme):
    spans, length = case
    tags = tags_from_spans(spans, length, scheme)
    assert len(tags) == length
    assert spans_from_tags(tags, scheme) == spans


@given(sentences_with_spans(), st.sampled_from(SCHEMES), st.sampled_from(SCHEMES))
def test_conversion_between_schemes_keeps_the_spans(case, source, target):
    spans, length = case
    tags = tags_from_spans(spans, length, source)
    converted = convert_tags(tags, source, target)
    assert converted == tags_from_spans(spans, length, target)
    assert convert_tags(converted, target, source) == tags


@given(sentences_with_spans(), decoding_schemes)
def test_written_tags_are_well_formed(case, scheme):
    spans, length = case
    assert is_well_formed(tags_from_spans(spans, length, scheme), scheme)


@given(tag_sequences("BI"), st.sampled_from(["IOB1", "BIO"]))
def test_spans_of_any_tags_are_those_of_conlleval(tags, scheme):
    assert spans_from_tags(tags, scheme) == spans_by_conlleval(tags)


@given(tag_sequences("BIES"))
def test_spans_of_any_iobes_tags_are_those_of_conlleval(tags):
    assert spans_from_tags(tags, "IOBES") == spans_by_conlleval(tags)


@given(sentences_with_spans(), decoding_schemes)
def test_spans_of_well_formed_tags_are_those_of_seqeval_in_strict_mode(case, scheme):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval imports what its own dependencies deprecate
        from seqeval.scheme import IOB2, IOBES, Entities
    spans, length = case
    tags = tags_from_spans(spans, length, scheme)
    strict = Entities([tags], {"BIO": IOB2, "IOBES": IOBES}[scheme])
    found = [Span(entity.start, entity.end, entity.tag) for entity in strict.entities[0]]
    assert spans_from_tags(tags, scheme) == found


def test_iob1_writes_b_only_where_like_spans_touch():
    spans = [Span(0, 1, "PER"), Span(1, 3, "PER"), Span(3, 4, "LOC"), Span(5, 6, "LOC")]
    assert tags_from_spans(spans, 6, "IOB1") == ["I-PER", "B-PER", "I-PER", "I-LOC", "O", "I-LOC"]


def test_spans_may_be_written_in_any_order():
    spans = [Span(2, 3, "PER"), Span(0, 2, "LOC")]
    assert tags_from_spans(spans, 3, "IOBES") == ["B-LOC", "E-LOC", "S-PER"]


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        ([["O", "I-PER"], ["B-PER"]], "IOB1"),
        ([["I-PER", "B-PER", "I-PER"]], "IOB1"),
        ([["B-PER", "I-LOC"]], "IOB1"),
        ([["O", "B-PER", "I-PER"]], "BIO"),
        ([["O", "B-PER", "O"]], "BIO"),
        ([["O"], []], "BIO"),
        ([["S-PER"]], "IOBES"),
        ([["B-PER", "I-PER", "E-PER"], ["O"]], "IOBES"),
        ([["B-PER", "O"], ["B-PER", "E-PER"]], "IOBES"),
    ],
)
def test_scheme_is_recognised_from_the_tags(sentences, scheme):
    assert detect_scheme(sentences) == scheme


@given(st.lists(sentences_with_spans(), max_size=4), st.sampled_from(SCHEMES))
def test_recognised_scheme_reads_the_spans_that_were_written(cases, scheme):
    sentences = [tags_from_spans(spans, length, scheme) for spans, length in cases]
    recognised = detect_scheme(sentences)
    for (spans, _), tags in zip(cases, sentences, strict=True):
        assert spans_from_tags(tags, recognised) == spans


def test_two_schemes_in_one_corpus_are_refused():
    with pytest.raises(ConfigError, match="expected one tag scheme"):
        detect_scheme([["O", "I-PER"], ["S-PER"]])


def test_unknown_prefix_stops_recognition():
    with pytest.raises(ConfigError, match="'Q-PER'"):
        detect_scheme([["Q-PER"]])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_outside_is_always_tag_zero(scheme):
    inventory = tag_inventory(LABELS, scheme)
    assert inventory[0] == "O"
    assert len(inventory) == len(set(inventory))
    prefixes = 4 if scheme == "IOBES" else 2
    assert len(inventory) == 1 + prefixes * len(LABELS)


@given(tag_sequences("BIES").filter(bool) | tag_sequences("BI").filter(bool), decoding_schemes)
def test_legal_moves_allow_well_formed_sequences_and_no_others(tags, scheme):
    inventory = tag_inventory(LABELS, scheme)
    if not set(tags) <= set(inventory):
        assert not is_well_formed(tags, scheme)
        return
    ids = [inventory.index(tag) for tag in tags]
    legality = legal_transitions(inventory, scheme)
    allowed = legality.start[ids[0]] and legality.end[ids[-1]]
    allowed = allowed and all(
        legality.transitions[a, b] for a, b in zip(ids, ids[1:], strict=False)
    )
    assert bool(allowed) is is_well_formed(tags, scheme)


@pytest.mark.parametrize("scheme", ["BIO", "IOBES"])
def test_some_legal_path_leads_from_every_tag_to_every_other(scheme):
    # Decoding relies on it: whatever the emissions, a legal path exists.
    legality = legal_transitions(tag_inventory(LABELS, scheme), scheme)
    assert legality.transitions.any(axis=0).all()
    assert legality.transitions.any(axis=1).all()
    assert legality.start[0]
    assert legality.end[0]
    assert legality.transitions[0, 0]
    three = np.linalg.matrix_power(legality.transitions.astype(int), 3)
    assert (three > 0).all()


def test_iob1_has_no_legal_moves():
    with pytest.raises(ConfigError, match="BIO or IOBES"):
        legal_transitions(["O", "I-PER"], "IOB1")
