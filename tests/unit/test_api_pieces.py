"""Cutting a long document changes nothing in its answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.api.pieces import cut, join
from ner_service.tagger import PreparedDocument
from ner_service.text import Tokens, lay_out
from tests.fakes import FakeTagger

SENTENCES = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def document(lengths: list[int]) -> PreparedDocument:
    words = [
        "Bob" if (sentence + word) % 3 == 0 else "word"
        for sentence, length in enumerate(lengths)
        for word in range(length)
    ]
    text, tokens = Tokens.from_words(words)
    starts = np.cumsum([0, *lengths[:-1]]).tolist()
    return PreparedDocument(text, tokens, lay_out(starts, len(words), window_tokens=30, overlap=8))


@given(SENTENCES, st.integers(1, 200))
def test_pieces_give_what_the_whole_gives(lengths: list[int], tokens: int):
    whole, tagger = document(lengths), FakeTagger()
    pieces = cut(whole, tokens=tokens)
    joined = join(whole, tagger.tag_documents(pieces))
    expected = tagger.tag_documents([whole])[0]
    assert joined.entities == expected.entities
    assert joined.tag_ids.tolist() == expected.tag_ids.tolist()
    assert joined.tokens is whole.tokens


@given(SENTENCES, st.integers(1, 200))
def test_every_piece_is_laid_out_like_a_document(lengths: list[int], tokens: int):
    whole = document(lengths)
    pieces = cut(whole, tokens=tokens)
    assert [text for piece in pieces for text in piece.tokens.texts] == whole.tokens.texts
    for piece in pieces:
        layout = piece.layout
        assert layout.token_count == len(piece.tokens)
        assert layout.segments[0][0] == 0
        assert layout.segments[-1][1] == layout.slot_count
        kept = [slot for w in layout.windows for slot in range(w.keep_start, w.keep_stop)]
        assert kept == list(range(layout.slot_count))
        assert all(0 <= w.start < w.stop <= layout.slot_count for w in layout.windows)
        assert layout.slot_count <= tokens or len(layout.segments) == 1 or len(pieces) == 1


@pytest.mark.parametrize("lengths", [[5], [500]])
def test_a_short_document_or_a_single_segment_stays_whole(lengths: list[int]):
    whole = document(lengths)
    assert cut(whole, tokens=50) == [whole]


def test_an_empty_document_stays_whole():
    empty = FakeTagger().prepare("")
    assert cut(empty, tokens=50) == [empty]
