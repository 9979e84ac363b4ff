from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.errors import CorpusError
from ner_service.memory import Example, Taught, make_example
from ner_service.memory.conll import examples_of, read_conll, write_conll
from ner_service.text import tokenize
from tests.strategies import texts
from training.columns import read_columns

COLUMNS = """-DOCSTART- -X- O O

# a comment
Bob NNP I-PER
Smith NNP I-PER
left VBD O

New\tB-LOC
York\tI-LOC
"""


@given(texts.filter(str.strip), st.data())
def test_text_and_entities_survive_the_way_out_and_in(text: str, data: st.DataObject) -> None:
    tokens = tokenize(text)
    count = len(tokens)
    taught = []
    if count:
        first = data.draw(st.integers(0, count - 1))
        last = data.draw(st.integers(first, count - 1))
        taught = [Taught(tokens.starts[first], tokens.ends[last], "PER")]
        example = make_example(text, taught)
        (read,) = examples_of(write_conll([example]), "here")
        assert (read.text, read.entities) == (example.text, example.entities)


def test_given_tokens_survive_the_way_out_and_in() -> None:
    example = make_example("10:30pm in Rome", [Taught(11, 15, "LOC")], ["10:30pm", "in", "Rome"])
    (read,) = examples_of(write_conll([example]), "here")
    assert (read.text, read.entities, read.words) == (
        example.text, example.entities, example.words,
    )  # fmt: skip


def test_columns_from_elsewhere_are_read(tmp_path: Path) -> None:
    file = tmp_path / "some.conll"
    file.write_bytes(b"\xef\xbb\xbf" + COLUMNS.replace("\n", "\r\n").encode())
    first, second = read_conll(file)
    assert (first.text, first.entities) == ("Bob Smith left", (Taught(0, 9, "PER"),))
    assert (second.words, second.entities) == (("New", "York"), (Taught(0, 8, "LOC"),))


def test_training_reads_what_is_exported(tmp_path: Path) -> None:
    file = tmp_path / "out.conll"
    examples: list[Example] = [
        make_example("Bob left.", [Taught(0, 3, "PER")]),
        make_example("O nein !", [], ["O", "nein", "!"]),
    ]
    file.write_text(write_conll(examples), encoding="utf-8")
    documents = list(read_columns(file).documents)
    sentences = [sentence for document in documents for sentence in document]
    assert [list(s.tokens) for s in sentences] == [["Bob", "left", "."], ["O", "nein", "!"]]
    assert list(sentences[0].tags) == ["B-PER", "O", "O"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Bob\n", "line 1: expected O or a tag"),
        ("O\n", "line 1: expected a token and a tag"),
        ("Bob X-PER\n", "line 1: expected O or a tag"),
        ("a S-PER\nb I-PER\n\nc I-LOC\n", "expected one tag scheme"),
        ('# text = "Bob left"\nBob\tO\n', "sentence 1: expected 2 tokens"),
        ("# text = 1\nBob\tO\n", "line 1: expected the text as a JSON string"),
        ("Bob B-a/b\n", "sentence 1: entities.0.label"),
    ],
)
def test_broken_columns_are_named(text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        examples_of(text, "here")


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read"):
        read_conll(tmp_path / "none")
    (tmp_path / "latin").write_bytes(b"B\xf6b O\n")
    with pytest.raises(CorpusError, match="expected UTF-8"):
        read_conll(tmp_path / "latin")


def test_comment_that_is_not_ours_is_a_comment() -> None:
    (example,) = examples_of("# text = Bob left\nBob\tB-PER\n", "here")
    assert example.text == "Bob"
