import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.artifact import load_artifact
from ner_service.inference.features import WordFeatures, WordFeaturizer
from ner_service.inference.onnx_backend import OnnxBackend
from ner_service.inference.rows import BOUNDARY_ROW, NO_FORM, WordRows
from tests.strategies import words


class CountingBackend(OnnxBackend):
    """Notes how many words went through the encoder."""

    encoded = 0

    def encode_words(self, features: WordFeatures, vectors: np.ndarray) -> np.ndarray:
        self.encoded += len(features)
        return super().encode_words(features, vectors)


@pytest.fixture(scope="module")
def parts(tiny_model) -> tuple[CountingBackend, WordFeaturizer]:
    artifact = load_artifact(tiny_model)
    featurizer = WordFeaturizer(
        artifact.config.network, artifact.vocabulary, artifact.vector_tables
    )
    return CountingBackend(tiny_model), featurizer


def cache(parts, capacity: int) -> WordRows:
    backend, featurizer = parts
    return WordRows(backend, featurizer, capacity=capacity)


def row_of(parts, word: str) -> np.ndarray:
    backend, featurizer = parts
    features = featurizer.features([word])
    return backend.encode_words(features, featurizer.vectors(features.vector_rows))[0]


@given(st.lists(words, max_size=4), st.integers(1, 8))
def test_small_cache_never_changes_an_answer(parts, documents, capacity):
    rows = cache(parts, capacity)
    # One by one, so that the cache fills, is emptied, and fills again; then all at once.
    for batch in [*([document] for document in documents), documents]:
        places = rows.look_up(batch)
        assert [len(found) for found in places] == [len(document) for document in batch]
        for document, found in zip(batch, places, strict=True):
            for word, row in zip(document, rows.matrix[found], strict=True):
                np.testing.assert_allclose(row, row_of(parts, word), atol=1e-6)


@given(words.filter(len), st.randoms(use_true_random=False))
def test_row_of_a_word_does_not_depend_on_batch_and_order(parts, words, random):
    once = cache(parts, 100)
    (places,) = once.look_up([words])
    shuffled = random.sample(words, len(words))
    again = cache(parts, 100)
    (others,) = again.look_up([shuffled])
    expected = dict(zip(words, once.matrix[places], strict=True))
    for word, row in zip(shuffled, again.matrix[others], strict=True):
        np.testing.assert_allclose(row, expected[word], atol=1e-6)


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=9), st.integers(1, 9))
def test_within_an_era_a_row_is_one_word_s(parts, documents, capacity):
    rows = cache(parts, capacity)
    words: dict[tuple[int, int], str] = {}
    for document in documents:
        (places,) = rows.look_up([document])
        for word, place in zip(document, places, strict=True):
            assert words.setdefault((rows.era, place), word) == word


def test_word_is_encoded_once(parts):
    rows = cache(parts, 10)
    before = parts[0].encoded
    rows.look_up([["a", "b", "a"], ["b"]])
    rows.look_up([["b", "a"]])
    assert parts[0].encoded - before == 2


@pytest.mark.parametrize("size", [2, 20])
def test_words_whose_rows_failed_are_not_taken_for_known(parts, monkeypatch, size):
    rows = cache(parts, 5)
    rows.look_up([["a"]])
    assert rows.forms[1] != NO_FORM
    new = [str(number) for number in range(size)]
    with monkeypatch.context() as broken:
        broken.setattr(parts[0], "encode_words", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            rows.look_up([["a", *new]])
    assert_right(parts, rows, [new[-1], "a"])


def test_a_look_up_that_is_interrupted_leaves_nothing_behind(parts):
    def interrupted():
        yield "b"
        raise KeyboardInterrupt

    rows = cache(parts, 5)
    with pytest.raises(KeyboardInterrupt):
        rows.look_up([["a"], interrupted()])
    assert_right(parts, rows, ["b", "B", "a"])


def assert_right(parts, rows: WordRows, words: list[str]) -> None:
    (places,) = rows.look_up([words])
    forms = rows.forms[places]
    for word, place, form in zip(words, places, forms, strict=True):
        np.testing.assert_allclose(rows.matrix[place], row_of(parts, word), atol=1e-6)
        assert [f == form for f in forms] == [w.lower() == word.lower() for w in words]


def test_cache_stays_within_its_capacity(parts):
    rows = cache(parts, 5)
    for begin in range(0, 60, 3):
        rows.look_up([[str(number) for number in range(begin, begin + 3)]])
    assert len(rows.matrix) == 6


def test_more_words_at_once_than_the_cache_holds_fit_all_the_same(parts):
    rows = cache(parts, 5)
    many = [str(number) for number in range(3000)]
    (places,) = rows.look_up([many])
    assert len(set(places)) == 3000
    np.testing.assert_allclose(rows.matrix[places[2999]], row_of(parts, "2999"), atol=1e-6)


def test_boundary_keeps_its_row(parts):
    rows = cache(parts, 2)
    boundary = rows.matrix[BOUNDARY_ROW].copy()
    for word in ("a", "b", "c", "d"):
        (places,) = rows.look_up([[word]])
        assert BOUNDARY_ROW not in places
    rows.look_up([[str(number) for number in range(50)]])
    np.testing.assert_array_equal(rows.matrix[BOUNDARY_ROW], boundary)


def test_no_documents_and_no_words_have_no_places(parts):
    rows = cache(parts, 2)
    assert rows.look_up([]) == []
    assert rows.look_up([[], []]) == [[], []]


def test_words_that_differ_in_case_alone_share_a_form_and_the_boundary_has_none(parts):
    rows = cache(parts, 4)
    for batch in (["Bonn", "BONN", "bonn", "Köln"], ["x", "X"], [str(n) for n in range(9)], ["A"]):
        (places,) = rows.look_up([batch])
        forms = rows.forms[places].tolist()
        lowered = [word.lower() for word in batch]
        for word, form in zip(lowered, forms, strict=True):
            assert [f == form for f in forms] == [w == word for w in lowered]
        assert NO_FORM not in forms
        assert rows.forms[BOUNDARY_ROW] == NO_FORM
