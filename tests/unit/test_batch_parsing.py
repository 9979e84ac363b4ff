"""Records to documents: what is asked of a record, and the reason when it is refused."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.batch.options import Options
from ner_service.batch.parsing import parse_record
from ner_service.batch.records import InputDocument, Record, RecordError


def parse(data: bytes | str, kind: str = "json", **options: object) -> InputDocument:
    data = data.encode() if isinstance(data, str) else data
    return parse_record(Record("a.jsonl", 5, kind, data), Options(**options))


def reason(data: bytes | str, kind: str = "json", **options: object) -> str:
    with pytest.raises(RecordError) as caught:
        parse(data, kind, **options)
    return str(caught.value)


def test_fields_are_found_by_the_names_given():
    line = '{"key": 7, "body": "Bob", "title": ["x", null], "more": 1}'
    document = parse(line, text_field="body", id_field="key", keep=("title", "date"))
    assert document == InputDocument(7, "Bob", kept={"title": ["x", None], "date": None})


def test_a_record_without_an_id_is_named_after_its_place():
    assert parse('{"text": "Bob"}').id == "a.jsonl:5"


def test_a_text_file_is_named_after_itself_and_a_line_after_its_place():
    assert parse("Bob", kind="text").id == "a.jsonl"
    assert parse("Bob", kind="text", unit="line").id == "a.jsonl:5"


def test_tokens_stand_in_for_a_text():
    document = parse('{"id": "a", "tokens": ["Bob", "left"]}')
    assert (document.words, document.starts) == (["Bob", "left"], [0])
    assert parse('{"tokens": []}').starts == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"text": "Bob\xff"}', "not UTF-8: byte 0xff at position 13"),
        ('{"text": "Bob"', "broken JSON: Expecting ',' delimiter: line 1 column 15 (char 14)"),
        ("", "broken JSON: Expecting value: line 1 column 1 (char 0)"),
        ('["text"]', "expected a JSON object, got a list"),
        ('"text"', "expected a JSON object, got a string"),
        ("null", "expected a JSON object, got null"),
        ("{}", "no text field: expected 'text'"),
        ('{"text": null}', "no text field: expected 'text'"),
        ('{"text": 7}', "text: expected a string, got a number"),
        ('{"text": true}', "text: expected a string, got true or false"),
        ('{"text": {"a": "b"}}', "text: expected a string, got an object"),
        ('{"text": "a", "id": [1]}', "id: expected a string or a whole number, got a list"),
        ('{"text": "a", "id": 1.5}', "id: expected a string or a whole number, got a number"),
        ('{"text": "a", "id": true}', "id: expected a string or a whole number, got true or false"),
        ('{"tokens": ["a", ""]}', "tokens: expected a list of strings with text"),
        ('{"tokens": "a b"}', "tokens: expected a list of strings with text"),
        ('{"text": "a", "x": NaN}', "broken JSON: NaN is not JSON"),
        ('{"text": "a", "title": 1e999}', "broken JSON: a number out of range"),
        ("[" * 100_000, "broken JSON: nested too deeply"),
        ('{"text": "a" "b"}', "broken JSON: Expecting ',' delimiter: line 1 column 14 (char 13)"),
    ],
)
def test_the_reason_says_what_is_wrong(line: bytes | str, expected: str):
    assert reason(line, keep=("title",)) == expected


@pytest.mark.parametrize("field", ["text", "id", "title"])
def test_a_lone_surrogate_is_refused_wherever_it_stands(field: str):
    fields = {"text": "Bob", "id": "a", "title": "b", field: "x\ud800"}
    assert "lone surrogate U+D800" in reason(json.dumps(fields), keep=("title",))


def test_a_document_over_the_limit_is_refused():
    assert reason('{"text": "Bob left"}', max_document=7) == (
        "document too long: 8 code points, at most 7"
    )
    assert "too long" in reason('{"tokens": ["Bob", "left"]}', max_document=7)


@given(st.binary(max_size=60))
def test_no_bytes_do_anything_but_parse_or_give_a_reason(data: bytes):
    for kind in ("json", "text", "conll"):
        with suppress(RecordError):
            parse(data, kind)


MARKED = """-DOCSTART- -X- O O

Bob NNP I-PER
left VBD O

# NN O
"""

NUMBERED = """# newdoc id = weblog-7
# sent_id = weblog-7-1
# text = I saw Bob
1-2\tIsaw\t_\t-\t-
1\tI\tO\t-\tann
2\tsaw\tO\t-\tann
3\tBob\tB-PER\t-\tann"""


def test_columns_give_words_and_sentences():
    document = parse(MARKED, kind="conll")
    assert document == InputDocument("a.jsonl:5", "", ["Bob", "left", "#"], [0, 2])


def test_numbered_columns_give_the_words_behind_the_numbers():
    document = parse(NUMBERED, kind="conll")
    assert document == InputDocument("weblog-7", "", ["I", "saw", "Bob"], [0])


def test_a_first_token_1_is_no_number():
    text = "1\t0\t1\t_\tO\nBob\t2\t5\t0.9\tB-PER"
    assert parse(text, kind="conll").words == ["1", "Bob"]


def test_the_column_of_the_tokens_can_be_given():
    assert parse("x Bob\ny left", kind="conll", token_column=1).words == ["Bob", "left"]


def test_a_line_without_a_token_is_refused_with_its_number():
    assert reason("Bob\tB-PER\n\tO", kind="conll") == "expected a token in column 0 of line 6"
