"""Newlines: which of them end a sentence, and which only wrap a line.

Newswire and mail are hard-wrapped: `New` and `York` may stand on two lines and are one name. Lists,
headlines and tables have a line an item. What tells them apart is the width: wrapping at some width
leaves every line short enough for it and too long for the next word.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_NARROWEST_WRAP = 24  # shorter lines are a list, not wrapped text
_SLACK = 8  # columns by which ragged wrapping may break a line too early

_CLEARLY_SHORTER = 0.6  # a line of plain prose below this share of the width ends its sentence

# A newline, the indentation of the next line, and more if that line is blank.
_NEWLINE = re.compile("(\r\n?|[\n\u2028\u2029])([^\\S\r\n\u2028\u2029]*+)(\\s*+)")
_WORD_HEAD = re.compile(r"\S{1,40}+")
_BULLET = re.compile(r"(?:[-*•–—·▪>+]|\(?\d{1,2}[.)]|\(?[a-z]\))[ \t]")
_FINISHED = re.compile(r"[.!?…。:][\"'”’)\]]{0,3}$")
_LOWER_WORD = re.compile(r"(?<!\S)[a-z]++(?!\S)")
# A line goes on if it ends in a comma, a hyphen, or a word that needs another behind it.
_UNFINISHED = re.compile(
    r"(?:[A-Za-z][,;-]|(?<!\S)(?:a|an|the|and|or|nor|but|of|in|on|at|to|for|from|by|with|into|over"
    r"|under|between|against|about|after|before|than|as|that|which|who|whose|where|when|while|if"
    r"|because|is|are|was|were|be|been|has|have|had|will|would|could|may|its|his|her|their|our|my"
    r"|your|this|these|those|de|von|van|New|San|Los|Las|Santa|Hong|Sri|Saudi|Mrs?\.?|Dr\.?|&))$"
)


@dataclass(frozen=True, slots=True)
class _Break:
    """A newline between two lines, neither of them blank."""

    line: str  # the line before, its indentation included
    indent: int
    next_start: int  # offset of the next line's first word
    next_indent: int
    next_word: int  # length of that word
    next_lower: bool  # it begins in lower case
    next_bullet: bool
    goes_on: bool  # whatever the width


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
            needed = len(found.line) + 1 + found.next_word
            ends = needed + _SLACK <= width and not (
                needed > _CLEARLY_SHORTER * width and _is_prose(found.line)
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
        newline, indentation, more = gap.groups()
        next_indent = len(indentation)
        if more or newline == "\u2029":
            next_indent = len(gap[0]) - 1 - max(map(gap[0].rfind, "\r\n\u2028\u2029"))
            paragraphs.append(following)
        else:
            line = text[line_start : gap.start()].rstrip()
            word = _WORD_HEAD.match(text, following)
            lower = text[following].islower()
            bullet = not text[following].isupper() and bool(_BULLET.match(text, following))
            goes_on = not bullet and (
                lower or bool(_UNFINISHED.search(line, max(0, len(line) - 12)))
            )
            breaks.append(
                _Break(
                    line=line,
                    indent=content_start - line_start,
                    next_start=following,
                    next_indent=next_indent,
                    next_word=len(word[0]) if word else 0,
                    next_lower=lower,
                    next_bullet=bullet,
                    goes_on=goes_on,
                )
            )
        line_start, content_start = following - next_indent, following
    return paragraphs, breaks, len(text) - line_start


def _wrap_width(breaks: Sequence[_Break], last_line: int) -> int | None:
    """The width at which a text is hard-wrapped, or None if it is not.

    A break made by wrapping at width w leaves a line of at most w that the next word would have
    pushed beyond w. The width is the one that explains the most breaks in this way, counting only
    lines without final punctuation: the others end a sentence however wide they are. The text is
    taken for wrapped if that width explains enough of them, few lines exceed it, and sentences
    visibly run across it.
    """
    open_breaks = [found for found in breaks if not _FINISHED.search(found.line)]
    changes: dict[int, int] = {}
    for found in open_breaks:
        length = len(found.line)
        changes[length] = changes.get(length, 0) + 1
        beyond = length + 1 + found.next_word
        changes[beyond] = changes.get(beyond, 0) - 1
    most = width = depth = 0
    for candidate, next_candidate in pairwise(sorted(changes)):
        depth += changes[candidate]
        if depth >= most:  # so many breaks are explained by any width up to the next candidate
            most, width = depth, next_candidate - 1
    too_long = sum(len(found.line) > width for found in breaks) + (last_line > width)
    if width < _NARROWEST_WRAP or 3 * most < len(open_breaks) or 4 * too_long > most:
        return None
    if any(found.goes_on for found in open_breaks):
        explained = [b for b in open_breaks if len(b.line) <= width < len(b.line) + 1 + b.next_word]
        running = sum(found.goes_on or _is_prose(found.line) for found in explained)
        return width if 4 * running >= most else None
    return width if len(open_breaks) <= 2 and all(_is_prose(b.line) for b in open_breaks) else None


def _is_prose(line: str) -> bool:
    """Whether at least half of the words of a line are plain lower-case words."""
    return 2 * len(_LOWER_WORD.findall(line)) >= len(line.split())


def _indents_paragraphs(breaks: Sequence[_Break]) -> bool:
    """Whether indented lines open paragraphs, rather than go on with list items."""
    running = [found for found in breaks if found.next_lower]
    opened = sum(found.indent > found.next_indent for found in running)
    hanging = sum(found.indent < found.next_indent for found in running)
    return opened > hanging
