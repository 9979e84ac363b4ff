"""Newlines: which of them end a sentence, and which only wrap a line.

Newswire and mail are hard-wrapped: `New` and `York` may stand on two lines and are one name. Lists,
headlines and tables have a line an item. What tells them apart is the width: wrapping at some width
leaves every line short enough for it and too long for the next word.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

_NARROWEST_WRAP = 24  # shorter lines are a list, not wrapped text
_SLACK = 8  # columns by which ragged wrapping may break a line too early

_CLEARLY_SHORTER = 0.6  # a line of plain prose below this share of the width ends its sentence

# A newline, the indentation of the next line, and more if that line is blank; then a look at its
# first word. A set of characters comes first because the engine is quick to search for one.
_NEWLINE = re.compile(
    "([\r\n\u2028\u2029](?:(?<=\r)\n)?+)([^\\S\r\n\u2028\u2029]*+)(\\s*+)(?=(\\S{0,40}+))"
)
_BULLET = re.compile(r"(?:[-*•–—·▪>+]|\(?\d{1,2}[.)]|\(?[a-z]\))[ \t]")
_LONGEST_BULLET = 4  # "(12)"
_FINISHED = re.compile(r"[.!?…。:][\"'”’)\]]{0,3}$")
_LOWER_WORD = re.compile(r"(?<!\S)[a-z]++(?!\S)")
# A line goes on if it ends in a comma, a hyphen, or one of these words.
_UNFINISHED_WORDS = (
    "a an the and or nor but of in on at to for from by with into over under between against about "
    "after before than as that which who whose where when while if because is are was were be been "
    "has have had will would could may its his her their our my your this these those de von van "
    "New San Los Las Santa Hong Sri Saudi Mr Mr. Mrs Mrs. Dr Dr. &"
)
_UNFINISHED = frozenset(_UNFINISHED_WORDS.split())
_LONGEST_UNFINISHED = max(map(len, _UNFINISHED))


class _Break(NamedTuple):
    """A newline between two lines, neither of them blank.

    Attributes:
        line: the line before, its indentation included.
        fits: its length, the least width that it fits into.
        needed: its length with the next word, which did not fit into less.
        indent: of the line before.
        next_start: offset of the next line's first word.
        next_indent: of the next line.
        next_lower: it begins in lower case.
        next_bullet: it begins with a bullet or a number.
        goes_on: whatever the width.
    """

    line: str
    fits: int
    needed: int
    indent: int
    next_start: int
    next_indent: int
    next_lower: bool
    next_bullet: bool
    goes_on: bool


def line_starts(text: str) -> list[int]:
    """Find the newlines that end a sentence.

    A blank line always does. A single newline does unless the next line begins in lower case, the
    line before plainly goes on (it ends in a comma or in "the"), or the text is hard-wrapped and
    the next word did not fit. Where indentation marks paragraphs, an indented line begins a
    sentence and an unindented one goes on.

    Args:
        text: Any text.

    Returns:
        Offsets of the first word behind each newline that ends a sentence, in no order.
    """
    starts, breaks, last_line = _find_breaks(text)
    if not breaks:
        return starts
    width = _wrap_width(breaks, last_line)
    indented = width is not None and _indents_paragraphs(breaks)
    for found in breaks:
        if found.goes_on:
            continue
        if found.next_bullet or width is None or found.next_indent > found.indent:
            ends = True
        elif indented:
            ends = found.next_indent > 0
        else:
            ends = found.needed + _SLACK <= width and not (
                found.needed > _CLEARLY_SHORTER * width and _is_prose(found.line)
            )
        if ends:
            starts.append(found.next_start)
    return starts


def _find_breaks(text: str) -> tuple[list[int], list[_Break], int]:
    """Offsets behind blank lines, the single newlines, and the length of the last line."""
    paragraphs: list[int] = []
    breaks: list[_Break] = []
    line_start = content_start = 0
    for gap in _NEWLINE.finditer(text):
        following = gap.end()
        if following == len(text):
            return paragraphs, breaks, gap.start() - line_start
        newline, indentation, more, word = gap.groups()
        next_indent = len(indentation)
        if more or newline == "\u2029":
            next_indent = len(gap[0]) - 1 - max(map(gap[0].rfind, "\r\n\u2028\u2029"))
            paragraphs.append(following)
        else:
            line = text[line_start : gap.start()].rstrip()
            first = word[0]
            lower = first.islower()
            bullet = (
                not first.isupper()
                and len(word) <= _LONGEST_BULLET
                and bool(_BULLET.match(text, following))
            )
            goes_on = not bullet and (lower or _is_unfinished(line))
            fits, indent = len(line), content_start - line_start
            needed = fits + 1 + len(word)
            breaks.append(
                _Break(line, fits, needed, indent, following, next_indent, lower, bullet, goes_on)
            )
        line_start, content_start = following - next_indent, following
    return paragraphs, breaks, len(text) - line_start


def _is_unfinished(line: str) -> bool:
    if line.endswith((",", ";", "-")):
        before = line[-2:-1]
        return before.isascii() and before.isalpha()
    # One character more than the longest: of a longer word, no part is taken for a whole one.
    end = line[-_LONGEST_UNFINISHED - 1 :].split()
    return bool(end) and end[-1] in _UNFINISHED


def _wrap_width(breaks: Sequence[_Break], last_line: int) -> int | None:
    """The width at which a text is hard-wrapped, or None if it is not.

    A break made by wrapping at width w leaves a line of at most w that the next word would have
    pushed beyond w. The width is the one that explains the most breaks in this way, counting only
    lines without final punctuation: the others end a sentence however wide they are. The text is
    taken for wrapped if that width explains enough of them, few lines exceed it, and sentences
    visibly run across it.
    """
    open_breaks = [
        found for found in breaks if not _FINISHED.search(found.line, max(0, found.fits - 4))
    ]
    changes: dict[int, int] = {}
    for found in open_breaks:
        changes[found.fits] = changes.get(found.fits, 0) + 1
        changes[found.needed] = changes.get(found.needed, 0) - 1
    most = width = depth = 0
    for candidate, next_candidate in pairwise(sorted(changes)):
        depth += changes[candidate]
        if depth >= most:  # so many breaks are explained by any width up to the next candidate
            most, width = depth, next_candidate - 1
    too_long = sum([found.fits > width for found in breaks]) + (last_line > width)
    if width < _NARROWEST_WRAP or 3 * most < len(open_breaks) or 4 * too_long > most:
        return None
    if any(found.goes_on for found in open_breaks):
        explained = [found for found in open_breaks if found.fits <= width < found.needed]
        running = sum([found.goes_on for found in explained])
        if 4 * running < most:  # prose runs on as well, but takes longer to tell
            running += sum(not found.goes_on and _is_prose(found.line) for found in explained)
        return width if 4 * running >= most else None
    return width if len(open_breaks) <= 2 and all(_is_prose(b.line) for b in open_breaks) else None


def _is_prose(line: str) -> bool:
    """Whether at least half of the words of a line are plain lower-case words."""
    return 2 * len(_LOWER_WORD.findall(line)) >= len(line.split())


def _indents_paragraphs(breaks: Sequence[_Break]) -> bool:
    """Whether indented lines open paragraphs, rather than go on with list items."""
    running = [found for found in breaks if found.next_lower]
    opened = sum([found.indent > found.next_indent for found in running])
    hanging = sum([found.indent < found.next_indent for found in running])
    return opened > hanging
