"""Documents to batches of windows; words become columns of numbers once, as in serving."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ner_service.artifact.vocabulary import BOUNDARY_ID, UNKNOWN_ID
from ner_service.inference.features import WordFeatures, WordFeaturizer
from ner_service.network import WordInputs
from ner_service.tags import Scheme, convert_tags
from ner_service.text.windows import BOUNDARY_SLOT, lay_out
from training.documents import Document
from training.parallel import WHOLE, Part

BOUNDARY_TYPE = 0
"""Place of the boundary between sentences among the word types."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Chances, drawn anew each time a window or word is seen.

    Attributes:
        lower: a window is lower-cased ...
        upper: ... or upper-cased ...
        title: ... or has every word capitalised.
        word_dropout: a word type loses its one-hot input and its vectors.
        one_hot_dropout: a word type loses its one-hot input alone.
    """

    lower: float = 0.0
    upper: float = 0.0
    title: float = 0.0
    word_dropout: float = 0.0
    one_hot_dropout: float = 0.0


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
        self, trained: Sequence[str], others: Sequence[str], featurizer: WordFeaturizer
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
    documents: Sequence[Document],
    types: WordTypes,
    tags: Sequence[str],
    *,
    source: Scheme,
    target: Scheme,
    window_tokens: int,
) -> list[TrainingWindow]:
    """Cut documents into windows as serving does; a longer sentence stays whole."""
    tag_id = {tag: index for index, tag in enumerate(tags)}
    windows = []
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
        is_boundary = layout.slots == BOUNDARY_SLOT
        slot_types = np.where(is_boundary, BOUNDARY_TYPE, token_types[layout.slots])
        slot_tags = np.where(is_boundary, 0, token_tags[layout.slots])
        windows += [TrainingWindow(slot_types[a:b], slot_tags[a:b]) for a, b in layout.segments]
    return windows


class TrainingBatches(Dataset[Batch]):
    """The batches of one epoch, each a function of seed, epoch and its index alone.

    So a resumed run sees what an uninterrupted one would have seen. Windows that a teacher
    labelled are drawn anew each epoch, `teacher_windows` of them. Where several processes train,
    each has its part of every batch: a step sees the windows that it sees with one process.
    """

    def __init__(
        self,
        windows: Sequence[TrainingWindow],
        types: WordTypes,
        *,
        teacher: Sequence[TrainingWindow] = (),
        teacher_windows: int = 0,
        batch_windows: int,
        seed: int,
        epoch: int,
        augmentation: Augmentation,
        part: Part = WHOLE,
    ) -> None:
        """Shuffle the windows of the epoch."""
        self._types, self._size, self._part = types, batch_windows, part
        self._key, self._augmentation = (seed, epoch), augmentation
        random = np.random.default_rng(self._key)
        drawn = random.permutation(len(teacher))[:teacher_windows]
        self._windows = [*windows, *(teacher[index] for index in drawn)]
        self._order = random.permutation(len(self._windows))

    def __len__(self) -> int:
        """Batches an epoch; a last one that has nothing for some process is left out."""
        full, rest = divmod(len(self._windows), self._size)
        return full + (rest >= self._part.of)

    def __getitem__(self, index: int) -> Batch:
        """The batch at `index`, cased and dropped out as the dice fall."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        random = np.random.default_rng((*self._key, index))
        chosen = self._order[index * self._size : (index + 1) * self._size]
        windows = [
            replace(window, types=self._recased(window.types, random.random()))
            for window in (self._windows[place] for place in chosen)
        ]
        mine = self._part.take(windows)
        batch = make_batch(mine, self._types)
        if self._part.of > 1:
            batch = batch._replace(weight=len(mine) * self._part.of / len(windows))
            random = np.random.default_rng((*self._key, index, self._part.rank))
        chance = random.random(len(batch.vector_rows))
        chance[batch.words.shapes.numpy() == BOUNDARY_ID] = 1.0
        dropped = self._augmentation.word_dropout
        batch.vector_rows[torch.from_numpy(chance < dropped)] = -1
        dropped += self._augmentation.one_hot_dropout
        batch.words.one_hot_ids[torch.from_numpy(chance < dropped)] = UNKNOWN_ID
        return batch

    def _recased(self, types: NDArray[np.int64], chance: float) -> NDArray[np.int64]:
        for probability, variants in (
            (self._augmentation.lower, self._types.lower),
            (self._augmentation.upper, self._types.upper),
            (self._augmentation.title, self._types.title),
        ):
            if chance < probability:
                return variants[types]
            chance -= probability
        return types


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
