"""Typing errors, the same ones every time, to see how a model bears them."""

import numpy as np

from training.cases import WordChange

RATE = 0.1
"""Of the words of at least `SHORTEST` letters, this share gets one slip."""
SHORTEST = 4

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    letter: row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    for row in _ROWS
    for place, letter in enumerate(row)
}


def typing_noise(*, seed: int = 1, rate: float = RATE) -> WordChange:
    """Make a change of words that slips now and then, a function of the seed and of the calls.

    A slip swaps two letters, leaves one out, doubles one, or hits the key beside it, all behind the
    first letter; words with anything but ASCII letters are left alone.
    """
    random = np.random.default_rng(seed)

    def change(word: str) -> str:
        slips = random.random() < rate
        if not slips or len(word) < SHORTEST or not (word.isascii() and word.isalpha()):
            return word
        place = int(random.integers(1, len(word) - 1))
        before, letter, behind = word[:place], word[place], word[place + 1 :]
        match int(random.integers(4)):
            case 0:
                return before + behind[0] + letter + behind[1:]
            case 1:
                return before + behind
            case 2:
                return before + letter + letter + behind
            case _:
                keys = _NEIGHBOURS[letter.lower()]
                key = keys[int(random.integers(len(keys)))]
                return before + (key.upper() if letter.isupper() else key) + behind

    return change
