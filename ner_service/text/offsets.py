"""Offsets in other units than code points: UTF-16 units (JavaScript, Java) and UTF-8 bytes."""

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

from ner_service.errors import TextError

OffsetUnit = Literal["codepoint", "utf16", "byte"]

_SURROGATE = re.compile("[\ud800-\udfff]")


def convert_offsets(text: str, offsets: Sequence[int], unit: OffsetUnit) -> list[int]:
    """Convert offsets in code points to another unit.

    The text is cut at the offsets and each stretch is encoded once, so the cost is linear in the
    text however many offsets there are.

    Args:
        text: The text that the offsets point into.
        offsets: Offsets in code points, each between 0 and the length of the text, in any order.
        unit: "codepoint", "utf16" (two units beyond U+FFFF) or "byte" (of UTF-8).

    Returns:
        The converted offsets, in the order given.

    Raises:
        TextError: The unit is "byte" and the text holds a lone surrogate, which has no bytes.
    """
    if unit == "codepoint":
        return list(offsets)
    if unit == "byte":
        reject_lone_surrogates(text)
    if text.isascii():
        return list(offsets)
    cuts = sorted({0, *offsets})
    stretches = (text[start:end] for start, end in zip(cuts, cuts[1:], strict=False))
    if unit == "byte":
        lengths = (len(stretch.encode("utf-8")) for stretch in stretches)
    else:
        lengths = (len(stretch.encode("utf-16-le", "surrogatepass")) // 2 for stretch in stretches)
    converted = dict(zip(cuts, accumulate(lengths, initial=0), strict=True))
    return [converted[offset] for offset in offsets]


def reject_lone_surrogates(text: str) -> None:
    """Refuse a text that is not valid Unicode.

    Args:
        text: Any string.

    Raises:
        TextError: The text holds a lone surrogate; the message names the first one's position.
    """
    if (found := _SURROGATE.search(text)) is not None:
        raise TextError(
            f"expected valid Unicode, got the lone surrogate U+{ord(found[0]):04X} "
            f"at position {found.start()}"
        )
