"""Sentence ends in raw text.

Sentences are guessed, never trusted: a wrong guess costs a little context and never an offset.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from ner_service.text.abbreviations import ALWAYS, STARTERS
from ner_service.text.lines import line_starts
from ner_service.text.tokenizer import Tokens

# Final punctuation, the quotes and brackets that close behind it, a gap. In given tokens a space
# stands before those. "Yahoo! Inc" goes on. The first sign is looked behind from, not before it:
# the engine is quick to search for a set of characters, if the expression begins with one.
_END = re.compile(
    r"[.!?…。！？](?<![.!?…。！？].)[.!?…。！？]*+((?:[ ]?[\"'”’)\]»](?=[\s\"'”’)\]»]|\Z))*+)\s++"
    r"(?!(?:Inc|Corp|Co|Ltd)\b)"
)
_OPENING = "\"'“‘«([`-–—*#$£€"
_WORD = re.compile(r"[^\W\d_]{0,20}+")

LONGEST_SENTENCE = 1000
"""Tokens. No writer's sentence comes near it; what has no sentence ends is data, and would else be
decoded as one, in time and memory that its neighbours wait for."""
_LOOK_BACK = 100  # tokens in which a longer one is searched for punctuation to end behind


def sentence_starts(text: str, tokens: Tokens) -> list[int]:
    """Guess where sentences begin.

    A sentence ends at final punctuation that is a token of its own and is followed by a space and
    anything but a lower-case letter; at a blank line; and at a newline that hard wrapping does not
    explain. No sentence is longer than `LONGEST_SENTENCE` tokens: see `end_long_sentences`.

    Args:
        text: The text.
        tokens: Its tokens.

    Returns:
        Ascending token indices, the first of them 0; empty if there are no tokens.
    """
    if not tokens.texts:
        return []
    offsets = (0, *_punctuation_ends(text, tokens), *line_starts(text))
    starts = {bisect_left(tokens.starts, offset) for offset in offsets}
    starts.discard(len(tokens.texts))
    return end_long_sentences(sorted(starts), tokens.texts)


def end_long_sentences(starts: Sequence[int], texts: Sequence[str]) -> list[int]:
    """Let no sentence be longer than `LONGEST_SENTENCE` tokens.

    A longer one ends behind the last punctuation among the hundred tokens before that, or where
    there is none right there, so that a name is rarely torn.

    Args:
        starts: Ascending token indices at which sentences begin.
        texts: All tokens.

    Returns:
        Those indices, and more of them where a sentence was too long.
    """
    bounded: list[int] = []
    for start, stop in pairwise([*starts, len(texts)]):
        begin = start
        bounded.append(begin)
        while stop - begin > LONGEST_SENTENCE:
            # Nearly done, it is halved: a last piece of a few tokens would have little context.
            begin = _end_before(min(begin + LONGEST_SENTENCE, (begin + stop + 1) // 2), texts)
            bounded.append(begin)
    return bounded


def _end_before(latest: int, texts: Sequence[str]) -> int:
    for index in range(latest, latest - _LOOK_BACK, -1):
        if not any(map(str.isalnum, texts[index - 1])):
            return index
    return latest


def _punctuation_ends(text: str, tokens: Tokens) -> list[int]:
    """Offsets behind the final punctuation of sentences."""
    ends: list[int] = []
    quotes = counted = 0
    for match in _END.finditer(text):
        following = text[match.end() : match.end() + 1]
        if following.islower() or not (following.isalnum() or following in _OPENING):
            continue
        index = bisect_left(tokens.starts, match.start())
        # The full stop of "Mr." or "J." lies inside a token and ends nothing.
        if index == len(tokens.starts) or tokens.starts[index] != match.start():
            continue
        if index and tokens.texts[index] == "." and _is_abbreviation(tokens.texts[index - 1]):
            word = _WORD.match(text, match.end())
            if word is None or word[0] not in STARTERS:
                continue
        end = match.end()
        if match[1].startswith(' "'):
            # A straight quote between spaces: it closes if one is open, else it opens what follows.
            quotes += text.count('"', counted, match.start())
            counted = match.start()
            if quotes % 2 == 0:
                end = match.start(1) + 1
        ends.append(end)
    return ends


def _is_abbreviation(word: str) -> bool:
    return word in ALWAYS or (len(word) == 1 and word.isupper())
