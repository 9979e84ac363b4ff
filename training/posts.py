"""Sentences dressed as posts: what social media put around words, none of it a name.

A tagger that has seen nothing but news takes `RT`, `@handle` and links for organisations. So some
windows get such marks before and behind their sentences, tagged O; the sentences keep their tags.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ner_service.errors import ConfigError
from training.data import BOUNDARY_TYPE, SoftTags, TrainingWindow, WordTypes

DRESSED = 0.5
"""Chance of a sentence in a dressed window to get an opening, and that to get a closing."""
_OUTSIDE = 0  # the tag O
_PHRASES = 2000
_LETTERS = tuple("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_HOSTS = ("t.co", "bit.ly", "tinyurl.com", "ow.ly", "youtu.be")
_SLANG = ("lol", "LOL", "omg", "OMG", "haha", "Haha", "smh", "btw", "FYI", "WTF", "ppl", "thx")
_SMILEYS = (":)", ": )", ";)", "; )", ":D", ": D", ": P", "xD", "XD", "&lt;3", "&lt; 3", "& lt ; 3")
# H stands for a handle, T for a hashtag, L for a link; the number says how often. Words come as
# corpora have them, and as the tokenizer parts them: `&amp;` and `& amp ;`.
_OPENINGS = {
    **{"H": 4, "RT H :": 3, "RT H": 1, "RT": 1, "H H": 1, ". H": 1, "T": 1, "T :": 1, "L": 1},
    **dict.fromkeys(("&gt; &gt;", "& gt ;", "&amp;", "& amp ;", "Ugh", "yay", *_SLANG), 1),
}
_CLOSINGS = {
    **{"L": 4, "T": 2, "T T": 1, "L T": 2, "via H": 1, "via H L": 1, "- H": 1, "cc H": 1, "H": 1},
    **dict.fromkeys(("tbh", "idk", "pls", "FTW", "ROFL", "xoxo", "...", *_SMILEYS, *_SLANG), 1),
}

Phrases = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Marks:
    """Phrases that posts have before and behind their sentences."""

    openings: Phrases
    closings: Phrases

    @classmethod
    def drawn(cls, words: Iterable[str], *, seed: int = 1) -> "Marks":
        """Make handles, hashtags and links of a corpus's words, a function of them and of the seed.

        Raises:
            ConfigError: none of the words has three letters or more, all of them lower-case.
        """
        letters = [word for word in words if word.isalpha() and len(word) >= 3]
        plain = [word for word in letters if word.islower()]
        if not plain:
            raise ConfigError("posts: expected words of three lower-case letters or more, got none")
        draw = _Draw(letters, plain, np.random.default_rng(seed))
        return cls(*(tuple(draw.phrases(of)) for of in (_OPENINGS, _CLOSINGS)))

    def words(self) -> Iterable[str]:
        """All words, some of them more than once."""
        return chain.from_iterable((*self.openings, *self.closings))

    def dresser(self, types: WordTypes) -> "Dresser":
        """What dresses windows of these word types, which hold the words of the marks."""
        return Dresser(*(_numbered(phrases, types) for phrases in (self.openings, self.closings)))


class _Draw:
    """Phrases with something random in the place of H, T and L."""

    def __init__(
        self, letters: Sequence[str], plain: Sequence[str], random: np.random.Generator
    ) -> None:
        self._letters, self._plain, self._random = letters, plain, random

    def phrases(self, patterns: Mapping[str, int]) -> Iterable[tuple[str, ...]]:
        weighed = [pattern for pattern, often in patterns.items() for _ in range(often)]
        parts = {"H": self._handle, "T": self._hashtag, "L": self._link}
        for _ in range(_PHRASES):
            pattern = self._one_of(weighed).split(" ")
            yield tuple(parts[word]() if word in parts else word for word in pattern)

    def _one_of(self, choices: Sequence[str]) -> str:
        return choices[int(self._random.integers(len(choices)))]

    def _handle(self) -> str:
        first, second = self._one_of(self._letters), self._one_of(self._letters)
        number = str(self._random.integers(2000))
        ends = (second, f"_{second}", second.lower(), second.title(), number, f"_{number}", "")
        name = first.lower() if self._random.random() < 0.5 else first
        return f"@{name}{self._one_of(ends)}"

    def _hashtag(self) -> str:
        return f"#{self._one_of(self._plain)}"

    def _link(self) -> str:
        host = self._one_of((*_HOSTS, f"www.{self._one_of(self._plain)}.com"))
        return f"http://{host}/{''.join(self._one_of(_LETTERS) for _ in range(7))}"


class Dresser:
    """Puts marks into windows."""

    def __init__(
        self, openings: Sequence[NDArray[np.int64]], closings: Sequence[NDArray[np.int64]]
    ) -> None:
        """Take the word types of each phrase."""
        self._openings, self._closings = openings, closings

    def dress(self, window: TrainingWindow, random: np.random.Generator) -> TrainingWindow:
        """The window with marks, tagged O, around some of its sentences."""
        boundaries = np.flatnonzero(window.types == BOUNDARY_TYPE).tolist()
        places: list[int] = []
        marks: list[NDArray[np.int64]] = []
        for phrases, edges in (
            (self._openings, [0, *(place + 1 for place in boundaries)]),
            (self._closings, [*boundaries, len(window.types)]),
        ):
            for edge in edges:
                if random.random() < DRESSED:
                    mark = phrases[int(random.integers(len(phrases)))]
                    places += [edge] * len(mark)
                    marks.append(mark)
        if not marks:
            return window
        soft = window.soft
        return TrainingWindow(
            np.insert(window.types, places, np.concatenate(marks)),
            np.insert(window.tag_ids, places, _OUTSIDE),
            None if soft is None else _widened(soft, places),
        )


def _widened(soft: SoftTags, places: Sequence[int]) -> SoftTags:
    """Beliefs with a certain O before each of these slots."""
    marginals, moves = soft.marginals, soft.moves.copy()
    before, behind = places.count(0), places.count(len(marginals))
    # Between sentences a mark stands beside a boundary, which is O as well.
    moves[_OUTSIDE, _OUTSIDE] += len(places) - (before > 0) - (behind > 0)
    if before:
        moves[_OUTSIDE] += marginals[0]
    if behind:
        moves[:, _OUTSIDE] += marginals[-1]
    outside = np.eye(1, marginals.shape[1], _OUTSIDE, dtype=marginals.dtype)
    return SoftTags(np.insert(marginals, places, outside, axis=0), moves)


def _numbered(phrases: Phrases, types: WordTypes) -> list[NDArray[np.int64]]:
    return [np.array([types.ids[word] for word in phrase], dtype=np.int64) for phrase in phrases]
