"""Words of a sentence to running text: the fixed rules behind scores on raw text.

The CoNLL files hold tokens, not the text that they came from. To score the service as users meet
it, on text, the tokens are joined as English is written, by rules that look at nothing but the
words, so that a score on raw text means the same everywhere.
"""

import re
from collections.abc import Sequence

_CLOSING = re.compile(r"[,.;:!?%)\]}]|\.{2,}|n't|N'T|'(?:s|S|ll|re|ve|d|m)")
_OPENING = re.compile(r"[(\[{#]|[A-Z]{0,3}\$")


def detokenize(words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Join the words of a sentence as English is written.

    No space stands before closing punctuation, `n't` and `'s`, nor after opening brackets and
    currency signs; straight quotes open and close in turn; `/` binds both neighbours.

    Args:
        words: The words of one sentence.

    Returns:
        The text and, word by word, the half-open range of code points where it stands.
    """
    parts: list[str] = []
    ranges: list[tuple[int, int]] = []
    open_quotes: set[str] = set()
    end = 0
    tight = True  # the next word follows without a space
    for index, word in enumerate(words):
        opening = bool(_OPENING.fullmatch(word))
        closing = bool(_CLOSING.fullmatch(word))
        if word == '"':
            closing = word in open_quotes or 0 < index == len(words) - 1
            opening = not closing
            open_quotes ^= {word}
        elif word == "'":
            following = words[index + 1] if index + 1 < len(words) else ""
            possessive = index > 0 and words[index - 1].endswith(("s", "S", "z"))
            closing = word in open_quotes or (possessive and not following[:1].isdigit())
            opening = not closing
            if following[:1].isdigit() or (possessive and word not in open_quotes):
                pass  # '96, workers': no quotation
            else:
                open_quotes ^= {word}
        elif word == "/":
            opening = closing = True
        if not tight and not closing:
            parts.append(" ")
            end += 1
        parts.append(word)
        ranges.append((end, end + len(word)))
        end += len(word)
        tight = opening
    return "".join(parts), ranges
