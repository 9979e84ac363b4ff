"""CSV and Parquet to records: of each row only the fields that the job names, as JSON."""

import csv
import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from ner_service.batch.options import Options
from ner_service.batch.records import Record
from ner_service.batch.remote import need
from ner_service.batch.sources import Source
from ner_service.batch.streams import DamageError, open_raw
from ner_service.errors import NerError

_ROWS_AT_ONCE = 256
_BOM = b"\xef\xbb\xbf"
_PIECE = 2**20
# Decoding never makes this one, so it can stand for a line that was passed over.
_TOO_LONG = "\ud800"
_UNDECODED = re.compile("[\udc80-\udcff]")


def read_csv(source: Source, file: BinaryIO, options: Options) -> Iterator[Record]:
    """A record a row; the first row names the columns.

    Raises:
        NerError: there is no column of the text.
    """
    limit = options.max_line_bytes
    csv.field_size_limit(limit)
    lines = _Lines(file, limit)
    rows = csv.reader(lines, delimiter=options.delimiter or _delimiter(source))
    columns: list[str] | None = None
    while True:
        first = lines.number + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(source.name, first, "json", b"", f"broken CSV: {error}")
            continue
        if columns is None:
            columns = row
            _check_columns(source, columns, options)
        elif row:
            yield _row_record(source, first, row, columns, options)


class _Lines:
    """A CSV file's lines as text; one too long becomes a mark that keeps the state of quotes."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._limit = limit
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(self._limit + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if self.number == 1:
            line = line.removeprefix(_BOM)
        if len(line) <= self._limit or line.endswith(b"\n"):
            return line.decode("utf-8", "surrogateescape")
        quotes = line.count(b'"')
        while line and not line.endswith(b"\n"):
            line = self._file.readline(_PIECE)
            quotes += line.count(b'"')
        return _TOO_LONG + '"' * (quotes % 2) + "\n"


def _row_record(
    source: Source, line: int, row: list[str], columns: list[str], options: Options
) -> Record:
    fault = ""
    if any(_TOO_LONG in value for value in row):
        fault = f"line too long: more than {options.max_line_bytes} bytes"
    elif any(_UNDECODED.search(value) for value in row if not value.isascii()):
        fault = "not UTF-8"
    elif len(row) != len(columns):
        fault = f"broken CSV: expected {len(columns)} columns, got {len(row)}"
    if fault:
        return Record(source.name, line, "json", b"", fault)
    fields = dict(zip(columns, row, strict=True))
    wanted = {name: fields[name] for name in _wanted(options) if name in fields}
    return Record(source.name, line, "json", json.dumps(wanted).encode())


def read_parquet(source: Source, file: BinaryIO, options: Options) -> Iterator[Record]:
    """A record a row; lines are the rows' numbers.

    Raises:
        NerError: there is no column of the text.
    """
    del file  # Parquet is read from its end
    pa = need("pyarrow", source.name)
    parquet = need("pyarrow.parquet", source.name)
    with open_raw(source) as raw:
        number = 0
        try:
            table = parquet.ParquetFile(raw)
            columns = table.schema_arrow.names
            _check_columns(source, columns, options)
            wanted = [name for name in _wanted(options) if name in columns]
            for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE, columns=wanted):
                for fields in _rows(batch, pa):
                    number += 1
                    yield _parquet_record(source, number, fields, options)
        except pa.ArrowException as error:
            message = " ".join(str(error).split())
            raise DamageError(f"damaged Parquet data: {message}") from None


def _rows(batch: Any, pa: Any) -> Iterator[dict[str, Any]]:
    """Rows of a batch; strings stay bytes, since Arrow does not promise that they are UTF-8."""
    columns = []
    for column in batch.columns:
        if pa.types.is_string(column.type):
            column = column.cast(pa.binary())
        elif pa.types.is_large_string(column.type):
            column = column.cast(pa.large_binary())
        columns.append(column.to_pylist())
    for values in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, values, strict=True))


def _parquet_record(source: Source, row: int, fields: dict[str, Any], options: Options) -> Record:
    try:
        decoded = {name: _json_value(value) for name, value in fields.items()}
    except UnicodeDecodeError:
        return Record(source.name, row, "json", b"", "not UTF-8")
    data = json.dumps(decoded, default=str).encode()
    if len(data) > options.max_line_bytes:
        reason = f"row too long: more than {options.max_line_bytes} bytes"
        return Record(source.name, row, "json", b"", reason)
    return Record(source.name, row, "json", data)


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    # JSON has no word for what is not a number.
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _wanted(options: Options) -> list[str]:
    return list(dict.fromkeys((options.id_field, options.text_field, "tokens", *options.keep)))


def _delimiter(source: Source) -> str:
    name = source.name.removesuffix(".gz").removesuffix(".zst").lower()
    return "\t" if name.endswith(".tsv") else ","


def _check_columns(source: Source, columns: Sequence[str], options: Options) -> None:
    asked = [options.text_field, *options.keep]
    if "tokens" in columns:
        asked.remove(options.text_field)
    for name in asked:
        if name not in columns:
            found = ", ".join(columns[:20])
            raise NerError(f"{source.name}: expected a column {name!r}, found {found}")
