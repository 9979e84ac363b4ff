import pytest

from training.spread import spread


def test_interval_is_students():
    found = spread([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    # t with 2 degrees of freedom is 4.303; the deviation is 1.
    assert found.half_width == pytest.approx(4.303 / 3**0.5)


def test_one_run_has_no_interval_and_many_have_a_narrow_one():
    assert spread([0.5]).half_width == 0
    assert spread([0.0, 1.0] * 20).half_width < 0.2
