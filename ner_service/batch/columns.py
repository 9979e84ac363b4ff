"""Parquet output: shards are Arrow streams, the output has a row a document."""

from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

from ner_service.batch.options import Options
from ner_service.batch.records import JsonValue
from ner_service.batch.remote import need
from ner_service.batch.tagged import TaggedDocument, as_text
from ner_service.tagger import ModelInfo

_ROWS_A_GROUP = 65_536


def write_arrow(documents: Sequence[TaggedDocument], model: ModelInfo, options: Options) -> bytes:
    """A shard as an Arrow stream: id, fields passed through, model and entities."""
    pa = need("pyarrow", "output Parquet")
    schema = _schema(pa, options)
    columns: dict[str, list[Any]] = {
        "id": [str(document.source.id) for document in documents],
        **{
            name: [_text_or_null(document.source.kept[name]) for document in documents]
            for name in options.keep
        },
        "model": [model.name] * len(documents),
        "model_version": [model.version] * len(documents),
        "entities": [
            [
                {
                    "text": entity.text,
                    "label": entity.label,
                    "start": start,
                    "end": end,
                    "score": entity.score,
                }
                for entity, start, end in zip(
                    document.entities, document.starts, document.ends, strict=True
                )
            ]
            for document in documents
        ],
    }
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.table(columns, schema=schema))
    data: bytes = sink.getvalue().to_pybytes()
    return data


def assemble_parquet(parts: Iterable[BinaryIO], target: BinaryIO, options: Options) -> None:
    """Join shards to one file; one row group is in memory at a time."""
    pa = need("pyarrow", "output Parquet")
    parquet = need("pyarrow.parquet", "output Parquet")
    schema = _schema(pa, options)
    pending: list[Any] = []
    rows = 0
    with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        for part in parts:
            data = part.read()
            table = pa.ipc.open_stream(data).read_all() if data else schema.empty_table()
            pending.append(table)
            rows += table.num_rows
            if rows >= _ROWS_A_GROUP:
                writer.write_table(pa.concat_tables(pending))
                pending, rows = [], 0
        if pending:
            writer.write_table(pa.concat_tables(pending))


def _schema(pa: Any, options: Options) -> Any:
    text, whole = pa.string(), pa.int64()
    entity = pa.struct(
        [("text", text), ("label", text), ("start", whole), ("end", whole), ("score", pa.float64())]
    )
    names = ("id", *options.keep, "model", "model_version")
    return pa.schema([*((name, text) for name in names), ("entities", pa.list_(entity))])


def _text_or_null(value: JsonValue) -> str | None:
    return None if value is None else as_text(value)
