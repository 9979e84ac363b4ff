"""Offsets in UTF-16 units and bytes, against the slow way of encoding every prefix."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.errors import TextError
from ner_service.text.offsets import OffsetUnit, convert_offsets, reject_lone_surrogates
from tests.strategies import texts

_CODECS = {"utf16": ("utf-16-le", 2), "byte": ("utf-8", 1)}


@given(texts | st.text(), st.data(), st.sampled_from(("codepoint", "utf16", "byte")))
def test_offsets_agree_with_encoded_prefixes(
    text: str, data: st.DataObject, unit: OffsetUnit
) -> None:
    offsets = data.draw(st.lists(st.integers(0, len(text))))
    if unit == "codepoint":
        expected = offsets
    else:
        codec, size = _CODECS[unit]
        expected = [len(text[:offset].encode(codec)) // size for offset in offsets]
    assert convert_offsets(text, offsets, unit) == expected


def test_a_clef_is_two_units_and_four_bytes() -> None:
    assert convert_offsets("\U0001d11e Bob", [2, 5], "utf16") == [3, 6]
    assert convert_offsets("\U0001d11e Bob", [2, 5], "byte") == [5, 8]


def test_a_lone_surrogate_is_one_utf16_unit_and_has_no_bytes() -> None:
    assert convert_offsets("a\ud800b", [3], "utf16") == [3]
    with pytest.raises(TextError, match=r"U\+D800 at position 1"):
        convert_offsets("a\ud800b", [3], "byte")


def test_valid_text_passes() -> None:
    reject_lone_surrogates("Bob \U0001f600 \u00e9\0")


def test_many_offsets_in_a_long_text_take_linear_time() -> None:
    text = "é\U0001f600" * 200_000
    start = time.perf_counter()
    converted = convert_offsets(text, range(0, len(text), 2), "byte")
    assert time.perf_counter() - start < 3.0
    assert converted[:3] == [0, 6, 12]
