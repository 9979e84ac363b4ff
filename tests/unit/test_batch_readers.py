"""Inputs to records: where records begin and end, what is passed over, what is told of it."""

import gzip
import io
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ner_service.batch.readers import read_lines
from ner_service.errors import NerError
from tests.jobs import read_all


def write(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b" "))), st.booleans())
def test_lines_are_those_of_the_file(lines: list[bytes], ends: bool):
    data = b"\n".join(lines) + (b"\n" if ends and lines else b"")
    data = data.removeprefix(b"\xef\xbb\xbf")
    found = list(read_lines(io.BytesIO(data), 100))
    assert b"".join(line for _, line in found if line is not None) == data
    assert [number for number, _ in found] == list(range(1, len(found) + 1))


def test_a_line_over_the_limit_is_passed_over_and_the_next_one_read():
    file = io.BytesIO(b"a" * 11 + b"\nshort\n" + b"b" * 10 + b"\n" + b"c" * 11)
    assert list(read_lines(file, 10)) == [
        (1, None),
        (2, b"short\n"),
        (3, b"b" * 10 + b"\n"),
        (4, None),
    ]


def test_a_line_of_100_mb_is_never_held(tmp_path: Path):
    path = tmp_path / "long.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b'{"text": "before"}\n{"text": "')
        for _ in range(100):
            file.write(b"x" * 2**20)
        file.write(b'"}\n{"text": "behind"}\n')
    tracemalloc.start()
    try:
        records = read_all(path, max_line_bytes=2**20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [record.fault for record in records] == [
        "",
        "line too long: more than 1048576 bytes",
        "",
    ]
    assert [record.line for record in records] == [1, 2, 3]
    assert peak < 8 * 2**20


def test_a_text_file_is_one_document_whatever_it_holds(tmp_path: Path):
    data = "\ufeffBob\r\nleft.\n\n\nAnn stayed.".encode()
    (record,) = read_all(write(tmp_path, "a.txt", data))
    assert (record.data, record.line, record.kind) == (data, 1, "text")


def test_a_text_file_over_the_limit_is_passed_over(tmp_path: Path):
    (record,) = read_all(write(tmp_path, "a.txt", "x" * 50), max_document=10)
    assert record.fault == "document too long: more than 40 bytes"
    assert record.data == b""


def test_lines_of_text_are_documents_and_blank_ones_are_none(tmp_path: Path):
    records = read_all(write(tmp_path, "a.txt", "Bob\r\n \n\nAnn"), unit="line")
    assert [(record.line, record.data) for record in records] == [(1, b"Bob"), (4, b"Ann")]


def test_paragraphs_of_text_are_documents(tmp_path: Path):
    text = "\n\nBob\nleft.\n \n\nAnn stayed.\nYes.\n"
    records = read_all(write(tmp_path, "a.txt", text), unit="paragraph")
    found = [(record.line, record.data) for record in records]
    assert found == [(3, b"Bob\nleft."), (7, b"Ann stayed.\nYes.")]


def test_a_paragraph_over_the_limit_is_passed_over_to_its_end(tmp_path: Path):
    text = "a\n" * 10 + "\nb\n"
    records = read_all(write(tmp_path, "a.txt", text), unit="paragraph", max_line_bytes=10)
    assert [record.fault for record in records] == ["paragraph too long: more than 10 bytes", ""]
    assert records[1].line == 12


@pytest.mark.parametrize("compression", ["gz", "zst"])
def test_compressed_files_read_like_others(tmp_path: Path, compression: str):
    compress = gzip.compress if compression == "gz" else zstandard.ZstdCompressor().compress
    two_members = compress(b'{"text": "Bob"}\n{"te') + compress(b'xt": "Ann"}\n')
    records = read_all(write(tmp_path, f"a.jsonl.{compression}", two_members))
    assert [record.data for record in records] == [b'{"text": "Bob"}', b'{"text": "Ann"}']


@pytest.mark.parametrize("compression", ["gz", "zst"])
def test_a_compressed_file_cut_short_gives_what_it_has_and_a_fault(
    tmp_path: Path, compression: str
):
    lines = b"".join(b'{"text": "%d"}\n' % number for number in range(50_000))
    whole = (
        gzip.compress(lines) if compression == "gz" else zstandard.ZstdCompressor().compress(lines)
    )
    records = read_all(write(tmp_path, f"a.jsonl.{compression}", whole[: len(whole) // 2]))
    assert len(records) > 1000
    assert all(not record.fault for record in records[:-1])
    assert records[-1].fault.startswith(f"damaged {compression} data: ")
    assert records[-1].line == len(records)


@pytest.mark.parametrize("compression", ["gz", "zst"])
def test_a_file_that_is_not_compressed_as_its_name_says_is_a_fault(
    tmp_path: Path, compression: str
):
    (record,) = read_all(write(tmp_path, f"a.jsonl.{compression}", b'{"text": "Bob"}\n'))
    assert record.fault.startswith(f"damaged {compression} data: ")


CSV = 'id,text,title\n7,"Bob, who\n""left""",A\n8,Ann,B\n'


def test_csv_rows_keep_the_fields_named_and_the_line_they_begin_at(tmp_path: Path):
    records = read_all(write(tmp_path, "a.csv", "\ufeff" + CSV), keep=("title",))
    assert [record.line for record in records] == [2, 4]
    assert records[0].data == b'{"id": "7", "text": "Bob, who\\n\\"left\\"", "title": "A"}'


def test_tab_separated_values_are_told_by_the_name(tmp_path: Path):
    (record,) = read_all(write(tmp_path, "a.tsv", "id\ttext\n7\tBob, who\n"))
    assert record.data == b'{"id": "7", "text": "Bob, who"}'


def test_a_delimiter_can_be_given(tmp_path: Path):
    (record,) = read_all(write(tmp_path, "a.csv", "id;text\n7;Bob, who\n"), delimiter=";")
    assert record.data == b'{"id": "7", "text": "Bob, who"}'


def test_broken_csv_rows_are_faults_and_the_next_ones_are_read(tmp_path: Path):
    rows = [
        b"id,text",
        b"1,Bob",
        b"2,Ann,left",
        b"3",
        b"4,\xff",
        b"5," + b"x" * 200,
        b'6,"' + b"y" * 100 + b"\n" + b"y" * 300 + b'"',
        b'7,"two\nlines"',
        b"NA,null",
    ]
    records = read_all(write(tmp_path, "a.csv", b"\n".join(rows)), max_line_bytes=150)
    assert [record.fault for record in records] == [
        "",
        "broken CSV: expected 2 columns, got 3",
        "broken CSV: expected 2 columns, got 1",
        "not UTF-8",
        "line too long: more than 150 bytes",
        "line too long: more than 150 bytes",
        "",
        "",
    ]
    assert records[-1].data == b'{"id": "NA", "text": "null"}'


def test_an_unclosed_quote_ends_at_the_limit(tmp_path: Path):
    text = 'id,text\n1,"Bob\n' + "2,Ann\n" * 60 + "3,Eve\n" * 20
    records = read_all(write(tmp_path, "a.csv", text), max_line_bytes=300)
    assert records[0].fault.startswith("broken CSV: field larger")
    assert records[-1].data == b'{"id": "3", "text": "Eve"}'


def test_a_column_that_is_not_there_stops_the_job(tmp_path: Path):
    path = write(tmp_path, "a.csv", CSV)
    with pytest.raises(NerError, match=r"a\.csv: expected a column 'body', found id, text, title"):
        read_all(path, text_field="body")


CONLL = """-DOCSTART- -X- O O

Bob NNP I-NP I-PER
left VBD I-VP O

Ann NNP I-NP I-PER

-DOCSTART- -X- O O

# NN I-NP O
"""


def test_marked_column_files_have_a_record_a_document(tmp_path: Path):
    records = read_all(write(tmp_path, "a.conll", CONLL))
    assert [record.line for record in records] == [1, 8]
    assert records[0].data.count(b"\n\n") == 2


def test_column_files_without_marks_have_a_record_a_sentence(tmp_path: Path):
    text = "# a comment\n\nBob\tB-PER\nleft\tO\n\n\nAnn\tB-PER\n"
    records = read_all(write(tmp_path, "a.conll", text))
    assert [(record.line, record.data) for record in records] == [
        (3, b"Bob\tB-PER\nleft\tO"),
        (7, b"Ann\tB-PER"),
    ]


def test_an_empty_file_has_no_record_unless_it_is_a_document(tmp_path: Path):
    assert read_all(write(tmp_path, "a.jsonl", b"")) == []
    assert read_all(write(tmp_path, "a.conll", b"")) == []
    assert read_all(write(tmp_path, "a.csv", b"")) == []
    assert len(read_all(write(tmp_path, "a.txt", b""))) == 1
