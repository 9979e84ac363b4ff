"""The vocabulary of a training set."""

from collections import Counter
from collections.abc import Iterable

from ner_service.artifact.vocabulary import Vocabulary, word_shape
from training.documents import Document

_MIN_CHARACTER_COUNT = 2
_MIN_SHAPE_COUNT = 3


def count_words(documents: Iterable[Document]) -> Counter[str]:
    """How often each word occurs, in the order in which they come."""
    return Counter(token for document in documents for s in document for token in s.tokens)


def build_vocabulary(words: Counter[str], *, min_word_count: int) -> Vocabulary:
    """Words, characters and shapes that occur often enough, the most frequent first."""
    characters: Counter[str] = Counter()
    shapes: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
        shapes[word_shape(word)] += count
    return Vocabulary(
        words=_frequent(words, min_word_count),
        characters=_frequent(characters, _MIN_CHARACTER_COUNT),
        shapes=_frequent(shapes, _MIN_SHAPE_COUNT),
    )


def _frequent(counts: Counter[str], least: int) -> tuple[str, ...]:
    kept = [(entry, count) for entry, count in counts.items() if count >= least]
    return tuple(entry for entry, _ in sorted(kept, key=lambda item: (-item[1], item[0])))
