"""Words, characters and shapes to numbers; the pretrained vectors' table.

The vector table is four flat arrays, so that it can be memory-mapped and shared by processes and
costs nothing at start: words are found by a binary search for their 64-bit hash.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

UNKNOWN_ID = 0
BOUNDARY_ID = 1
_FIRST_ID = 2

_DIGIT = re.compile(r"\d")
_LONGEST_SHAPE = 8


def lookup_forms(word: str) -> list[str]:
    """The forms under which a word's vector is looked up, best first.

    As it stands, lower-cased, then both with digits folded to 0; each form once.
    """
    lowered = word.lower()
    forms = [word] if lowered == word else [word, lowered]
    if not word.isalpha() and _DIGIT.search(word):
        folded = [_DIGIT.sub("0", form) for form in forms]
        forms += [form for form in folded if form not in forms]
    return forms


def word_shape(word: str) -> str:
    """A word's outline: runs of X (upper), x (lower), d (digit) and the signs between them.

    `McDonald's` gives `XxXx'x`; only the first 8 places are kept.
    """
    if word.isascii() and word.isalpha() and (word.islower() or word.isupper() or word.istitle()):
        return "x" if word.islower() else "X" if word.isupper() else "Xx"  # most words, at once
    outline = ""
    for character in word:
        if character.isupper():
            sign = "X"
        elif character.islower():
            sign = "x"
        elif character.isdigit():
            sign = "d"
        else:
            sign = character if character.isascii() else "*"
        if not outline.endswith(sign):
            outline += sign
            if len(outline) == _LONGEST_SHAPE:
                break
    return outline


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Known words, characters and shapes; each list in id order.

    Ids of words and shapes: 0 is unknown, 1 the boundary between sentences, then the list.
    Ids of characters: 0 is padding, 1 unknown, then the list.
    """

    words: tuple[str, ...]
    characters: tuple[str, ...]
    shapes: tuple[str, ...]
    word_ids: dict[str, int] = field(init=False, repr=False, compare=False)
    character_ids: dict[str, int] = field(init=False, repr=False, compare=False)
    shape_ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Build the look-up tables once."""
        for name, entries in (
            ("word_ids", self.words),
            ("character_ids", self.characters),
            ("shape_ids", self.shapes),
        ):
            ids = {entry: index for index, entry in enumerate(entries, start=_FIRST_ID)}
            object.__setattr__(self, name, ids)

    @property
    def word_count(self) -> int:
        """Length of a word's one-hot vector."""
        return len(self.words) + _FIRST_ID

    @property
    def character_count(self) -> int:
        """Number of character ids, padding and unknown among them."""
        return len(self.characters) + _FIRST_ID

    @property
    def shape_count(self) -> int:
        """Length of a shape's one-hot vector."""
        return len(self.shapes) + _FIRST_ID


def word_keys(words: Sequence[str]) -> NDArray[np.uint64]:
    """64-bit keys of words, (N,).

    A word outside a table of 300,000 meets a key in it by chance once in 6e13 words.
    """
    digests = b"".join(
        blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest() for word in words
    )
    return np.frombuffer(digests, dtype="<u8")


@dataclass(frozen=True, slots=True)
class WordForms:
    """The keys of all forms of N words: worked out once, looked up in every table.

    Attributes:
        word_count: N.
        keys: (F,) uint64, a word's forms side by side, best first.
        owners: (F,) the word that each is a form of.
    """

    word_count: int
    keys: NDArray[np.uint64]
    owners: NDArray[np.int64]

    @classmethod
    def of(cls, words: Sequence[str]) -> "WordForms":
        """Work out the forms of the given words."""
        forms: list[str] = []
        counts: list[int] = []
        for word in words:
            before = len(forms)
            forms += lookup_forms(word)
            counts.append(len(forms) - before)
        return cls(len(words), word_keys(forms), np.repeat(np.arange(len(words)), counts))


@dataclass(frozen=True, slots=True)
class VectorTable:
    """Pretrained vectors of R rows and width D, quantised row by row to int8.

    Attributes:
        keys: (V,) uint64, sorted hashes of the words.
        rows: (V,) uint32, the row of each key; words may share a row.
        values: (R, D) int8.
        scales: (R,) float32; a row's vector is `values * scale`.
    """

    keys: NDArray[np.uint64]
    rows: NDArray[np.uint32]
    values: NDArray[np.int8]
    scales: NDArray[np.float32]

    @property
    def width(self) -> int:
        """D."""
        return int(self.values.shape[1])

    @classmethod
    def build(
        cls, words: Sequence[str], rows: NDArray[np.integer], vectors: NDArray[np.floating]
    ) -> "VectorTable":
        """Quantise vectors (R, D); word i has `vectors[rows[i]]`."""
        keys = word_keys(words)
        keys, first = np.unique(keys, return_index=True)
        return cls(keys, rows[first].astype(np.uint32), *_quantised(vectors))

    def holding(self, vectors: NDArray[np.floating]) -> "VectorTable":
        """The same words with other vectors, (R, D)."""
        return VectorTable(self.keys, self.rows, *_quantised(vectors))

    def find(self, words: Sequence[str]) -> NDArray[np.int64]:
        """Row of each word under the first of its forms that the table knows, else -1; (N,)."""
        return self.find_forms(WordForms.of(words))

    def find_forms(self, forms: "WordForms") -> NDArray[np.int64]:
        """The same for words whose forms are known already; (N,)."""
        found = np.full(forms.word_count, -1, dtype=np.int64)
        if not len(forms.keys):
            return found
        order = np.argsort(forms.keys)  # neighbours in the table are found in the same cache lines
        places = np.empty(len(order), dtype=np.int64)
        places[order] = np.searchsorted(self.keys, forms.keys[order])
        np.minimum(places, len(self.keys) - 1, out=places)
        hits = np.flatnonzero(self.keys[places] == forms.keys)
        # Backwards, so that the best form of a word is written last and stays.
        found[forms.owners[hits[::-1]]] = self.rows[places[hits[::-1]]]
        return found

    def gather(
        self, rows: NDArray[np.int64], out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Vectors of the given rows, (N, D), into `out` if given; zero for -1."""
        scales = np.where(rows < 0, np.float32(0.0), self.scales[rows])
        vectors: NDArray[np.float32] = np.multiply(self.values[rows], scales[:, None], out=out)
        return vectors


def _quantised(vectors: NDArray[np.floating]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Vectors (R, D) as whole numbers, (R, D), and the scale of each row, (R,)."""
    full = vectors.astype(np.float32, copy=False)
    scales = (np.abs(full).max(axis=1, initial=0.0) / 127.0).astype(np.float32)
    divisor = np.where(scales > 0, scales, 1.0)[:, None]
    return np.rint(full / divisor).astype(np.int8), scales
