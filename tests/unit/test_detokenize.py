"""Words to running text: the fixed rules behind scores on raw text."""

import pytest
from hypothesis import given

from ner_service.text.tokenizer import tokenize
from tests.strategies import words
from training.detokenize import detokenize

SENTENCES = [
    ("\" I do n't know , \" said Bob 's aunt .", "\"I don't know,\" said Bob's aunt."),
    ("Spain ( 3-1 ) paid $ 5.3 billion , up 3 % .", "Spain (3-1) paid $5.3 billion, up 3%."),
    ("Farmers ' unions in the U.S. and C$ 5 in ' 96", "Farmers' unions in the U.S. and C$5 in '96"),
    ("He is in the U.S .", "He is in the U.S."),
    ("He said ' go ' now", "He said 'go' now"),
    ('It was good . "', 'It was good."'),
    ("UK / US -- no : yes ; [ sic ] ...", "UK/US -- no: yes; [sic]..."),
]


@pytest.mark.parametrize(("words_in", "text"), SENTENCES)
def test_words_are_joined_as_english_is_written(words_in: str, text: str) -> None:
    assert detokenize(words_in.split())[0] == text


@pytest.mark.parametrize(("words_in", "text"), SENTENCES)
def test_the_tokenizer_finds_the_words_again(words_in: str, text: str) -> None:
    assert tokenize(text).texts == words_in.split()


@given(words)
def test_ranges_lead_back_to_the_words(given_words: list[str]) -> None:
    text, ranges = detokenize(given_words)
    assert [text[start:end] for start, end in ranges] == given_words
    assert "".join(given_words) == "".join(text[a:b] for a, b in ranges)
    assert all(a[1] <= b[0] <= a[1] + 1 for a, b in zip(ranges, ranges[1:], strict=False))
    assert len(text) == (ranges[-1][1] if ranges else 0)
