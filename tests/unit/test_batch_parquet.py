"""Parquet inputs: columns, rows, what Arrow would not promise."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ner_service.errors import NerError
from tests.jobs import read_all


def test_rows_are_records_with_the_columns_named(tmp_path: Path):
    path = tmp_path / "a.parquet"
    columns = {
        "id": [1, 2],
        "text": ["Bob", None],
        "when": [1.5, float("nan")],
        "other": ["x", "y"],
    }
    pq.write_table(pa.table(columns), path)
    records = read_all(path, keep=("when",))
    assert [record.line for record in records] == [1, 2]
    assert records[0].data == b'{"id": 1, "text": "Bob", "when": 1.5}'
    assert records[1].data == b'{"id": 2, "text": null, "when": null}'


def test_a_string_that_is_not_utf_8_is_a_fault_of_its_row_alone(tmp_path: Path):
    path = tmp_path / "a.parquet"
    bad = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\3\0\0\0\4\0\0\0"), pa.py_buffer(b"Bob\xff")]
    )
    pq.write_table(pa.table({"text": bad}), path)
    assert [record.fault for record in read_all(path)] == ["", "not UTF-8"]


def test_a_row_over_the_limit_is_a_fault(tmp_path: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["Bob", "x" * 100]}), path)
    faults = [record.fault for record in read_all(path, max_line_bytes=50)]
    assert faults == ["", "row too long: more than 50 bytes"]


def test_a_file_that_is_no_parquet_is_a_fault(tmp_path: Path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 nothing of the kind PAR1")
    (record,) = read_all(path)
    assert record.fault.startswith("damaged Parquet data: ")


def test_a_column_that_is_not_there_stops_the_job(tmp_path: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"body": ["Bob"]}), path)
    with pytest.raises(NerError, match="expected a column 'text', found body"):
        read_all(path)


def test_a_column_of_tokens_stands_in_for_the_text(tmp_path: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"tokens": [["Bob", "left"]]}), path)
    (record,) = read_all(path)
    assert record.data == b'{"tokens": ["Bob", "left"]}'
