from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.errors import CorpusError
from ner_service.tags import Span, tags_from_spans
from training.columns import read_columns
from training.documents import LOST_TOKEN, Sentence

DIALECTS = Path(__file__).parents[1] / "data" / "dialects"
CONLL = Path(__file__).parents[1] / "data" / "conll"


def written(folder: Path, text: str | bytes, name: str = "corpus.txt") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def error_of(folder: Path, text: str | bytes, **columns: int) -> str:
    path = written(folder, text)
    with pytest.raises(CorpusError) as caught:
        read_columns(path, **columns)
    return str(caught.value).replace(str(path), "corpus.txt")


def test_document_marks_are_boundaries_and_no_sentences() -> None:
    reading = read_columns(CONLL / "train.txt")
    assert reading.documents_marked
    assert [len(document) for document in reading.documents] == [8, 6, 6, 6]
    assert reading.documents[0][1].tokens == ("Marta", "Oliveira")
    assert not any(
        "-DOCSTART-" in sentence.tokens for document in reading.documents for sentence in document
    )


def test_without_marks_each_sentence_is_a_document(tmp_path: Path) -> None:
    reading = read_columns(written(tmp_path, "a O\n\nb O\nc O\n"))
    assert not reading.documents_marked
    assert reading.documents == [
        [Sentence(("a",), ("O",))],
        [Sentence(("b", "c"), ("O", "O"))],
    ]


def test_sentences_before_the_first_mark_are_kept(tmp_path: Path) -> None:
    reading = read_columns(written(tmp_path, "a O\n-DOCSTART- O\nb O\n"))
    assert [[s.tokens for s in document] for document in reading.documents] == [[("a",)], [("b",)]]


def test_tweet_tokens_that_begin_with_a_hash_are_no_comments() -> None:
    reading = read_columns(DIALECTS / "tweets_bio.conll")
    tokens = [sentence.tokens for document in reading.documents for sentence in document]
    assert tokens == [
        ("#", "HarbourDay", "at", "Green", "Lake"),
        ("#quiet", "Anna", "met", "Bob"),
        (LOST_TOKEN, "# 1", "love", "Kiel"),
    ]


def test_hash_token_between_spaces_is_told_from_a_comment(tmp_path: Path) -> None:
    text = "# text = No O\nNo DT O\n# # I-MISC\n4 CD O\n"
    reading = read_columns(written(tmp_path, text))
    assert reading.documents[0][0].tokens == ("No", "#", "4")


def test_line_of_white_space_ends_a_sentence(tmp_path: Path) -> None:
    assert len(read_columns(written(tmp_path, "a\tO\n\t\nb\tO\n   \nc\tO")).documents) == 3


def test_universal_ner_layout_is_recognised() -> None:
    reading = read_columns(DIALECTS / "numbered.iob2")
    assert reading.documents_marked
    assert reading.documents == [
        [
            Sentence(("#1", "is", "Anna", "Reyes"), ("O", "O", "B-PER", "I-PER")),
            Sentence(("Vitamin", "O"), ("O", "O")),
        ],
        [Sentence(("Oslo",), ("B-LOC",))],
    ]
    assert reading == read_columns(DIALECTS / "numbered.iob2", token_column=1, tag_column=2)


def test_numbered_list_is_not_taken_for_universal_ner(tmp_path: Path) -> None:
    reading = read_columns(written(tmp_path, "1\tB-NP\tO\tx\tO\n"))
    assert reading.documents[0][0].tokens == ("1",)


def test_named_columns_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "O x Bob y\nB-LOC x Oslo y\n")
    reading = read_columns(path, token_column=-2, tag_column=0)
    assert reading.documents[0][0] == Sentence(("Bob", "Oslo"), ("O", "B-LOC"))


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\x0b", "\x1c"])
def test_exotic_line_separators_stay_in_their_token(tmp_path: Path, character: str) -> None:
    token = f"a{character}b"
    assert read_columns(written(tmp_path, f"{token}\tO\n")).documents[0][0].tokens == (token,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a O\nb\n", "corpus.txt, line 2: expected 2 columns as in line 1, got 1"),
        ("a\n", "corpus.txt, line 1: expected a token and a tag, got one column: 'a'"),
        ("a x O\nb O\n", "corpus.txt, line 2: expected 3 columns as in line 1, got 2"),
        (
            "-DOCSTART- O\n\na O\r\nb X-PER\n",
            "corpus.txt, line 4: expected O or a tag such as B-PER with prefix B, I, E or S, "
            "got 'X-PER'",
        ),
        (
            "a\t\n",
            "corpus.txt, line 1: expected O or a tag such as B-PER with prefix B, I, E or S, "
            "got ''",
        ),
        (b"a O\nb\xe9 O\n", "corpus.txt, line 2: expected UTF-8, got byte 0xe9"),
        (b"\xef\xbb\xbfa O\n\xff O\n", "corpus.txt, line 2: expected UTF-8, got byte 0xff"),
        ("", "corpus.txt: expected at least one sentence, got none"),
        ("-DOCSTART- O\n\n", "corpus.txt: expected at least one sentence, got none"),
        ("# only\n# comments\n", "corpus.txt: expected at least one sentence, got none"),
    ],
)
def test_broken_line_is_named(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert error_of(tmp_path, text) == message


def test_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    message = error_of(tmp_path, "a O\n", token_column=0, tag_column=2)
    assert message == "corpus.txt, line 1: expected the tag in column 2, got 2 columns"


def test_missing_file_is_a_corpus_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nothing\.txt: cannot be read: No such file"):
        read_columns(tmp_path / "nothing.txt")


words = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=5)


@st.composite
def sentences(draw: st.DrawFn) -> list[str]:
    return draw(st.lists(words.filter(lambda word: word[0] not in "#-"), min_size=1, max_size=6))


@given(
    documents=st.lists(st.lists(sentences(), min_size=1, max_size=3), min_size=1, max_size=3),
    separator=st.sampled_from(["\t", " ", "  "]),
    newline=st.sampled_from(["\n", "\r\n"]),
    scheme=st.sampled_from(["IOB1", "BIO", "IOBES"]),
    mark=st.sampled_from(["-DOCSTART- X X O", "# newdoc", "# newdoc id = 7"]),
    with_bom=st.booleans(),
)
def test_every_dialect_reads_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    documents: list[list[list[str]]],
    separator: str,
    newline: str,
    scheme: str,
    mark: str,
    with_bom: bool,
) -> None:
    expected = [
        [
            Sentence(tuple(tokens), tuple(tags_from_spans([Span(0, 1, "X")], len(tokens), scheme)))
            for tokens in document
        ]
        for document in documents
    ]
    lines: list[str] = []
    for document in expected:
        lines += [mark, ""]
        for sentence in document:
            lines += [separator.join((token, "x", "y", tag)) for token, tag in pairs(sentence)]
            lines.append("")
    text = ("\ufeff" if with_bom else "") + newline.join(lines)
    path = written(tmp_path_factory.mktemp("columns"), text)
    reading = read_columns(path)
    assert reading.documents_marked
    assert reading.documents == expected


def pairs(sentence: Sentence) -> list[tuple[str, str]]:
    return list(zip(sentence.tokens, sentence.tags, strict=True))
