"""Documents to batches of windows; words become columns of numbers once, as in serving."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ner_service.inference.features import WordFeatures, WordFeaturizer
from ner_service.network import WordInputs
from ner_service.tags import Scheme, convert_tags
from ner_service.text.windows import lay_out
from training.documents import Document

BOUNDARY_TYPE = 0
"""Place of the boundary between sentences among the word types."""


@dataclass(frozen=True, slots=True)
class SoftTags:
    """What a teacher believes of one window.

    Attributes:
        marginals: (T, K), probability of each slot's tag.
        moves: (K, K), expected number of each transition.
    """

    marginals: NDArray[np.floating]
    moves: NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class TrainingWindow:
    """One window, the boundary slots among its T.

    Attributes:
        types: (T,) word types.
        tag_ids: (T,) the gold tags, or the teacher's best guess.
        soft: the teacher's beliefs, None where the tags are gold.
    """

    types: NDArray[np.int64]
    tag_ids: NDArray[np.int64]
    soft: SoftTags | None = None


class Batch(NamedTuple):
    """Distinct words of some windows and where they stand.

    Attributes:
        words: columns of N words; `vectors` is empty, `vector_rows` stands for it.
        types: (N,) int64, their numbers among the word types.
        vector_rows: (N, tables) int64 rows in the whole vector tables, -1 for none.
        positions: (B, T) int64, the word at each slot.
        mask: (B, T) bool, True for real slots.
        boundaries: (B, T) bool, True between sentences.
        tag_ids: (B, T) int64.
        marginals: (B, T, K) and
        moves: (B, K, K), as in `SoftTags`; None in a batch of gold windows.
        weight: of its mean loss, such that the mean over all processes is that of the whole batch.
    """

    words: WordInputs
    types: Tensor
    vector_rows: Tensor
    positions: Tensor
    mask: Tensor
    boundaries: Tensor
    tag_ids: Tensor
    marginals: Tensor | None = None
    moves: Tensor | None = None
    weight: float = 1.0


class WordTypes:
    """All distinct words of a corpus and their cased variants, as columns."""

    def __init__(
        self, trained: Iterable[str], others: Iterable[str], featurizer: WordFeaturizer
    ) -> None:
        """Number the words from 1; 0 is the boundary.

        `trained` are the words whose vectors may be adjusted; they come first.
        """
        distinct: dict[str, None] = {}
        for words in (trained, others):
            for word in dict.fromkeys(words):
                distinct.update(
                    dict.fromkeys((word, word.lower(), word.upper(), word.capitalize()))
                )
            if words is trained:
                self.trained_count = len(distinct) + 1
        self.ids = {word: index for index, word in enumerate(distinct, start=1)}
        self.features = _joined(featurizer.boundary(), featurizer.features(list(distinct)))
        self.lower = self._variants(str.lower)
        self.upper = self._variants(str.upper)
        self.title = self._variants(str.capitalize)

    def _variants(self, change: Callable[[str], str]) -> NDArray[np.int64]:
        """The type that each type becomes, (N,); words without a variant stay."""
        changed = [BOUNDARY_TYPE, *(self.ids.get(change(word), i) for word, i in self.ids.items())]
        return np.array(changed, dtype=np.int64)


def make_windows(
    documents: Iterable[Document],
    types: WordTypes,
    tags: Sequence[str],
    *,
    source: Scheme,
    target: Scheme,
    window_tokens: int,
) -> Iterator[TrainingWindow]:
    """Cut documents into windows as serving does; a longer sentence stays whole."""
    tag_id = {tag: index for index, tag in enumerate(tags)}
    for document in documents:
        token_types = np.array([types.ids[t] for s in document for t in s.tokens], dtype=np.int64)
        token_tags = np.array(
            [tag_id[t] for s in document for t in convert_tags(s.tags, source, target)],
            dtype=np.int64,
        )
        starts = np.cumsum([0, *(len(sentence.tokens) for sentence in document)])
        layout = lay_out(
            starts[:-1].tolist(), len(token_types), window_tokens=window_tokens, overlap=0
        )
        slot_types = np.full(layout.slot_count, BOUNDARY_TYPE, dtype=np.int64)
        slot_tags = np.zeros(layout.slot_count, dtype=np.int64)
        slot_types[layout.token_slots] = token_types
        slot_tags[layout.token_slots] = token_tags
        for begin, stop in layout.segments:
            yield TrainingWindow(slot_types[begin:stop], slot_tags[begin:stop])


class StreamedWindows:
    """Windows of documents that are read anew each time."""

    def __init__(self, read: Callable[[], Iterator[TrainingWindow]]) -> None:
        """Read once, to count."""
        self._read = read
        self._count = sum(1 for _ in read())

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def __iter__(self) -> Iterator[TrainingWindow]:
        """Read on from the beginning."""
        return self._read()


def make_batch(windows: Sequence[TrainingWindow], types: WordTypes) -> Batch:
    """Pad windows, number their distinct words and look the words' columns up."""
    shape = len(windows), max(len(window.types) for window in windows)
    slots = np.zeros(shape, dtype=np.int64)
    tag_ids = np.zeros(shape, dtype=np.int64)
    mask = np.zeros(shape, dtype=bool)
    for row, window in enumerate(windows):
        length = len(window.types)
        slots[row, :length] = window.types
        tag_ids[row, :length] = window.tag_ids
        mask[row, :length] = True
    distinct, positions = np.unique(slots, return_inverse=True)
    features = types.features
    words = WordInputs(
        torch.from_numpy(features.one_hot_ids[distinct]),
        torch.empty(len(distinct), 0),
        torch.from_numpy(features.characters[distinct]),
        torch.from_numpy(features.shapes[distinct]),
    )
    return Batch(
        words,
        torch.from_numpy(distinct),
        torch.from_numpy(features.vector_rows[distinct]),
        torch.from_numpy(positions.reshape(shape)),
        torch.from_numpy(mask),
        torch.from_numpy(mask & (slots == BOUNDARY_TYPE)),
        torch.from_numpy(tag_ids),
        *_soft_tags(windows, shape[1]),
    )


def _soft_tags(
    windows: Sequence[TrainingWindow], longest: int
) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """Beliefs of a batch, with 0 and 1 for gold windows; None if all windows are gold."""
    known = [window.soft for window in windows if window.soft is not None]
    if not known:
        return None, None
    tag_count = known[0].moves.shape[0]
    marginals = np.zeros((len(windows), longest, tag_count), dtype=np.float32)
    moves = np.zeros((len(windows), tag_count, tag_count), dtype=np.float32)
    for row, window in enumerate(windows):
        length = len(window.types)
        if window.soft is not None:
            marginals[row, :length] = window.soft.marginals
            moves[row] = window.soft.moves
        else:
            marginals[row, np.arange(length), window.tag_ids] = 1.0
            np.add.at(moves[row], (window.tag_ids[:-1], window.tag_ids[1:]), 1.0)
    return torch.from_numpy(marginals), torch.from_numpy(moves)


def _joined(first: WordFeatures, second: WordFeatures) -> WordFeatures:
    return WordFeatures(
        np.concatenate([first.one_hot_ids, second.one_hot_ids]),
        np.concatenate([first.vector_rows, second.vector_rows]),
        np.concatenate([first.characters, second.characters]),
        np.concatenate([first.shapes, second.shapes]),
    )
