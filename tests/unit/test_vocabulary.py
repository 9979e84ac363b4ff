from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.artifact import VectorTable, Vocabulary
from ner_service.artifact.vocabulary import (
    BOUNDARY_ID,
    UNKNOWN_ID,
    lookup_forms,
    word_keys,
    word_shape,
)

any_word = st.text(min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("McDonald's", "XxXx'x"),
        ("U.S.", "X.X."),
        ("1996-08-22", "d-d-d"),
        ("SPAIN", "X"),
        ("toy", "x"),
        ("Bob", "Xx"),
        ("\U0001f600\U0001f600", "*"),
        ("北京", "*"),
        ("a1b2c3d4e5", "xdxdxdxd"),
        ("", ""),
    ],
)
def test_shape_outlines_a_word(word, shape):
    assert word_shape(word) == shape


def sign(character: str) -> str:
    if character.isupper() or character.islower():
        return "X" if character.isupper() else "x"
    return "d" if character.isdigit() else character if character.isascii() else "*"


@given(any_word | st.text("aZ", min_size=1, max_size=9))
def test_shape_is_the_run_of_signs_cut(word):
    runs = [run for run, _ in groupby(map(sign, word))]
    assert word_shape(word) == "".join(runs[:8])


@given(any_word)
def test_shape_is_short_and_never_repeats_a_sign(word):
    shape = word_shape(word)
    assert 1 <= len(shape) <= 8
    assert all(a != b for a, b in zip(shape, shape[1:], strict=False))


def test_forms_go_from_exact_to_folded():
    assert list(lookup_forms("Abc")) == ["Abc", "abc"]
    assert list(lookup_forms("A-1996")) == ["A-1996", "a-1996", "A-0000", "a-0000"]


def test_ids_leave_room_for_unknown_and_boundary():
    vocabulary = Vocabulary(words=("a", "b"), characters=("x",), shapes=("X",))
    assert vocabulary.word_ids == {"a": 2, "b": 3}
    assert (UNKNOWN_ID, BOUNDARY_ID) == (0, 1)
    counts = vocabulary.word_count, vocabulary.character_count, vocabulary.shape_count
    assert counts == (4, 3, 3)


def test_keys_are_the_same_in_every_process():
    # They are stored: Python's own hash would differ from one process to the next.
    expected = [16704144070441063186, 7497787021708494914]
    assert word_keys(["Bob", "\ud800"]).tolist() == expected
    assert not len(word_keys([]))


@given(st.lists(any_word, min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_table_gives_each_word_its_own_vector(words, seed):
    vectors = np.random.default_rng(seed).normal(size=(len(words), 3)).astype(np.float32)
    table = VectorTable.build(words, np.arange(len(words)), vectors)
    found = table.gather(table.find(words))
    for index, word in enumerate(words):
        first = words.index(word)  # of equal words the first counts
        step = np.abs(vectors[first]).max() / 127
        np.testing.assert_allclose(found[index], vectors[first], atol=step / 2 + 1e-7)


def test_exact_form_goes_before_the_lower_cased_one_and_both_before_folded_digits():
    words = ["Apple", "apple", "in-0000", "IN-0000"]
    table = VectorTable.build(words, np.arange(4), np.eye(4, dtype=np.float32))
    assert table.find(["Apple", "APPLE", "apple"]).tolist() == [0, 1, 1]
    assert table.find(["IN-1996", "In-1996", "in-1996", "pear"]).tolist() == [3, 2, 2, -1]


def test_no_words_are_found_in_no_time():
    table = VectorTable.build(["a"], np.array([0]), np.ones((1, 2), dtype=np.float32))
    assert table.find([]).shape == (0,)
    assert table.find([""]).tolist() == [-1]


def test_unknown_rows_and_zero_rows_are_zero():
    vectors = np.array([[0.0, 0.0], [1.0, -2.0]], dtype=np.float32)
    table = VectorTable.build(["a", "b"], np.array([0, 1]), vectors)
    assert table.width == 2
    np.testing.assert_allclose(
        table.gather(np.array([-1, 0, 1])), [[0, 0], [0, 0], [1, -2]], atol=0.01
    )


def test_words_may_share_a_row():
    table = VectorTable.build(["a", "b"], np.array([0, 0]), np.ones((1, 2), dtype=np.float32))
    assert table.find(["a", "b"]).tolist() == [0, 0]
