"""Sentence ends in raw text, and the windows that the network reads.

Sentences are guessed, never trusted: a wrong guess costs a little context and never an offset.
Consecutive sentences share a window with a boundary slot between them; a sentence longer than a
window is read in overlapping pieces, so a text of any length is covered and nothing is cut.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ner_service.errors import ConfigError
from ner_service.text.tokenizer import Tokens

BOUNDARY_SLOT = -1

# A line is taken for hard-wrapped only if the width that explains it is at least this.
_NARROWEST_WRAP = 24
# Share of the line breaks that one width must explain before the text counts as hard-wrapped.
_WRAPPED_SHARE = 0.5

# Final punctuation, closing quotes and brackets (a space before them in tokenised text), a gap.
_END = re.compile(r"(?<![.!?…。！？])[.!?…。！？]++(?:[ ]?[\"'”’)\]»])*+(?=\s)\s++")
_NEWLINE = re.compile(r"\n\s*+")
_OPENING = "\"'“‘«([`-–—*#$£€"


@dataclass(frozen=True, slots=True)
class Window:
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


@dataclass(frozen=True, slots=True)
class Layout:
    """How the tokens of one document are put before the network and the decoder.

    Attributes:
        slots: Token index of each slot, `BOUNDARY_SLOT` between two sentences of one segment.
        segments: Half-open slot ranges that are decoded as one.
        windows: What the network reads; the kept ranges partition each segment.
    """

    slots: NDArray[np.int32]
    segments: list[tuple[int, int]]
    windows: list[Window]


def sentence_starts(text: str, tokens: Tokens) -> list[int]:
    """Guess where sentences begin.

    A sentence ends at final punctuation that is a token of its own and is followed by a space and
    anything but a lower-case letter; at a blank line; and at a newline that hard wrapping does not
    explain.

    Args:
        text: The text.
        tokens: Its tokens.

    Returns:
        Ascending token indices, the first of them 0; empty if there are no tokens.
    """
    if not tokens.texts:
        return []
    offsets = [match.end() for match in _END.finditer(text) if _ends_sentence(text, tokens, match)]
    offsets += _line_starts(text)
    starts = np.searchsorted(np.asarray(tokens.starts), np.asarray(offsets, dtype=np.int64))
    unique = np.unique(np.concatenate((np.zeros(1, dtype=np.int64), starts)))
    return [int(start) for start in unique if start < len(tokens.texts)]


def _ends_sentence(text: str, tokens: Tokens, match: re.Match[str]) -> bool:
    following = text[match.end() : match.end() + 1]
    if not (following.isupper() or following.isdigit() or following in _OPENING):
        return following.isalpha() and not following.islower()
    # The full stop of "Mr." or "J." lies inside a token and ends nothing.
    index = bisect_left(tokens.starts, match.start())
    return index < len(tokens.starts) and tokens.starts[index] == match.start()


def _line_starts(text: str) -> list[int]:
    """Offsets behind the newlines that end a sentence."""
    breaks = list(_NEWLINE.finditer(text))
    lines: list[tuple[int, int]] = []  # content of each line
    start = 0
    for found in breaks:
        lines.append((start, start + len(text[start : found.start()].rstrip())))
        start = found.end()
    lines.append((start, len(text)))
    width = _wrap_width(text, lines, breaks)
    starts = []
    for number, found in enumerate(breaks):
        begin, end = lines[number]
        if found[0].count("\n") > 1:
            starts.append(found.end())
            continue
        following = text[found.end() : found.end() + 1]
        if following.islower() or text[end - 1 : end] in ",;-":
            continue
        if width is None or end - begin + 1 + _first_word(text, found.end()) <= width - 8:
            starts.append(found.end())
    return starts


def _first_word(text: str, offset: int) -> int:
    """Length of the word at an offset, 40 at most."""
    head = text[offset : offset + 40].split(None, 1)
    return len(head[0]) if head else 0


def _wrap_width(
    text: str, lines: Sequence[tuple[int, int]], breaks: Sequence[re.Match[str]]
) -> int | None:
    """The width at which a text is hard-wrapped, or None.

    A break made by wrapping at width w leaves a line of at most w that the next word would have
    pushed beyond w. The width is the one that explains the most breaks in this way.
    """
    changes: dict[int, int] = {}
    considered = 0
    for number, found in enumerate(breaks):
        if found[0].count("\n") > 1:
            continue
        length = lines[number][1] - lines[number][0]
        considered += 1
        changes[length] = changes.get(length, 0) + 1
        beyond = length + 1 + _first_word(text, found.end())
        changes[beyond] = changes.get(beyond, 0) - 1
    best, best_width, depth = 0, 0, 0
    for width in sorted(changes):
        depth += changes[width]
        if depth >= best:
            best, best_width = depth, width
    too_long = sum(end - begin > best_width for begin, end in lines)
    if best_width < _NARROWEST_WRAP or best < _WRAPPED_SHARE * considered or too_long > best / 4:
        return None
    return best_width


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
    boundaries: list[int] = []  # token index behind each boundary slot
    start = stop = 0
    for begin, end in pairwise([*sentence_starts, token_count]):
        length = end - begin
        if stop > start and stop + 1 + length - start <= window_tokens:
            boundaries.append(begin)
            stop += 1 + length
            continue
        if stop > start:
            segments.append((start, stop))
        start, stop = stop, stop + length
    if stop > start:
        segments.append((start, stop))
    slots = np.insert(np.arange(token_count, dtype=np.int32), boundaries, BOUNDARY_SLOT)
    windows = [piece for segment in segments for piece in _pieces(segment, window_tokens, overlap)]
    return Layout(slots, segments, windows)


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
