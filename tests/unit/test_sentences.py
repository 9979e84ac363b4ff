"""Sentence ends in raw text: a wrong guess costs context, a torn name costs an entity."""

import textwrap
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.text.sentences import LONGEST_SENTENCE, end_long_sentences, sentence_starts
from ner_service.text.tokenizer import Tokens, tokenize
from tests.strategies import texts, words

PARAGRAPH = (
    "The governor of New York, who had met Margaret Thatcher in London and flew to South Africa on "
    "Friday, told reporters that the talks with the World Bank would go on for another week. He "
    "did not say whether President Nelson Mandela would take part. Officials of the Reserve Bank "
    "of New Zealand said they expected an answer from Prime Minister Jim Bolger by Monday. Banks "
    "in New York and funds in New York stayed calm, and so did their customers in New York."
)

WIDTHS = range(30, 100)


def sentences(text: str) -> list[str]:
    tokens = tokenize(text)
    starts = sentence_starts(text, tokens)
    ends = [*starts[1:], len(tokens)]
    return [" ".join(tokens.texts[a:b]) for a, b in zip(starts, ends, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bob left. Ann stayed! Why? 3 came.", 4),
        ("Mr. Smith of Acme Inc. met J. Jones vs. Spain at 5 a.m. on No. 3 Street.", 1),
        ("He lives in the U.S. The rest left.", 2),
        ("He joined the U.S. Navy.", 1),
        ("It trades as Yahoo! Inc. in Asia.", 1),
        ("it ended. then it went on", 1),
        ("We waited... Nobody came.", 2),
        ('"It is over." He left. (He said so.) "Good," I said.', 4),
        ("He left.\n\nnobody saw", 2),
        ("Prices rose by 3.5 pct.", 1),
        ("Ende. Ärger. Über.", 3),
        ("प्रश्न? उत्तर।", 2),
    ],
)
def test_final_punctuation_ends_a_sentence_abbreviations_do_not(text: str, expected: int) -> None:
    assert len(sentences(text)) == expected


def test_a_closing_quote_belongs_to_the_sentence_it_closes() -> None:
    assert sentences('He said "Go." "Why?" she said.') == [
        'He said " Go . "',
        '" Why ? " she said .',
    ]


def test_given_tokens_show_which_quotes_close() -> None:
    quoted = 'He said , " Go . " They left . " Why ? "'
    text, tokens = Tokens.from_words(quoted.split())
    starts = sentence_starts(text, tokens)
    assert [tokens.texts[start] for start in starts] == ["He", "They", '"']


def test_given_tokens_may_part_an_initial_from_its_full_stop() -> None:
    parted = "Dr . J . Smith left . He won ."
    text, tokens = Tokens.from_words(parted.split())
    assert sentence_starts(text, tokens) == [0, 7]
    text, tokens = Tokens.from_words(["In", "group", "C", ".", "The", "rest", "left", "."])
    assert sentence_starts(text, tokens) == [0, 4]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_hard_wrapping_changes_no_sentence(width: int, newline: str) -> None:
    lines = textwrap.wrap(PARAGRAPH, width, break_on_hyphens=False)
    assert sentences(newline.join(lines)) == sentences(PARAGRAPH)


@pytest.mark.parametrize("name", ["New\nYork", "Margaret\nThatcher"])
def test_some_of_these_widths_tear_names(name: str) -> None:
    assert any(name in textwrap.fill(PARAGRAPH, width) for width in WIDTHS)


@pytest.mark.parametrize(
    "text",
    [
        "He moved to New\nYork in 1990 and met Margaret\nThatcher there.",
        "The former prime minister Margaret\nThatcher left New\nYork on Monday to see officials\n"
        "of the World Bank.",
        "Yesterday the company moved to New\nYork.",
    ],
)
def test_a_short_text_wrapped_by_hand_is_one_sentence(text: str) -> None:
    assert len(sentences(text)) == 1


def test_indented_paragraphs_may_open_with_a_short_line() -> None:
    text = (
        "Shareholders in Banque Bruxelles\n"
        "Lambert authorised the bank to increase its capital by five\n"
        "billion francs in the next five years, a spokesman said on\n"
        "Friday.\n"
        "    The bank, the second largest in the country, had failed to\n"
        "win approval for the move last month because too few of the\n"
        "shareholders of Banque Bruxelles came to the meeting\n"
        "    Its shares rose.\n"
    )
    found = sentences(text)
    assert len(found) == 3
    assert "Banque Bruxelles Lambert" in found[0]


