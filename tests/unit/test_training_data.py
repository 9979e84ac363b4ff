from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ner_service.artifact.vocabulary import BOUNDARY_ID, UNKNOWN_ID
from ner_service.inference.features import WordFeaturizer
from ner_service.tagger import Tagger
from ner_service.tags import tag_inventory
from tests.tiny import VOCABULARY, tiny_config, vector_table
from training.batches import Augmentation, Epoch, TrainingBatches
from training.data import (
    BOUNDARY_TYPE,
    SoftTags,
    TrainingWindow,
    WordTypes,
    make_batch,
    make_windows,
)
from training.documents import Document, Sentence

TAGS = tag_inventory(("LOC", "PER"), "IOBES")
TEXT = ("Bob bought toys .", "Costa left SPAIN in 1996 .", "the bank", "a")


def sentence(text: str, tags: str | None = None) -> Sentence:
    tokens = tuple(text.split())
    return Sentence(tokens, tuple(tags.split()) if tags else ("O",) * len(tokens))


@pytest.fixture(scope="module")
def featurizer() -> WordFeaturizer:
    return WordFeaturizer(tiny_config().network, VOCABULARY, [vector_table()])


@pytest.fixture(scope="module")
def types(featurizer) -> WordTypes:
    words = [word for text in TEXT for word in text.split()]
    return WordTypes(words, ["Lisbon"], featurizer)


def windows_of(documents: list[Document], types: WordTypes, size: int = 12, source: str = "IOB1"):
    return list(
        make_windows(documents, types, TAGS, source=source, target="IOBES", window_tokens=size)
    )


def test_windows_hold_sentences_with_a_boundary_between_them(types):
    document = [
        sentence("Bob bought toys .", "I-PER O O O"),
        sentence("Costa left SPAIN in 1996 .", "I-PER O I-LOC O O O"),
        sentence("the bank"),
    ]
    first, second = windows_of([document], types)
    words = {number: word for word, number in types.ids.items()}
    words[BOUNDARY_TYPE] = "|"
    assert " ".join(words[i] for i in first.types) == (
        "Bob bought toys . | Costa left SPAIN in 1996 ."
    )
    assert " ".join(words[i] for i in second.types) == "the bank"
    assert [TAGS[i] for i in first.tag_ids] == [
        "S-PER", "O", "O", "O", "O", "S-PER", "O", "S-LOC", "O", "O", "O",
    ]  # fmt: skip


def test_documents_share_no_window(types):
    assert len(windows_of([[sentence("the bank")], [sentence("a")]], types)) == 2


def test_tags_are_converted_from_the_scheme_of_the_corpus(types):
    document = [sentence("Costa SPAIN Bob", "I-PER B-PER I-PER")]
    (window,) = windows_of([document], types)
    assert [TAGS[i] for i in window.tag_ids] == ["S-PER", "B-PER", "E-PER"]


@given(st.lists(st.integers(1, 20), min_size=1, max_size=8), st.integers(4, 15))
def test_windows_are_the_segments_that_serving_decodes(types, tagger, lengths, size):
    document = [sentence(" ".join(["the"] * length)) for length in lengths]
    windows = windows_of([document], types, size)
    starts = np.cumsum([0, *lengths])[:-1].tolist()
    config = replace(tagger._config, window_tokens=size, window_overlap=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tagger, "_config", config)
        layout = tagger.prepare_tokens(["the"] * sum(lengths), starts).layout
    assert len(windows) == len(layout.segments)
    for window, (begin, end) in zip(windows, layout.segments, strict=True):
        marks = [slot in layout.boundaries for slot in range(begin, end)]
        np.testing.assert_array_equal(
            window.types, np.where(marks, BOUNDARY_TYPE, types.ids["the"])
        )
    for piece in layout.windows:
        if (piece.start, piece.stop) in layout.segments:
            # What fits a window is read whole in serving, as it was in training.
            assert (piece.keep_start, piece.keep_stop) == (piece.start, piece.stop)


@pytest.fixture(scope="module")
def tagger(tiny_model) -> Tagger:
    return Tagger.load(tiny_model)


