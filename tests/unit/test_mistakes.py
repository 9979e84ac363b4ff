import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.cases import TextSpan, make_case
from training.documents import Sentence
from training.metrics import score_spans
from training.mistakes import find_mistakes, partial_scores

WORDS = tuple("abcdefghij")  # word i stands at 2 * i


def case_of(*gold):
    tags = ["O"] * len(WORDS)
    for first, last, label in gold:
        tags[first:last] = [f"B-{label}"] + [f"I-{label}"] * (last - first - 1)
    return make_case([Sentence(WORDS, tuple(tags))], "BIO")


def spans(*ranges):
    return [TextSpan(2 * first, 2 * last - 1, label) for first, last, label in ranges]


@pytest.mark.parametrize(
    ("gold", "predicted", "kind"),
    [
        ((0, 2, "PER"), (0, 2, "LOC"), "label"),
        ((0, 2, "PER"), (1, 2, "PER"), "bounds"),
        ((0, 2, "PER"), (1, 3, "LOC"), "label and bounds"),
        ((0, 2, "PER"), None, "missed"),
        (None, (0, 2, "PER"), "invented"),
    ],
)
def test_kinds(gold, predicted, kind):
    case = case_of(*([gold] if gold else []))
    found = spans(*([predicted] if predicted else []))
    (mistake,) = find_mistakes([case], [found])
    assert mistake.kind == kind
    assert mistake.start == min(s.start for s in (*case.gold, *found))


def test_what_is_right_is_no_mistake_and_what_overlaps_is_one():
    case = case_of((0, 2, "PER"), (3, 4, "LOC"), (4, 5, "LOC"))
    found = spans((0, 2, "PER"), (3, 5, "LOC"))
    (mistake,) = find_mistakes([case], [found])
    assert mistake.kind == "bounds"
    assert (len(mistake.gold), len(mistake.predicted)) == (2, 1)
    assert (mistake.start, mistake.end) == (6, 9)


disjoint = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from(("PER", "LOC"))), max_size=3
)


def placed(steps):
    ranges, position = [], 0
    for gap, length, label in steps:
        if position + gap + length <= len(WORDS):
            ranges.append((position + gap, position + gap + length, label))
            position += gap + length
    return ranges


@given(disjoint, disjoint)
def test_every_wrong_entity_is_in_exactly_one_mistake(gold_steps, predicted_steps):
    case, found = case_of(*placed(gold_steps)), spans(*placed(predicted_steps))
    mistakes = list(find_mistakes([case], [found]))
    right = set(case.gold) & set(found)
    assert sorted(s for m in mistakes for s in m.gold) == sorted(set(case.gold) - right)
    assert sorted(s for m in mistakes for s in m.predicted) == sorted(set(found) - right)
    assert [m.start for m in mistakes] == sorted(m.start for m in mistakes)


def test_partial_scores_give_credit_that_strict_ones_do_not():
    case = case_of((0, 2, "PER"), (5, 6, "LOC"))
    found = spans((0, 1, "PER"), (5, 6, "LOC"))
    scores = partial_scores([case], [found], ["PER", "LOC"])
    assert scores["exact"]["f1"] == 0.5
    assert scores["partial"]["f1"] == 0.75
    assert scores["ent_type"]["f1"] == 1.0
    assert score_spans([case.gold], [found]).overall.f1 == 0.5


def test_partial_scores_of_nothing_are_empty():
    assert partial_scores([case_of()], [[]], ["PER"]) == {}
