"""Our scores against seqeval's strict mode and against conlleval's counting, on any tags at all."""

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import classification_report, f1_score
from seqeval.scheme import IOB2

from ner_service.tags import spans_from_tags, tag_inventory
from tests.strategies import LABELS, tag_sequences
from training.cases import TextSpan, make_case
from training.documents import Sentence
from training.metrics import Counts, confusion, score_spans
from training.predictions import tagged_pieces


def conlleval_counts(gold: list[str], predicted: list[str]) -> Counts:
    """The CoNLL-2000 scorer's loop over tokens (Tjong Kim Sang and Buchholz 2000), in our words."""
    correct = gold_count = predicted_count = 0
    agreeing = False
    before = ("O", "O")
    for now in [*zip(gold, predicted, strict=True), ("O", "O")]:
        ends = [_ends(*pair) for pair in zip(before, now, strict=True)]
        begins = [_begins(*pair) for pair in zip(before, now, strict=True)]
        if agreeing:
            if all(ends):
                correct += 1
            if any(ends) or now[0][2:] != now[1][2:]:
                agreeing = False
        if all(begins) and now[0][2:] == now[1][2:]:
            agreeing = True
        gold_count += begins[0]
        predicted_count += begins[1]
        before = now
    return Counts(gold_count, predicted_count, correct)


def _ends(left: str, right: str) -> bool:
    return left != "O" and (right[:1] in "BO" or left[2:] != right[2:])


def _begins(left: str, right: str) -> bool:
    return right != "O" and (right[:1] == "B" or left == "O" or left[2:] != right[2:])


def strict_f1(gold: list[list[str]], predicted: list[list[str]]) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of labels without predictions
        return float(f1_score(gold, predicted, mode="strict", scheme=IOB2, zero_division=0))


@st.composite
def corpora(draw, prefixes="BI"):
    """Gold and predicted tags of some sentences, ill-formed ones among them."""
    tags = st.sampled_from(["O", *(f"{p}-{label}" for p in prefixes for label in LABELS)])
    lengths = draw(st.lists(st.integers(1, 8), min_size=1, max_size=5))
    return [tuple(draw(st.lists(tags, min_size=n, max_size=n)) for _ in range(2)) for n in lengths]


def written(gold: list[str], predicted: list[str]) -> tuple[list[str], list[str]]:
    """Gold and predicted tags of a sentence as the predictions file has them."""
    words = tuple(f"w{index}" for index in range(len(gold)))
    case, found = (make_case([Sentence(words, tuple(tags))], "BIO") for tags in (gold, predicted))
    (pieces,) = tagged_pieces(case, found.gold)
    return [tag for _, tag, _ in pieces], [tag for *_, tag in pieces]


@settings(max_examples=300)
@given(corpora())
def test_scores_are_those_of_seqeval_strict_on_what_is_written(corpus):
    pairs = [written(gold, predicted) for gold, predicted in corpus]
    golds, predictions = [list(tags) for tags in zip(*pairs, strict=True)]
    ours = score_spans(
        [spans_from_tags(gold, "BIO") for gold, _ in corpus],
        [spans_from_tags(predicted, "BIO") for _, predicted in corpus],
    )
    assert ours.overall.f1 == pytest.approx(strict_f1(golds, predictions), abs=1e-12)
    if not ours.by_label:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = classification_report(
            golds, predictions, mode="strict", scheme=IOB2, output_dict=True, zero_division=0
        )
    for label, counts in ours.by_label.items():
        row = theirs[label]
        rates = (row["precision"], row["recall"], row["f1-score"], row["support"])
        assert rates == pytest.approx((counts.precision, counts.recall, counts.f1, counts.gold))


@given(corpora())
def test_scores_are_conllevals_even_where_tags_are_ill_formed(corpus):
    for gold, predicted in corpus:
        spans = [spans_from_tags(tags, "BIO") for tags in (gold, predicted)]
        assert score_spans([spans[0]], [spans[1]]).overall == conlleval_counts(gold, predicted)


@given(corpora())
def test_on_well_formed_tags_all_three_agree(corpus):
    corpus = [written(*pair) for pair in corpus]
    golds, predictions = [list(tags) for tags in zip(*corpus, strict=True)]
    counts = [conlleval_counts(*pair) for pair in corpus]
    total = Counts(*(sum(getattr(c, n) for c in counts) for n in ("gold", "predicted", "correct")))
    ours = score_spans(
        [spans_from_tags(gold, "BIO") for gold in golds],
        [spans_from_tags(predicted, "BIO") for predicted in predictions],
    )
    assert ours.overall == total
    assert total.f1 == pytest.approx(strict_f1(golds, predictions), abs=1e-12)


def test_no_entities_score_zero_without_dividing():
    scores = score_spans([[]], [[]])
    assert (scores.overall.precision, scores.overall.recall, scores.overall.f1) == (0, 0, 0)
    assert scores.by_label == {}


def test_confusion_counts_every_gold_and_predicted_entity_once():
    gold = [TextSpan(0, 2, "PER"), TextSpan(3, 5, "LOC"), TextSpan(6, 9, "PER")]
    predicted = [TextSpan(0, 2, "LOC"), TextSpan(3, 5, "LOC"), TextSpan(6, 8, "PER")]
    table = confusion([gold], [predicted])
    assert table.labels == ("LOC", "PER", "-")
    assert table.counts == ((1, 0, 0), (1, 0, 1), (0, 1, 0))


@given(tag_sequences("BI"), tag_sequences("BI"))
def test_confusion_has_the_same_sums_as_the_scores(gold_tags, predicted_tags):
    gold, predicted = (
        [TextSpan(s.start_token, s.end_token, s.label) for s in spans_from_tags(tags, "BIO")]
        for tags in (gold_tags, predicted_tags)
    )
    table, scores = confusion([gold], [predicted]), score_spans([gold], [predicted])
    for place, label in enumerate(table.labels[:-1]):
        counts = scores.by_label[label]
        assert sum(table.counts[place]) == counts.gold
        assert sum(row[place] for row in table.counts) == counts.predicted
        assert table.counts[place][place] == counts.correct


def test_every_tag_of_the_inventory_is_scored():
    for tag in tag_inventory(LABELS, "BIO")[1:]:
        spans = spans_from_tags([tag], "BIO")
        assert score_spans([spans], [spans]).overall == Counts(1, 1, 1)
