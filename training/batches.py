"""Windows to the batches of an epoch: shuffled, recased, words forgotten, split over processes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, IterableDataset

from ner_service.artifact.vocabulary import BOUNDARY_ID, UNKNOWN_ID
from training.data import (
    BOUNDARY_TYPE,
    Batch,
    StreamedWindows,
    TrainingWindow,
    WordTypes,
    make_batch,
)
from training.parallel import WHOLE, Part
from training.posts import Dresser


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Chances, drawn anew each time a window or word is seen.

    Attributes:
        lower: a window is lower-cased ...
        upper: ... or upper-cased ...
        title: ... or has every word capitalised.
        posts: a window's sentences are dressed as posts, before that.
        word_dropout: a word type loses its one-hot input and its vectors.
        one_hot_dropout: a word type loses its one-hot input alone.
    """

    lower: float = 0.0
    upper: float = 0.0
    title: float = 0.0
    posts: float = 0.0
    word_dropout: float = 0.0
    one_hot_dropout: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What the batches of an epoch are a function of, beside its windows.

    Attributes:
        types: the words.
        batch_windows: windows a step, over all processes.
        seed: of the run.
        number: of the epoch, from 0.
        augmentation: chances.
        part: the share of this process in every batch.
        dresser: makes posts of windows; needed where the augmentation has any.
    """

    types: WordTypes
    batch_windows: int
    seed: int
    number: int
    augmentation: Augmentation
    part: Part = WHOLE
    dresser: Dresser | None = None

    def batches_of(self, window_count: int) -> int:
        """Batches of so many windows; a last one that has nothing for some process is left out."""
        full, rest = divmod(window_count, self.batch_windows)
        return full + (rest >= self.part.of)

    def make(self, windows: Iterable[TrainingWindow], index: int) -> Batch:
        """This process's part of the batch at `index`, recased and forgotten as the dice fall."""
        key = (self.seed, self.number, index)
        random = np.random.default_rng(key)
        recased = []
        for window in windows:
            dressed = self._dressed(window, random)
            types = self._recased(dressed.types, random.random())
            recased.append(replace(dressed, types=types))
        mine = self.part.take(recased)
        batch = make_batch(mine, self.types)
        if self.part.of > 1:
            batch = batch._replace(weight=len(mine) * self.part.of / len(recased))
            random = np.random.default_rng((*key, self.part.rank))
        chance = random.random(len(batch.vector_rows))
        chance[batch.words.shapes.numpy() == BOUNDARY_ID] = 1.0
        dropped = self.augmentation.word_dropout
        batch.vector_rows[torch.from_numpy(chance < dropped)] = -1
        dropped += self.augmentation.one_hot_dropout
        batch.words.one_hot_ids[torch.from_numpy(chance < dropped)] = UNKNOWN_ID
        return batch

    def _dressed(self, window: TrainingWindow, random: np.random.Generator) -> TrainingWindow:
        if self.augmentation.posts == 0 or random.random() >= self.augmentation.posts:
            return window
        assert self.dresser is not None
        return self.dresser.dress(window, random)

    def _recased(self, types: NDArray[np.int64], chance: float) -> NDArray[np.int64]:
        for probability, variants in (
            (self.augmentation.lower, self.types.lower),
            (self.augmentation.upper, self.types.upper),
            (self.augmentation.title, self.types.title),
        ):
            if chance < probability:
                return variants[types]
            chance -= probability
        return types


class TrainingBatches(Dataset[Batch]):
    """The batches of one epoch, each a function of seed, epoch and its index alone.

    So a resumed run sees what an uninterrupted one would have seen. Windows that a teacher
    labelled are drawn anew each epoch, `teacher_windows` of them. Where several processes train,
    each has its part of every batch: a step sees the windows that it sees with one process.
    """

    def __init__(
        self,
        windows: Sequence[TrainingWindow],
        epoch: Epoch,
        *,
        teacher: Sequence[TrainingWindow] = (),
        teacher_windows: int = 0,
        cut: float = 0.0,
    ) -> None:
        """Cut windows at this share of the boundaries in them, and shuffle what the epoch has."""
        self._epoch = epoch
        random = np.random.default_rng((epoch.seed, epoch.number))
        drawn = random.permutation(len(teacher))[:teacher_windows]
        pieces = chain.from_iterable(_cut(window, cut, random) for window in windows)
        self._windows = [*pieces, *(teacher[index] for index in drawn)]
        self._order = random.permutation(len(self._windows))

    def __len__(self) -> int:
        """Batches an epoch."""
        return self._epoch.batches_of(len(self._windows))

    def __getitem__(self, index: int) -> Batch:
        """The batch at `index`."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        size = self._epoch.batch_windows
        chosen = self._order[index * size : (index + 1) * size]
        return self._epoch.make((self._windows[place] for place in chosen), index)


def _cut(
    window: TrainingWindow, chance: float, random: np.random.Generator
) -> Iterator[TrainingWindow]:
    """Cut a window between sentences, each time with this chance; the boundary is left out."""
    boundaries = np.flatnonzero(window.types == BOUNDARY_TYPE)
    places = boundaries[random.random(len(boundaries)) < chance]
    for begin, stop in pairwise((-1, *places.tolist(), len(window.types))):
        part = slice(begin + 1, stop)
        yield TrainingWindow(window.types[part], window.tag_ids[part])


class StreamedBatches(IterableDataset[Batch]):
    """The batches of one epoch over windows that are read as they come.

    A window is drawn from those held, and the next one read takes its place: so it can be used
    long after it was read, but only some windows before. A function of seed and epoch alone.
    """

    def __init__(self, windows: StreamedWindows, epoch: Epoch, *, held: int) -> None:
        """Hold so many windows."""
        self._windows, self._epoch, self._held = windows, epoch, held

    def __len__(self) -> int:
        """Batches an epoch."""
        return self._epoch.batches_of(len(self._windows))

    def __iter__(self) -> Iterator[Batch]:
        """Read through the corpus once."""
        shuffled = self._shuffled()
        for index in range(len(self)):
            yield self._epoch.make(islice(shuffled, self._epoch.batch_windows), index)

    def _shuffled(self) -> Iterator[TrainingWindow]:
        random = np.random.default_rng((self._epoch.seed, self._epoch.number))
        held: list[TrainingWindow] = []
        for window in self._windows:
            if len(held) < self._held:
                held.append(window)
                continue
            place = int(random.integers(len(held)))
            yield held[place]
            held[place] = window
        for place in random.permutation(len(held)):
            yield held[place]
