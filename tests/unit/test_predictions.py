from hypothesis import given
from hypothesis import strategies as st

from ner_service.tags import spans_from_tags
from training.cases import TextSpan, make_case
from training.documents import Sentence
from training.metrics import score_spans
from training.predictions import tagged_pieces, write_predictions

DOCUMENT = [
    Sentence(("Ines", "Costa", "left"), ("B-PER", "I-PER", "O")),
    Sentence(("Lisbon", "today"), ("B-LOC", "O")),
]


def test_file_has_a_token_a_line_and_a_blank_line_after_each_sentence(tmp_path):
    case = make_case(DOCUMENT, "BIO")
    write_predictions(tmp_path / "tags.txt", [case], [[TextSpan(0, 4, "PER")]])
    assert (tmp_path / "tags.txt").read_text("utf-8") == (
        "Ines B-PER B-PER\nCosta I-PER O\nleft O O\n\nLisbon B-LOC O\ntoday O O\n\n"
    )


def test_word_is_cut_where_a_predicted_entity_ends_inside_it():
    case = make_case([Sentence(("Lisbon-based", "firm"), ("O", "O"))], "BIO", tokens="raw")
    (pieces,) = tagged_pieces(case, [TextSpan(0, 6, "LOC")])
    assert pieces == [("Lisbon", "O", "B-LOC"), ("-based", "O", "O"), ("firm", "O", "O")]


def test_sentences_that_a_predicted_entity_joins_are_one():
    case = make_case(DOCUMENT, "BIO", tokens="raw")
    start = case.text.index("left")
    (pieces,) = tagged_pieces(case, [TextSpan(start, start + len("left\nLisbon"), "ORG")])
    assert [found for *_, found in pieces] == ["O", "O", "B-ORG", "I-ORG", "O"]


def test_white_space_inside_a_token_cannot_break_the_line(tmp_path):
    case = make_case([Sentence(("New\u00a0York", "a b"), ("B-LOC", "O"))], "BIO")
    write_predictions(tmp_path / "tags.txt", [case], [[]])
    lines = (tmp_path / "tags.txt").read_text("utf-8").splitlines()
    assert [len(line.split()) for line in lines] == [3, 3, 0]


@st.composite
def answers(draw):
    """A document in raw text and disjoint predicted ranges over it, wherever they fall."""
    document = [
        Sentence(tuple(words), tuple(draw(st.sampled_from(("O", "B-PER", "I-PER"))) for _ in words))
        for words in draw(
            st.lists(
                st.lists(st.sampled_from(("Ines", "x", ".", "don")), min_size=1, max_size=4),
                min_size=1,
                max_size=3,
            )
        )
    ]
    case = make_case(document, "BIO", tokens="raw")
    inside = [offset for start, end in case.words for offset in range(start, end)]
    cuts = sorted(draw(st.sets(st.sampled_from(inside), max_size=6)))
    spans = [
        TextSpan(a, b + 1, draw(st.sampled_from(("PER", "LOC"))))
        for a, b in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    return case, spans


@given(answers())
def test_scores_of_the_file_are_the_scores_of_the_ranges(answer):
    case, spans = answer
    pieces = list(tagged_pieces(case, spans))
    by_file = score_spans(
        [spans_from_tags([gold for _, gold, _ in sentence], "BIO") for sentence in pieces],
        [spans_from_tags([found for *_, found in sentence], "BIO") for sentence in pieces],
    )
    assert by_file == score_spans([case.gold], [spans])
    text = "".join(token for sentence in pieces for token, *_ in sentence)
    assert text == "".join(case.text.split())
