import pytest

from ner_service.inference.steps import Steps, finish


def adding(given: list[int]) -> Steps[int]:
    total = 0
    for number in given:
        total += yield lambda n=number: n * n
    return total


def test_finish_does_what_is_given_out_and_takes_the_results_in():
    assert finish(adding([1, 2, 3])) == 14
    assert finish(adding([])) == 0


def test_what_goes_wrong_outside_is_raised():
    def failing() -> Steps[None]:
        yield lambda: 1 // 0

    with pytest.raises(ZeroDivisionError):
        finish(failing())
