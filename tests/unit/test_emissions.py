import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.inference.emissions import batches_by_length, emission_steps, slot_grid
from ner_service.inference.steps import finish
from ner_service.text import lay_out

TAGS = 3


class SummingBackend:
    """Emissions that tell what a window's slot saw: itself, its position, its window's sum."""

    slots_a_batch = 1000

    def __init__(self) -> None:
        self.batches: list[tuple[int, ...]] = []

    def encode_words(self, features, vectors):
        raise NotImplementedError

    def encode_states(self, rows, lengths):
        raise NotImplementedError

    def encode_sentences(self, rows, lengths):
        self.batches.append(rows.shape[:2])
        real = np.arange(len(rows))[:, None] < lengths
        values = rows[:, :, 0] * real
        output = np.empty((*values.shape, TAGS), dtype=np.float32)
        output[..., 0] = values
        output[..., 1] = np.arange(len(rows))[:, None]
        output[..., 2] = values.sum(axis=0)
        return output


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(4, 15))
def test_every_slot_gets_the_emissions_of_the_window_that_keeps_it(lengths, window_tokens):
    starts = [sum(lengths[:index]) for index in range(len(lengths)) if lengths[index]]
    count = sum(lengths)
    layout = lay_out(starts if count else [], count, window_tokens=window_tokens, overlap=3)
    slots = layout.slot_count
    matrix = np.arange(1, slots + 1, dtype=np.float32)[:, None]
    row_ids = np.arange(slots, dtype=np.int32)
    found = finish(emission_steps(SummingBackend(), matrix, row_ids, layout.windows, TAGS))
    assert found.shape == (slots, TAGS)
    for window in layout.windows:
        total = matrix[window.start : window.stop].sum()
        for slot in range(window.keep_start, window.keep_stop):
            assert found[slot].tolist() == [slot + 1, slot - window.start, total]


def test_batches_are_bounded_and_hold_windows_of_like_length():
    layout = lay_out(list(range(0, 90, 3)), 90, window_tokens=4, overlap=0)
    backend = SummingBackend()
    backend.slots_a_batch = 20
    matrix = np.zeros((layout.slot_count, 1), dtype=np.float32)
    row_ids = np.arange(layout.slot_count, dtype=np.int32)
    finish(emission_steps(backend, matrix, row_ids, layout.windows, TAGS))
    assert len(backend.batches) > 1
    assert all(steps * size <= 20 for steps, size in backend.batches)


def test_nothing_to_read_gives_no_emissions():
    nothing = np.zeros(0, dtype=np.int32)
    found = finish(
        emission_steps(SummingBackend(), np.zeros((1, 1), np.float32), nothing, [], TAGS)
    )
    assert found.shape == (0, TAGS)


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 100))
def test_batches_take_every_item_once_longest_first(lengths, slots):
    lengths = np.array(lengths, dtype=np.int64)
    batches = list(batches_by_length(lengths, slots))
    taken = [index for batch in batches for index in batch]
    assert sorted(taken) == list(range(len(lengths)))
    assert [lengths[i] for i in taken] == sorted(lengths, reverse=True)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= slots


def test_grid_repeats_the_last_slot_behind_the_end():
    grid = slot_grid(np.array([10, 0]), np.array([3, 1]))
    assert grid.T.tolist() == [[10, 11, 12], [0, 0, 0]]


@pytest.mark.parametrize("window_tokens", [5, 12])
def test_kept_ranges_cover_a_long_sentence(window_tokens):
    layout = lay_out([0], 100, window_tokens=window_tokens, overlap=2)
    kept = [slot for w in layout.windows for slot in range(w.keep_start, w.keep_stop)]
    assert kept == list(range(100))
