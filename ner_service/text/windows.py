"""Sentences to the windows that the network reads.

Consecutive sentences share a window with a boundary slot between them; a sentence longer than a
window is read in overlapping pieces, so a text of any length is covered and nothing is cut.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ner_service.errors import ConfigError
from ner_service.text.sentences import sentence_starts

__all__ = ["Layout", "Window", "lay_out", "sentence_starts"]


class Window(NamedTuple):
    """A stretch of slots that the network reads at once; all ranges are half open.

    Attributes:
        start: First slot read.
        stop: Slot behind the last one read.
        keep_start: First slot whose emissions are used.
        keep_stop: Slot behind the last one whose emissions are used.
    """

    start: int
    stop: int
    keep_start: int
    keep_stop: int

    def moved(self, offset: int) -> "Window":
        """The same window where its document's slots begin at `offset`."""
        return Window(
            self.start + offset,
            self.stop + offset,
            self.keep_start + offset,
            self.keep_stop + offset,
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """How the tokens of one document are put before the network and the decoder.

    Attributes:
        token_count: Number of tokens.
        boundaries: The slots between two sentences of one segment, rising.
        segments: Half-open slot ranges that are decoded as one.
        windows: What the network reads; the kept ranges partition each segment.
    """

    token_count: int
    boundaries: list[int]
    segments: list[tuple[int, int]]
    windows: list[Window]

    @property
    def slot_count(self) -> int:
        """Number of slots."""
        return self.token_count + len(self.boundaries)

    @property
    def token_slots(self) -> NDArray[np.int64]:
        """Slot of each token."""
        return np.delete(np.arange(self.slot_count), self.boundaries)

    def in_slots(self, values: list[int], *, at_boundaries: int) -> list[int]:
        """Put the tokens' values in their slots, and the same value at every boundary."""
        filled: list[int] = []
        begin = 0
        for count, slot in enumerate(self.boundaries):
            end = slot - count
            filled += values[begin:end]
            filled.append(at_boundaries)
            begin = end
        filled += values[begin:]
        return filled

    def token_at(self, slot: int) -> int:
        """Token index of a slot that is no boundary."""
        return slot - bisect_left(self.boundaries, slot)


def lay_out(
    sentence_starts: Sequence[int], token_count: int, *, window_tokens: int = 100, overlap: int = 25
) -> Layout:
    """Put the sentences of a document into segments and windows.

    Args:
        sentence_starts: Ascending token indices at which sentences begin, the first of them 0.
        token_count: Number of tokens of the document.
        window_tokens: The most slots that the network reads at once, boundary slots included.
        overlap: The least number of slots that two pieces of a long sentence share.

    Returns:
        Every token in exactly one slot, in order. A segment holds consecutive whole sentences of at
        most `window_tokens` slots, or one longer sentence. Each kept slot of a piece sees at least
        `overlap // 2` slots of context on either side, as far as its sentence has them.

    Raises:
        ConfigError: `window_tokens` is not positive, or `overlap` not below it.
    """
    if window_tokens < 1 or not 0 <= overlap < window_tokens:
        raise ConfigError(
            "expected window_tokens of at least 1 and overlap from 0 to below it, "
            f"got {window_tokens} and {overlap}"
        )
    segments: list[tuple[int, int]] = []
    boundaries: list[int] = []  # slots
    start = stop = 0
    for begin, end in pairwise([*sentence_starts, token_count]):
        length = end - begin
        if stop > start and stop + 1 + length - start <= window_tokens:
            boundaries.append(stop)
            stop += 1 + length
            continue
        if stop > start:
            segments.append((start, stop))
        start, stop = stop, stop + length
    if stop > start:
        segments.append((start, stop))
    windows = [piece for segment in segments for piece in _pieces(segment, window_tokens, overlap)]
    return Layout(token_count, boundaries, segments, windows)


def _pieces(segment: tuple[int, int], window_tokens: int, overlap: int) -> list[Window]:
    start, stop = segment
    length = stop - start
    if length <= window_tokens:
        return [Window(start, stop, start, stop)]
    count = -(-(length - overlap) // (window_tokens - overlap))
    begins = [start + (length - window_tokens) * i // (count - 1) for i in range(count)]
    # Two neighbours share at least `overlap` slots; each keeps its half of them.
    cuts = [(earlier + window_tokens + later) // 2 for earlier, later in pairwise(begins)]
    keeps = [start, *cuts, stop]
    return [
        Window(begin, begin + window_tokens, keeps[i], keeps[i + 1])
        for i, begin in enumerate(begins)
    ]