def test_word_types_know_their_cased_variants(types):
    names = {number: word for word, number in types.ids.items()}
    bob = types.ids["Bob"]
    assert names[types.lower[bob]] == "bob"
    assert names[types.upper[bob]] == "BOB"
    assert names[types.title[types.ids["bank"]]] == "Bank"
    for variants in (types.lower, types.upper, types.title):
        assert variants[BOUNDARY_TYPE] == BOUNDARY_TYPE
        assert variants.shape == (len(types.ids) + 1,)


def test_words_to_be_trained_come_first(types):
    trained = [word for text in TEXT for word in text.split()]
    assert all(types.ids[word] < types.trained_count for word in trained)
    assert types.ids["BOUGHT"] < types.trained_count
    assert types.ids["Lisbon"] >= types.trained_count


def test_columns_of_a_type_are_those_of_serving(types, featurizer):
    for word, number in types.ids.items():
        served = featurizer.features([word])
        for name in ("one_hot_ids", "vector_rows", "characters", "shapes"):
            np.testing.assert_array_equal(
                getattr(types.features, name)[number], getattr(served, name)[0]
            )
    np.testing.assert_array_equal(
        types.features.characters[BOUNDARY_TYPE], featurizer.boundary().characters[0]
    )
    assert types.features.one_hot_ids[BOUNDARY_TYPE] == BOUNDARY_ID


def test_batch_numbers_distinct_words_and_pads_behind(types):
    documents = [[sentence(text)] for text in TEXT]
    batch = make_batch(windows_of(documents, types), types)
    assert batch.positions.shape == batch.mask.shape == batch.tag_ids.shape == (4, 6)
    assert batch.mask.sum(dim=1).tolist() == [4, 6, 2, 1]
    assert len(batch.words.one_hot_ids) == len({w for t in TEXT for w in t.split()}) + 1
    assert not batch.boundaries.any()
    for row, text in enumerate(TEXT):
        for column, word in enumerate(text.split()):
            place = batch.positions[row, column]
            expected = VOCABULARY.word_ids.get(word, UNKNOWN_ID)
            assert batch.words.one_hot_ids[place] == expected
    assert batch.marginals is None


def test_boundaries_are_marked_and_padding_is_not(types):
    windows = windows_of([[sentence("a"), sentence("the bank")], [sentence("a")]], types)
    batch = make_batch(windows, types)
    assert batch.boundaries.tolist() == [[False, True, False, False], [False] * 4]


def test_gold_windows_beside_taught_ones_are_sure_of_their_tags(types):
    (gold,) = windows_of([[sentence("Costa SPAIN", "I-PER B-PER")]], types)
    soft = SoftTags(np.full((1, 9), 1 / 9), np.zeros((9, 9)))
    taught = TrainingWindow(np.array([types.ids["a"]]), np.array([0]), soft)
    batch = make_batch([gold, taught], types)
    assert batch.marginals[0].argmax(dim=1).tolist() == gold.tag_ids.tolist()
    np.testing.assert_allclose(batch.marginals.sum(dim=2), [[1, 1], [1, 0]], atol=1e-6)
    assert batch.moves[0].sum() == 1
    assert batch.moves[0, gold.tag_ids[0], gold.tag_ids[1]] == 1


def batches(
    types: WordTypes, *, seed: int = 1, epoch: int = 0, **chances: float
) -> TrainingBatches:
    windows = windows_of([[sentence(text)] for text in TEXT * 5], types)
    return TrainingBatches(
        windows,
        Epoch(
            types=types,
            batch_windows=3,
            seed=seed,
            number=epoch,
            augmentation=Augmentation(**chances),
        ),
    )


def as_arrays(batch) -> list[np.ndarray]:
    columns = [*batch.words, *batch[1:6]]
    return [column.numpy() for column in columns]


CHANCES = {"lower": 0.3, "upper": 0.2, "title": 0.1, "word_dropout": 0.2, "one_hot_dropout": 0.2}


