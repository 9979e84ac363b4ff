import pytest

from ner_service.tags import Span
from training.metrics import Counts, score_spans

A, B, C = Span(0, 1, "PER"), Span(2, 4, "LOC"), Span(5, 6, "ORG")


def test_counts_by_hand():
    scores = score_spans([[A, B], [C]], [[A, Span(2, 4, "PER")], []])
    assert scores.overall == Counts(gold=3, predicted=2, correct=1)
    assert scores.overall.precision == pytest.approx(1 / 2)
    assert scores.overall.recall == pytest.approx(1 / 3)
    assert scores.overall.f1 == pytest.approx(2 / 5)
    assert scores.by_label == {
        "LOC": Counts(1, 0, 0),
        "ORG": Counts(1, 0, 0),
        "PER": Counts(1, 2, 1),
    }


def test_span_of_another_sentence_does_not_count():
    assert score_spans([[A], []], [[], [A]]).overall.correct == 0


def test_half_a_span_does_not_count():
    assert score_spans([[B]], [[Span(2, 3, "LOC")]]).overall.f1 == 0.0


@pytest.mark.parametrize(
    ("gold", "predicted"), [([[]], [[]]), ([], []), ([[A]], [[]]), ([[]], [[A]])]
)
def test_where_there_is_nothing_scores_are_zero(gold, predicted):
    overall = score_spans(gold, predicted).overall
    assert overall.precision == overall.recall == overall.f1 == 0.0


def test_everything_right_is_one():
    overall = score_spans([[A, B]], [[B, A]]).overall
    assert overall.precision == overall.recall == overall.f1 == 1.0


def test_sentences_must_pair_up():
    with pytest.raises(ValueError, match="zip"):
        score_spans([[A]], [])
