import itertools

import numpy as np
import pytest

from ner_service.errors import ConfigError
from ner_service.inference.features import WordFeaturizer
from ner_service.text.tokenizer import tokenize
from tests.tiny import VOCABULARY, tiny_config, vector_table
from training.batches import Augmentation, Epoch, TrainingBatches
from training.data import BOUNDARY_TYPE, SoftTags, TrainingWindow, WordTypes
from training.posts import Marks

WORDS = ("Bob", "bought", "toys", ".", "Costa", "SPAIN", "1996", "U.N.")
TAG_COUNT = 3


@pytest.fixture(scope="module")
def marks() -> Marks:
    return Marks.drawn(WORDS)


@pytest.fixture(scope="module")
def types(marks) -> WordTypes:
    featurizer = WordFeaturizer(tiny_config().network, VOCABULARY, [vector_table()])
    return WordTypes(WORDS, marks.words(), featurizer)


def window(types: WordTypes, text: str, tag_ids: list[int]) -> TrainingWindow:
    numbers = [BOUNDARY_TYPE if word == "|" else types.ids[word] for word in text.split()]
    return TrainingWindow(np.array(numbers), np.array(tag_ids))


def without_marks(types: WordTypes, dressed: TrainingWindow) -> list[tuple[int, int]]:
    known = {BOUNDARY_TYPE, *(types.ids[word] for word in WORDS)}
    pairs = zip(dressed.types.tolist(), dressed.tag_ids.tolist(), strict=True)
    return [pair for pair in pairs if pair[0] in known]


def test_marks_are_a_function_of_words_and_seed(marks):
    assert marks == Marks.drawn(WORDS)
    assert marks != Marks.drawn(WORDS, seed=2)


def test_marks_are_what_posts_have_and_the_tokenizer_keeps_handles_tags_and_links(marks):
    words = set(marks.words())
    assert {"RT", ":", "lol"} <= words
    for sign in ("@", "#", "http://"):
        some = [word for word in words if word.startswith(sign)]
        assert len(some) > 50 or sign == "#"
        assert some
        for word in some:
            assert tokenize(f"so {word} now").texts == ["so", word, "now"]
    names = {"bob", "costa", "spain"}
    assert not {word[1:].lower() for word in words if word.startswith("#")} & names


def test_words_without_a_plain_one_make_no_marks():
    with pytest.raises(ConfigError, match="posts: expected words of three lower-case letters"):
        Marks.drawn(["Bob", "1996", "at"])


def test_sentences_keep_their_words_and_tags_and_marks_are_outside(marks, types):
    plain = window(types, "Bob bought toys . | Costa SPAIN | SPAIN", [1, 0, 0, 0, 0, 2, 1, 0, 2])
    dresser, random = marks.dresser(types), np.random.default_rng(5)
    kept = without_marks(types, plain)
    openings = {tuple(types.ids[word] for word in phrase) for phrase in marks.openings}
    seen = set()
    for _ in range(50):
        dressed = dresser.dress(plain, random)
        assert [pair for pair in without_marks(types, dressed) if pair[1]] == [
            pair for pair in kept if pair[1]
        ]
        assert dressed.soft is None
        first, *_ = np.flatnonzero(dressed.tag_ids == 1)
        seen.add(tuple(dressed.types[:first].tolist()))
    assert () in seen
    assert len(seen) > 10
    assert seen - {()} <= openings


def expected_moves(tag_ids: list[int]) -> np.ndarray:
    counts = np.zeros((TAG_COUNT, TAG_COUNT))
    for before, after in itertools.pairwise(tag_ids):
        counts[before, after] += 1
    return counts


def test_beliefs_are_those_of_the_longer_window(marks, types):
    """A teacher sure of its tags is one with gold tags: its counts can be counted."""
    tag_ids = [1, 2, 0, 0, 0, 2, 1, 0, 2]
    plain = window(types, "Bob bought toys . | Costa SPAIN | SPAIN", tag_ids)
    sure = np.eye(TAG_COUNT, dtype=np.float16)[tag_ids]
    taught = TrainingWindow(
        plain.types, plain.tag_ids, SoftTags(sure, expected_moves(tag_ids).astype(np.float32))
    )
    dresser, random = marks.dresser(types), np.random.default_rng(6)
    for _ in range(50):
        dressed = dresser.dress(taught, random)
        assert dressed.soft is not None
        assert dressed.soft.marginals.dtype == np.float16
        assert dressed.soft.marginals.argmax(axis=1).tolist() == dressed.tag_ids.tolist()
        np.testing.assert_array_equal(dressed.soft.moves, expected_moves(dressed.tag_ids.tolist()))
    np.testing.assert_array_equal(taught.soft.moves, expected_moves(tag_ids))


def test_share_of_windows_becomes_posts(marks, types):
    plain = [window(types, "Bob bought toys .", [1, 0, 0, 0])] * 400

    def lengths(posts: float) -> list[int]:
        epoch = Epoch(
            types=types,
            batch_windows=4,
            seed=1,
            number=0,
            augmentation=Augmentation(posts=posts),
            dresser=marks.dresser(types),
        )
        batches = TrainingBatches(plain, epoch)
        return [int(length) for i in range(len(batches)) for length in batches[i].mask.sum(dim=1)]

    assert set(lengths(0.0)) == {4}
    longer = sum(length > 4 for length in lengths(0.4))
    # Three of four dressed windows of one sentence get a mark.
    assert 80 < longer < 160
    assert lengths(0.4) == lengths(0.4)
