"""The tokenizer: CoNLL's conventions, offsets into the untouched text, linear time."""

import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.errors import TextError
from ner_service.text.tokenizer import Token, Tokens, tokenize
from tests.strategies import texts, words

# What parts tokens: whitespace, and code points that show nothing.
_GAP = re.compile("[\\s\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]*")


def split(text: str) -> str:
    return " ".join(tokenize(text).texts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Contractions and possessives
        ("I don't, she couldn’t.", "I do n't , she could n’t ."),
        ("DON'T", "DO N'T"),
        ("Bob's we'll they're I've he'd I'm", "Bob 's we 'll they 're I 've he 'd I 'm"),
        ("LORD'S workers' unions", "LORD 'S workers ' unions"),
        ("O'Brien at 5 o'clock, d'affaires", "O'Brien at 5 o'clock , d'affaires"),
        ("cannot", "cannot"),
        # Full stops that belong to the word
        ("Mr. Smith met Dr. J. K. Jones", "Mr. Smith met Dr. J. K. Jones"),
        ("U.S. troops, a.m. trading, vs. Spain", "U.S. troops , a.m. trading , vs. Spain"),
        ("the U.S.-led force of Mo.-based men", "the U.S.-led force of Mo.-based men"),
        ("Microsoft Corp. said on Aug. 6", "Microsoft Corp. said on Aug. 6"),
        ("Inc.'s share", "Inc. 's share"),
        ("No. 1 said no. 2 and No.", "No. 1 said no. 2 and No ."),
        # ... and those that do not
        ("He came in 1996.", "He came in 1996 ."),
        ("in the U.S.", "in the U.S ."),
        ('"in the U.S."', '" in the U.S . "'),
        ("He left the U.S. The army stayed.", "He left the U.S . The army stayed ."),
        ("It bought Acme Inc.\nShares rose.", "It bought Acme Inc . Shares rose ."),
        ("It bought Acme Inc.\nfor cash.", "It bought Acme Inc. for cash ."),
        ("St. Louis and Main St.", "St. Louis and Main St ."),
        ("in group C.", "in group C ."),
        ("in London.The end", "in London . The end"),
        # Numbers, dates, scores, money
        ("1996-08-22 6-4 1,000.50 10-year-old", "1996-08-22 6-4 1,000.50 10-year-old"),
        ("9:30 1/2 1996/97 .500 +44 1990–95", "9:30 1/2 1996/97 .500 +44 1990–95"),
        ("$5.3bn or US$5, up 3.5%", "$ 5.3bn or US$ 5 , up 3.5 %"),
        ("1. Bob\n2. Ann", "1. Bob 2. Ann"),
        ("Spain 2, Italy 1.", "Spain 2 , Italy 1 ."),
        # Punctuation
        ('He said: "Go!"', 'He said : " Go ! "'),
        ("(AP) [sic] {x}", "( AP ) [ sic ] { x }"),
        ("wait... -- no ---- ``so''", "wait ... -- no ---- `` so ''"),
        ("all-rounder Jean-Luc and/or", "all-rounder Jean-Luc and / or"),
        ("AT&T and S&P AA+ rated", "AT&T and S&P AA+ rated"),
        # The web
        (
            "see https://example.org/a?b=(c)&d=1. Or www.example.org, ok",
            "see https://example.org/a?b=(c)&d=1 . Or www.example.org , ok",
        ),
        ("mail jo.doe+x@mail.example.org.", "mail jo.doe+x@mail.example.org ."),
        ("#ner by @bob_1 on example.org", "#ner by @bob_1 on example.org"),
        ("team #1 @ home", "team # 1 @ home"),
    ],
)
def test_conventions_of_the_corpus(text: str, expected: str) -> None:
    assert split(text) == expected


@pytest.mark.parametrize(
    "token",
    [
        "\U0001f600",  # a face
        "\U0001f44d\U0001f3fd",  # a hand with a skin tone
        "\u2764\ufe0f",  # a heart with its variation selector
        "\U0001f469\u200d\U0001f469\u200d\U0001f467",  # a family, joined
        "\U0001f1f5\U0001f1f9",  # a flag
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # of tags
        "#\ufe0f\u20e3",  # a key cap
        "e\u0301te\u0301",  # combining accents
        "नमस्ते",
        "עִבְרִית",
        "مرحبا",
        "می\u200cخواهم",  # with a zero-width non-joiner
        "€",
        "\x00",
        "\ud800",  # a lone surrogate is not the tokenizer's business
    ],
)
def test_what_is_read_as_one_is_one_token(token: str) -> None:
    assert tokenize(f"{token} {token}, ({token})").texts == [token, token, ",", "(", token, ")"]