def test_batch_is_a_function_of_seed_epoch_and_index(types):
    one, other = (batches(types, **CHANCES) for _ in range(2))
    assert len(one) == 7
    torch.rand(3)
    for index in (4, 0, 6):  # in any order
        for ours, theirs in zip(as_arrays(one[index]), as_arrays(other[index]), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("change", [{"seed": 2}, {"epoch": 1}])
def test_another_seed_or_epoch_brings_another_order(types, change):
    before, after = batches(types), batches(types, **change)
    tags = [
        [
            tuple(row)
            for i in range(len(some))
            for row in some[i].mask.sum(dim=1, keepdim=True).tolist()
        ]
        for some in (before, after)
    ]
    assert tags[0] != tags[1]
    assert sorted(tags[0]) == sorted(tags[1])


def test_every_window_is_seen_once_an_epoch(types):
    some = batches(types)
    lengths = sorted(int(n) for i in range(len(some)) for n in some[i].mask.sum(dim=1))
    assert lengths == sorted([4, 6, 2, 1] * 5)


def test_batches_end(types):
    some = batches(types)
    assert len(list(some)) == len(some)
    with pytest.raises(IndexError):
        some[len(some)]


@pytest.mark.parametrize(
    ("chances", "change"),
    [({"lower": 0.999}, str.lower), ({"upper": 0.999}, str.upper), ({}, str)],
)
def test_windows_are_recased_as_a_whole(types, featurizer, chances, change):
    known = {
        tuple(featurizer.features([change(word)]).characters[0])
        for text in TEXT
        for word in text.split()
    }
    some = batches(types, **chances)
    for index in range(len(some)):
        batch = some[index]
        seen = {tuple(row) for row in batch.words.characters.numpy() if row.any()}
        assert seen <= known


def test_forgotten_words_lose_one_hot_and_vectors_or_one_hot_alone(types):
    whole = batches(types)[1]
    nothing = batches(types, word_dropout=0.999)[1]
    assert (nothing.vector_rows == -1).all()
    boundary = nothing.words.shapes == BOUNDARY_ID
    assert (nothing.words.one_hot_ids[~boundary] == UNKNOWN_ID).all()
    assert (nothing.words.one_hot_ids[boundary] == BOUNDARY_ID).all()
    vectors = batches(types, one_hot_dropout=0.999)[1]
    assert (vectors.words.one_hot_ids[~boundary] == UNKNOWN_ID).all()
    torch.testing.assert_close(vectors.vector_rows, whole.vector_rows)
    torch.testing.assert_close(vectors.words.characters, whole.words.characters)


def test_forgetting_leaves_the_corpus_as_it_was(types):
    before = types.features.one_hot_ids.copy(), types.features.vector_rows.copy()
    batches(types, word_dropout=0.9)[0]
    np.testing.assert_array_equal(types.features.one_hot_ids, before[0])
    np.testing.assert_array_equal(types.features.vector_rows, before[1])


def test_taught_windows_are_drawn_anew_each_epoch(types):
    gold = windows_of([[sentence("the bank")]] * 2, types)
    soft = SoftTags(np.full((1, 9), 1 / 9), np.zeros((9, 9)))
    taught = [TrainingWindow(np.array([number]), np.array([0]), soft) for number in range(1, 16)]

    def drawn(epoch: int) -> list[int]:
        some = TrainingBatches(
            gold,
            Epoch(types=types, batch_windows=2, seed=1, number=epoch, augmentation=Augmentation()),
            teacher=taught,
            teacher_windows=4,
        )
        return sorted(int(w.types[0]) for w in some._windows if w.soft is not None)

    assert len(drawn(0)) == 4
    assert drawn(0) == drawn(0) != drawn(1)


def test_windows_are_cut_between_sentences_anew_each_epoch(types):
    document = [sentence("the bank"), sentence("a"), sentence("Costa left SPAIN")] * 8
    (whole,) = windows_of([document], types, size=200)

    def pieces(epoch: int, cut: float) -> list[TrainingWindow]:
        some = TrainingBatches(
            [whole],
            Epoch(types=types, batch_windows=2, seed=1, number=epoch, augmentation=Augmentation()),
            cut=cut,
        )
        return some._windows

    (uncut,) = pieces(0, 0.0)
    np.testing.assert_array_equal(uncut.types, whole.types)
    some = pieces(0, 0.3)
    assert 1 < len(some) < 24
    assert [len(w.types) for w in pieces(1, 0.3)] != [len(w.types) for w in some]
    for column, between in (("types", BOUNDARY_TYPE), ("tag_ids", 0)):
        joined = np.concatenate(
            [array for piece in some for array in (getattr(piece, column), [between])]
        )
        np.testing.assert_array_equal(joined[:-1], getattr(whole, column))
    assert all(piece.types[0] != BOUNDARY_TYPE != piece.types[-1] for piece in some)