def test_lists_headlines_and_tables_have_a_line_a_sentence() -> None:
    lists = "Bob Smith\nAnn Jones\nAcme Holdings\nNew York"
    table = "Barnsley 2 2 0 0 5 2 6\nSheffield Wednesday 3 1 1 1 3 2 4\nOxford 3 1 0 2 6 3 3"
    story = "Spain win again\nMADRID 1996-08-30\n" + PARAGRAPH
    assert len(sentences(lists)) == 4
    assert len(sentences(table)) == 3
    assert sentences(story)[:2] == ["Spain win again", "MADRID 1996-08-30"]
    assert sentences(story)[2:] == sentences(PARAGRAPH)


def test_one_sentence_a_line_without_full_stops_is_split() -> None:
    lines = [
        "Bob Smith flew from London to Paris on Friday",
        "Ann Jones stayed at home",
        "The World Bank said in a statement that it would not lend any more money this year",
        "Nobody from Acme Holdings could be reached",
    ]
    assert len(sentences("\n".join(lines))) == 4


def test_list_items_begin_sentences_even_after_commas() -> None:
    text = "The party wants:\n- more money for schools,\n- fewer taxes,\n2. peace"
    assert len(sentences(text)) == 4


def test_unfinished_lines_go_on() -> None:
    assert sentences("Results of the\nPremier League") == ["Results of the Premier League"]
    assert sentences("Bob, Ann,\nEve") == ["Bob , Ann , Eve"]


def test_no_tokens_no_sentences() -> None:
    assert sentence_starts("\n \n", tokenize("\n \n")) == []


@given(texts)
def test_starts_ascend_from_zero(text: str) -> None:
    tokens = tokenize(text)
    starts = sentence_starts(text, tokens)
    assert starts == sorted(set(starts))
    assert starts[:1] == [0][: len(tokens)]
    assert all(0 <= start < len(tokens) for start in starts)


@given(words)
def test_given_words_of_any_kind_have_sentences(given_words: list[str]) -> None:
    text, tokens = Tokens.from_words(given_words)
    starts = sentence_starts(text, tokens)
    assert starts == sorted(set(starts))
    assert starts[:1] == [0][: len(tokens)]


@given(st.integers(0, 5_000), st.sets(st.integers(0, 5_000)), st.sets(st.integers(1, 5_000)))
def test_no_sentence_is_endless(count: int, commas: set[int], given_starts: set[int]) -> None:
    texts = ["," if index in commas else "a" for index in range(count)]
    starts = sorted({0, *(start for start in given_starts if start < count)}) if count else []
    bounded = end_long_sentences(starts, texts)
    assert bounded == sorted(set(bounded))
    assert set(starts) <= set(bounded)
    lengths = [stop - start for start, stop in pairwise([*bounded, count])]
    assert max(lengths, default=0) <= LONGEST_SENTENCE
    for start in set(bounded) - set(starts):
        # A comma among the last of them is what it ends behind.
        assert texts[start - 1] == "," or "," not in texts[start - 100 : start]


def test_sentences_that_are_not_too_long_stay() -> None:
    starts = [0, LONGEST_SENTENCE, LONGEST_SENTENCE + 5]
    texts = ["a"] * (2 * LONGEST_SENTENCE + 5)
    assert end_long_sentences(starts, texts) == starts
    text = "word " * LONGEST_SENTENCE
    assert sentence_starts(text, tokenize(text)) == [0]
    text += "word"
    assert sentence_starts(text, tokenize(text)) == [0, LONGEST_SENTENCE // 2 + 1]


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        ".",
        ". ",
        ".\n",
        "\n",
        " \n",
        "A\n",
        "\r",
        " ",
        '. "',
        "! ",
        ' "',
        "A. ",
        "\u2029",
        "- ",
    ],
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    text = (unit * 200_000)[:200_000]
    tokens = tokenize(text)
    start = time.process_time()
    sentence_starts(text, tokens)
    assert time.process_time() - start < 1.0 + 40e-6 * len(tokens)
