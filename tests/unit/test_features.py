from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from ner_service.artifact import VectorTable
from ner_service.inference.features import WordFeaturizer
from tests.strategies import words
from tests.tiny import VECTOR_WIDTH, VOCABULARY, tiny_config, vector_table

HEAD, TAIL = 6, 3


@pytest.fixture(scope="module")
def featurizer() -> WordFeaturizer:
    return WordFeaturizer(tiny_config().network, VOCABULARY, [vector_table()])


def test_one_hot_position_is_the_words_place_in_the_vocabulary(featurizer):
    assert featurizer.features(["the", "Bob", "bob", "nobody"]).one_hot_ids.tolist() == [2, 4, 0, 0]


def test_shape_position_is_that_of_the_outline(featurizer):
    # Known: x, Xx, ., X, d, Xx-Xx
    found = featurizer.features(["toy", "Bob", "SPAIN", "1996", "x1"]).shapes
    assert found.tolist() == [2, 3, 5, 6, 0]


def test_vectors_are_looked_up_in_every_table():
    other = VectorTable.build(["Bob"], np.array([0]), np.full((1, 2), 3.0, dtype=np.float32))
    featurizer = WordFeaturizer(tiny_config().network, VOCABULARY, [vector_table(), other])
    rows = featurizer.features(["Bob", "nobody"]).vector_rows
    assert rows.tolist() == [[0, 0], [-1, -1]]
    vectors = featurizer.vectors(rows)
    assert vectors.shape == (2, VECTOR_WIDTH + 2)
    np.testing.assert_allclose(vectors[0, -2:], 3.0)
    assert not vectors[1].any()


def test_without_tables_vectors_have_no_width():
    featurizer = WordFeaturizer(tiny_config().network, VOCABULARY, [])
    features = featurizer.features(["Bob", "left"])
    assert featurizer.vectors(features.vector_rows).shape == (2, 0)


def test_long_word_keeps_its_head_and_its_tail(featurizer):
    exact, longer, longest = (
        featurizer.features([word]).characters[0]
        for word in ("abcdefxyz", "abcdefHxyz", "abcdef" + "q" * 10_000 + "xyz")
    )
    assert len(exact) == HEAD + TAIL
    np.testing.assert_array_equal(exact, longer)
    np.testing.assert_array_equal(exact, longest)


def test_short_word_is_padded_behind_and_unknown_characters_are_one(featurizer):
    (found,) = featurizer.features(["aé"]).characters
    assert found.tolist() == [2, 1, *[0] * (HEAD + TAIL - 2)]


@given(words)
def test_characters_are_those_of_a_look_up_one_by_one(featurizer, words):
    found = featurizer.features(words).characters
    for word, ids in zip(words, found, strict=True):
        read = word if len(word) <= HEAD + TAIL else word[:HEAD] + word[-TAIL:]
        expected = [VOCABULARY.character_ids.get(character, 1) for character in read]
        assert ids.tolist() == [*expected, *[0] * (HEAD + TAIL - len(read))]


def test_word_without_tail_is_cut_at_its_head():
    network = replace(tiny_config().network, character_tail=0)
    featurizer = WordFeaturizer(network, VOCABULARY, [])
    assert featurizer.features(["abcdefghi"]).characters.tolist() == [[2, 3, 4, 5, 6, 7]]


@given(words)
def test_columns_of_a_word_depend_on_that_word_alone(featurizer, words):
    together = featurizer.features(words)
    assert len(together) == len(words)
    for index, word in enumerate(words):
        alone = featurizer.features([word])
        for name in ("one_hot_ids", "vector_rows", "characters", "shapes"):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(together, name)[index])


def test_boundary_is_like_no_word(featurizer):
    boundary = featurizer.boundary()
    assert len(boundary) == 1
    assert boundary.one_hot_ids.tolist() == boundary.shapes.tolist() == [1]
    assert not boundary.characters.any()
    assert not featurizer.vectors(boundary.vector_rows).any()
