import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training import plots

ROW = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3, "gold": 8}


def size_of(figure):
    with Image.open(io.BytesIO(plots.png(figure))) as image:
        return image.size


def test_interval_of_a_share():
    # Newcombe 1998, table I: 81 of 263.
    assert plots.wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


@given(st.integers(1, 500), st.floats(0, 1))
def test_interval_holds_its_share_and_stays_a_share(count, share):
    low, high = plots.wilson(share, count)
    assert -1e-9 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1 + 1e-9


def test_curves_with_gaps_are_drawn():
    curve = {"dev_f1": [0.1, None, 0.3], "train_loss": [3, 2, None], "gradient_norm": [1, 1, 1]}
    assert size_of(plots.learning_curve(curve | {"best_epoch": 3}))[0] > 500
    assert size_of(plots.learning_curve(curve | {"best_epoch": 0}))[0] > 500


def test_many_labels_make_a_taller_plot():
    few, many = ({f"L{i}": ROW for i in range(count)} for count in (2, 9))
    assert size_of(plots.label_scores(few, "x"))[1] < size_of(plots.label_scores(many, "x"))[1]
    labels = [f"label-{i}" for i in range(8)]
    counts = [[i * j for i in range(8)] for j in range(8)]
    assert min(size_of(plots.confusion_matrix(labels, counts, "x"))) > 400


def test_reliability_of_nothing_and_of_several_tables():
    empty = {"ece": 0.0, "bins": [{"low": 0, "high": 1, "count": 0, "score": 0, "correct": 0}]}
    one, two = (plots.reliability_diagram(dict.fromkeys(names, empty)) for names in ("a", "ab"))
    assert size_of(one)[0] < size_of(two)[0]
