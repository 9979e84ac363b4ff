"""Text to tokens, after the conventions of CoNLL-2003, with offsets into the untouched text.

The conventions follow the Penn Treebank (https://www.cis.upenn.edu/~bies/manuals/tokenize.html)
as the CoNLL-2003 corpus applies them: `don't` is `do` `n't`; `'s` stands apart; `U.S.`, `J.` and
`Corp.` keep their full stop unless it also ends the text; hyphens stay inside words.

One compiled regular expression does all of it. It is linear in the length of any text: an
alternative either consumes what it scanned or scans a bounded stretch. Splitting by it gives words
and the gaps between them, so the offsets are running sums of lengths and no match object is made.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ner_service.errors import TextError
from ner_service.text.abbreviations import ALWAYS, MAY_END, MAY_END_TEXT, NUMBERED, STARTERS


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number or symbol of a text.

    Attributes:
        text: The token as it stands in the text.
        start: Offset of its first code point.
        end: Offset behind its last code point.
    """

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one text as columns; iteration and indexing give `Token` views.

    Attributes:
        texts: The tokens as they stand in the text.
        starts: Offset of the first code point of each.
        ends: Offset behind the last code point of each.
    """

    texts: list[str]
    starts: list[int]
    ends: list[int]

    @classmethod
    def from_words(cls, words: Sequence[str]) -> tuple[str, "Tokens"]:
        """Take given words as tokens of the text that joins them by single spaces.

        Args:
            words: The words; whitespace inside a word is allowed.

        Returns:
            The text and its tokens.

        Raises:
            TextError: A word is empty.
        """
        texts = list(words)
        if not all(texts):
            raise TextError(f"expected tokens with text, got an empty one at {texts.index('')}")
        ends = [length + gap for gap, length in enumerate(accumulate(map(len, texts)))]
        starts = [end - len(text) for text, end in zip(texts, ends, strict=True)]
        return " ".join(texts), cls(texts, starts, ends)

    def within(self, start: int, end: int) -> range:
        """The tokens of which some part is between two offsets."""
        return range(bisect_right(self.ends, start), bisect_left(self.starts, end))

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> Token:
        return Token(self.texts[index], self.starts[index], self.ends[index])

    def __iter__(self) -> Iterator[Token]:
        return map(Token, self.texts, self.starts, self.ends)


# Combining marks and joiners: `\w` lacks them, yet they belong to the letter before. A few rare
# signs between the marks of Indic and historic scripts are taken along to keep the list short.
_MARKS = (
    "\u00ad\u200c\u200d\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0711-\u07f3\u07fd\u0816-\u082d\u0859-\u085b"
    "\u0898-\u0963\u0966-\u0df3\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ecd\u0f18-\u0f39\u0f3e-\u0f84"
    "\u0f86-\u0fc6\u102b-\u103e\u1056-\u109d\u135d-\u135f\u1712-\u1734\u1752-\u17d3\u17dd"
    "\u180b-\u193b\u1a17-\u1a1b\u1a55-\u1a7f\u1ab0-\u1b44\u1b6b-\u1bf3\u1c24-\u1c37\u1cd0-\u1dff"
    "\u20d0-\u20f0\u2cef-\u2cf1\u2d7f-\u2dff\u302a-\u302f\u3099\u309a\ua66f-\ua6f1\ua802-\ua827"
    "\ua82c\ua880-\ua8c5\ua8e0-\ua8f1\ua8ff-\ua9c0\ua9e5-\uaaf6\uabe3-\uabed\ufb1e\ufe00-\ufe0f"
    "\ufe20-\ufe2f\U000101fd-\U0001037a\U00010a01-\U00010a3f\U00010ae5-\U00010f85"
    "\U00011000-\U00011ef6\U00016af0-\U00016ff1\U0001bc9d\U0001bc9e\U0001cf00-\U0001cf46"
    "\U0001d165-\U0001d244\U0001da00-\U0001e94a\U000e0100-\U000e01ef"
)
# Code points that show nothing and part words like a space: zero-width space, direction marks, BOM.
_INVISIBLE = "\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff"


def _any_of(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


_LETTER = r"[^\W\d_]"
_CHUNK = rf"[\w{_MARKS}]++"
_CONTRACTION = r"['’](?:[sSdDmM]|ll|LL|re|RE|ve|VE)(?!\w)"
# Where a full stop is the sentence's too: before the end, a blank line or a word that opens one.
_STOPS_HERE = (
    r"(?=\.[\"'”’)\]]*+(?:\s*+\Z|[ \t]*+\r?\n[ \t]*+\r?\n"
    rf"|\s++(?:{_any_of(STARTERS)})\s))"
)
# So do company and place names when their line ends and the next does not begin in lower case.
_STOPS_LINE = r"(?=\.[\"'”’)\]]*+[ \t]*+\r?\n[ \t]*+[A-Z\d\"'“‘*-])"
_EMOJI_BASE = (
    "[\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa\U0001f400-\U0001faff]"
)
_EMOJI = rf"{_EMOJI_BASE}[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*+"

_TOKEN = re.compile(
    r"(?!\s)("  # at a space, do not try them all
    # Most tokens: a plain word before a space, newline or comma; brackets, quotes, commas; a full
    # stop or a number before a space.
    r"[A-Za-z]++(?=[ \n,])|[,;\"()\[\]{}]|\.(?=\s)|[A-Za-z\d]++(?=[ \n])"
    # Web and e-mail addresses, without the punctuation that ends their sentence.
    r"|(?:https?|ftp)://\S*[^\s.,;:!?)\]}>'\"”’]|www\.\S*[^\s.,;:!?)\]}>'\"”’]"
    r"|\w[\w.+-]{0,63}+@\w[\w-]{0,62}+(?:\.\w[\w-]{0,62}+){1,8}"
    # Contractions: the stem of "don't", then "n't", "'s" and their like.
    rf"|{_LETTER}+(?=[nN]['’][tT](?!\w))|[nN]['’][tT](?!\w)|{_CONTRACTION}"
    # Abbreviations.
    rf"|(?:{_any_of(ALWAYS)})\."
    rf"|(?:{_any_of(MAY_END)})(?:{_STOPS_HERE}|{_STOPS_LINE}|\.(?:-{_CHUNK})*+)"
    rf"|(?:{_any_of(MAY_END_TEXT)})(?:{_STOPS_HERE}|\.)"
    rf"|(?:{_any_of(NUMBERED)})\.(?=[ ]?\d)"
    # Numbered lists: "1. " opens a line.
    r"|(?m:^)\d{1,2}\.(?=[ \t])"
    # Initials, "U.S.", "U.S.-led"; the last full stop apart where it ends the sentence.
    rf"|{_LETTER}(?:\.{_LETTER}(?![\w]))++(?:{_STOPS_HERE}|\.?)(?:-{_CHUNK})*+"
    rf"|[A-Z](?:{_STOPS_HERE}|\.(?!\w))"
    # Currencies and words, with what may stand inside: hyphens, O'Brien, 1,000.50, 9:30, S&P.
    r"|[A-Z]{1,3}\$"
    rf"|(?:[+.](?=\d))?{_CHUNK}(?:(?:"
    rf"[-‐‑](?:(?:[A-Za-z]\.){{2,}}+)?|(?<=\d)[.,:/–](?=\d)|(?<=[a-z\d])\.(?=[a-z\d])"
    rf"|(?<=[A-Z])[.&](?=[A-Z])|(?<={_LETTER})(?!{_CONTRACTION})['’](?={_LETTER})){_CHUNK})*+"
    r"(?:(?<=[A-Z])\+{1,2}(?![\w+]))?"
    # Hashtags and handles.
    rf"|\#\d*+{_LETTER}[\w{_MARKS}]*+|@[\w{_MARKS}]++"
    # Rules and dots in a row.
    r"|\.{2,}+|-{2,}+|\*{2,}+|={2,}+|_{2,}+|~{2,}+|''|``"
    # Emoji: key caps, flags, sequences joined by U+200D.
    r"|[\#*\d]\ufe0f?\u20e3|[\U0001f1e6-\U0001f1ff]{2}"
    rf"|{_EMOJI}(?:\u200d{_EMOJI})*+"
    # Anything else that shows.
    rf"|[^\s{_INVISIBLE}][{_MARKS}]*+"
    ")"
)


def tokenize(text: str) -> Tokens:
    """Split a text into tokens; linear in its length.

    Every code point that is neither whitespace nor invisible belongs to exactly one token.

    Args:
        text: Any string, the empty one and lone surrogates included; it is not altered.

    Returns:
        The tokens with half-open offsets in code points.
    """
    pieces = _TOKEN.split(text)  # gap, token, gap, token, ..., gap
    offsets = list(accumulate(map(len, pieces)))
    return Tokens(texts=pieces[1::2], starts=offsets[0:-1:2], ends=offsets[1::2])