def test_sequences_of_emoji_are_told_apart() -> None:
    assert tokenize("\U0001f1f5\U0001f1f9\U0001f1eb\U0001f1f7\U0001f600\U0001f44d").texts == [
        "\U0001f1f5\U0001f1f9",
        "\U0001f1eb\U0001f1f7",
        "\U0001f600",
        "\U0001f44d",
    ]


def test_every_combining_mark_stays_with_its_letter() -> None:
    marks = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code))[0] == "M"]
    parted = [f"U+{ord(mark):04X}" for mark in marks if len(tokenize(f"a{mark}b")) != 1]
    assert parted == []


def test_line_ends_and_invisible_signs_part_words() -> None:
    tokens = tokenize("\ufeffBob\r\nAnn\u200bEve\u202eJoe\u202c")
    assert list(tokens) == [
        Token("Bob", 1, 4),
        Token("Ann", 6, 9),
        Token("Eve", 10, 13),
        Token("Joe", 14, 17),
    ]


@pytest.mark.parametrize("text", ["", " ", "\r\n\t", "\u200b"])
def test_nothing_to_see_gives_no_tokens(text: str) -> None:
    assert tokenize(text) == Tokens([], [], [])


@given(texts | st.text())
def test_offsets_point_into_the_text_and_nothing_visible_is_lost(text: str) -> None:
    tokens = tokenize(text)
    end = 0
    for token in tokens:
        assert token.start < token.end
        assert text[token.start : token.end] == token.text
        assert _GAP.fullmatch(text, end, token.start)
        end = token.end
    assert _GAP.fullmatch(text, end)


@given(st.lists(st.sampled_from(["Bob", "U.S.", "it", "'s", "n't", "6-4", ",", "@bob", "!"])))
def test_spaced_tokens_stay_as_they_are(pieces: list[str]) -> None:
    # A closing full stop would be cut off "U.S.", so a word follows.
    assert tokenize(" ".join([*pieces, "end"])).texts == [*pieces, "end"]


def test_tokens_are_columns_with_views() -> None:
    tokens = tokenize("Bob left.")
    assert len(tokens) == 3
    assert tokens[1] == Token("left", 4, 8)
    assert [token.text for token in tokens] == tokens.texts
    assert (tokens.starts, tokens.ends) == ([0, 4, 8], [3, 8, 9])


@given(words)
def test_given_words_are_the_tokens(given_words: list[str]) -> None:
    text, tokens = Tokens.from_words(given_words)
    assert text == " ".join(given_words)
    assert [text[token.start : token.end] for token in tokens] == given_words == tokens.texts


def test_an_empty_given_word_is_refused() -> None:
    with pytest.raises(TextError, match="empty one at 1"):
        Tokens.from_words(["Bob", "", "left"])


@pytest.mark.parametrize(
    "unit",
    [
        *("a", "(", "\U0001f600", "'", "@", "-", "#", ".", "_", " ", "\n", "\0", "\u0301", "1,"),
        *("a.", "A.", "a-", "a'", "a+", "a@", "n'", "'s", "n't", "1:", ".5", "+1", "#1", "A&"),
        *("C$", "a.b", "a@b.", "U.S. ", "Inc.    ", 'Inc."', "http://", "www.", ". ", '. "'),
        *("\U0001f469\u200d", "\U0001f1f5", "http://" + "." * 993, "Inc." + " " * 999),
    ],
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = (unit * 200_000)[:200_000]
    start = time.perf_counter()
    tokens = tokenize(text)
    # Ten times what it takes; anything quadratic would take minutes.
    assert time.perf_counter() - start < 1.0 + 40e-6 * len(tokens)


@pytest.mark.parametrize(
    "text",
    [
        "http://" + "." * 200_000,
        "Inc." + "'" * 200_000,
        "Inc." + " " * 200_000 + "x",
        "don" * 66_000 + "'t",
        "a@" + "b." * 100_000,
        "x" * 200_000 + "@",
    ],
)
def test_a_long_run_before_a_disappointment_takes_linear_time(text: str) -> None:
    start = time.perf_counter()
    tokens = tokenize(text)
    assert time.perf_counter() - start < 1.0 + 40e-6 * len(tokens)
