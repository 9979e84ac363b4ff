"""Layout: every token once, sentences parted by boundaries, long ones read in pieces."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.errors import ConfigError
from ner_service.text.windows import Layout, Window, lay_out


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[int], int, int, Layout]:
    """Sentence lengths, window size, overlap, and what comes of them."""
    lengths = draw(st.lists(st.integers(1, 60), max_size=12))
    window_tokens = draw(st.integers(1, 25))
    overlap = draw(st.integers(0, window_tokens - 1))
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    layout = lay_out(starts, sum(lengths), window_tokens=window_tokens, overlap=overlap)
    return lengths, window_tokens, overlap, layout


@given(layouts())
def test_segments_hold_every_token_once_in_order(
    case: tuple[list[int], int, int, Layout],
) -> None:
    lengths, _, _, layout = case
    assert layout.token_count == sum(lengths)
    assert sorted([*layout.token_slots.tolist(), *layout.boundaries]) == list(
        range(layout.slot_count)
    )
    assert [layout.token_at(slot) for slot in layout.token_slots.tolist()] == list(
        range(layout.token_count)
    )
    edges = [0, *(stop for _, stop in layout.segments)]
    assert layout.segments == list(pairwise(edges))
    assert edges[-1] == layout.slot_count


@given(layouts())
def test_boundaries_stand_exactly_between_sentences_of_a_segment(
    case: tuple[list[int], int, int, Layout],
) -> None:
    lengths, window_tokens, _, layout = case
    sentence_lengths: list[int] = []
    for start, stop in layout.segments:
        sentence = 0
        for slot in range(start, stop):
            if slot in layout.boundaries:
                sentence_lengths.append(sentence)
                sentence = 0
            else:
                sentence += 1
        sentence_lengths.append(sentence)
        one_sentence = not set(layout.boundaries) & set(range(start, stop))
        assert stop - start <= window_tokens or one_sentence
    assert sentence_lengths == lengths


@given(layouts())
def test_windows_fit_and_what_they_keep_partitions_each_segment(
    case: tuple[list[int], int, int, Layout],
) -> None:
    _, window_tokens, overlap, layout = case
    windows = iter(layout.windows)
    for start, stop in layout.segments:
        if stop - start <= window_tokens:
            assert next(windows) == Window(start, stop, start, stop)
            continue
        kept = start
        while kept < stop:
            window = next(windows)
            assert window.stop - window.start == window_tokens
            assert start <= window.start <= window.keep_start == kept
            assert window.keep_start < window.keep_stop <= window.stop <= stop
            # Context on both sides, as far as the sentence has it.
            assert window.keep_start - window.start >= min(overlap // 2, window.keep_start - start)
            assert window.stop - window.keep_stop >= min(overlap // 2, stop - window.keep_stop)
            kept = window.keep_stop
        assert kept == stop
    assert list(windows) == []


def test_short_sentences_share_a_segment() -> None:
    layout = lay_out([0, 2, 5], 9, window_tokens=6, overlap=2)
    assert layout.boundaries == [2]
    assert layout.token_slots.tolist() == [0, 1, 3, 4, 5, 6, 7, 8, 9]
    assert layout.segments == [(0, 6), (6, 10)]


@given(layouts())
def test_values_of_tokens_stand_in_their_slots_and_one_value_at_every_boundary(
    case: tuple[list[int], int, int, Layout],
) -> None:
    layout = case[3]
    filled = layout.in_slots(list(range(layout.token_count)), at_boundaries=-1)
    slow = [-1] * layout.slot_count
    for token, slot in enumerate(layout.token_slots.tolist()):
        slow[slot] = token
    assert filled == slow


def test_windows_move_with_their_document() -> None:
    assert Window(0, 10, 2, 8).moved(5) == Window(5, 15, 7, 13)


def test_no_tokens_no_slots() -> None:
    layout = lay_out([], 0)
    assert (layout.token_slots.tolist(), layout.segments, layout.windows) == ([], [], [])


@pytest.mark.parametrize(("window_tokens", "overlap"), [(0, 0), (10, 10), (10, -1)])
def test_impossible_sizes_are_refused(window_tokens: int, overlap: int) -> None:
    with pytest.raises(ConfigError, match=f"got {window_tokens} and {overlap}"):
        lay_out([0], 1, window_tokens=window_tokens, overlap=overlap)


def test_a_million_tokens_are_laid_out_in_no_time() -> None:
    start = time.process_time()
    layout = lay_out(range(0, 1_000_000, 20), 1_000_000)
    lay_out([0], 1_000_000)
    assert time.process_time() - start < 2.0
    assert len(layout.segments) == 1_000_000 // 80
