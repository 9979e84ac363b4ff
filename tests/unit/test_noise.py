from hypothesis import given
from hypothesis import strategies as st

from training.noise import SHORTEST, typing_noise

letters = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ", min_size=SHORTEST, max_size=12)


def changed(words, **options):
    change = typing_noise(**options)
    return [change(word) for word in words]


@given(st.lists(letters), st.integers(0, 9))
def test_slips_are_the_same_every_time(words, seed):
    assert changed(words, seed=seed) == changed(words, seed=seed)


@given(st.lists(letters, max_size=30))
def test_slip_keeps_the_first_letter_and_nearly_the_length(words):
    for word, found in zip(words, changed(words, rate=1.0), strict=True):
        assert found[0] == word[0]
        assert abs(len(found) - len(word)) <= 1
        assert found.isalpha()


@given(st.text(max_size=8))
def test_short_words_numbers_and_other_scripts_stay(word):
    if len(word) < SHORTEST or not (word.isascii() and word.isalpha()):
        assert changed([word], rate=1.0) == [word]


def test_about_the_asked_share_of_words_slips():
    words = ["Westminster"] * 4000
    slipped = sum(found != "Westminster" for found in changed(words, rate=0.1))
    assert 300 < slipped < 500
