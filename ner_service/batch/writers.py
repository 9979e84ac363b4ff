"""Tagged documents to the bytes of a shard, and what stands around the shards in the output."""

import csv
import gzip
import io
from collections.abc import Callable, Sequence

from ner_service.batch.brat import write_brat
from ner_service.batch.columns import write_arrow
from ner_service.batch.conll import conll_head, write_conll
from ner_service.batch.options import Compression, Options
from ner_service.batch.page import page_head, page_tail, write_page
from ner_service.batch.remote import need
from ner_service.batch.tagged import TaggedDocument, as_text, encode_json
from ner_service.tagger import ModelInfo


def write_shard(documents: Sequence[TaggedDocument], model: ModelInfo, options: Options) -> bytes:
    """The documents of a shard in the job's output format."""
    data = _WRITERS[options.output_format](documents, model, options)
    return compress(data, options.compression) if data else b""


def write_head(model: ModelInfo, options: Options) -> bytes:
    """What stands before the first shard."""
    match options.output_format:
        case "csv":
            data = _csv_lines([_csv_columns(options)])
        case "conll":
            data = conll_head(model)
        case "html":
            data = page_head(model)
        case _:
            return b""
    return compress(data, options.compression)


def write_tail(options: Options) -> bytes:
    """What stands behind the last shard."""
    return compress(page_tail(), options.compression) if options.output_format == "html" else b""


def compress(data: bytes, compression: Compression) -> bytes:
    """One member or frame; members and frames one behind the other are a valid file."""
    match compression:
        case "gz":
            return gzip.compress(data, compresslevel=6, mtime=0)
        case "zst":
            zstandard = need("zstandard", "output .zst")
            compressed: bytes = zstandard.ZstdCompressor().compress(data)
            return compressed
        case _:
            return data


def write_jsonl(documents: Sequence[TaggedDocument], model: ModelInfo, options: Options) -> bytes:
    """A line a document: id, fields passed through, model, entities."""
    del options
    name = f'"model": {encode_json({"name": model.name, "version": model.version})}, "entities": ['
    lines = []
    for document in documents:
        # Written by hand: a dictionary an entity would cost more than finding it.
        entities = ", ".join(
            f'{{"text": {encode_json(entity.text)}, "label": {encode_json(entity.label)}, '
            f'"start": {start}, "end": {end}, "score": {entity.score!r}}}'
            for entity, start, end in zip(
                document.entities, document.starts, document.ends, strict=True
            )
        )
        kept = "".join(
            f"{encode_json(key)}: {encode_json(value)}, "
            for key, value in document.source.kept.items()
        )
        lines.append(f'{{"id": {encode_json(document.source.id)}, {kept}{name}{entities}]}}\n')
    return "".join(lines).encode("utf-8")


def write_csv(documents: Sequence[TaggedDocument], model: ModelInfo, options: Options) -> bytes:
    """A row an entity."""
    del options
    rows: list[list[str | int | float]] = []
    for document in documents:
        kept = [as_text(value) for value in document.source.kept.values()]
        rows += [
            [
                document.source.id,
                *kept,
                entity.text,
                entity.label,
                start,
                end,
                entity.score,
                model.name,
                model.version,
            ]
            for entity, start, end in zip(
                document.entities, document.starts, document.ends, strict=True
            )
        ]
    return _csv_lines(rows)


def _csv_columns(options: Options) -> list[str]:
    return ["id", *options.keep, "text", "label", "start", "end", "score", "model", "model_version"]


def _csv_lines(rows: Sequence[Sequence[str | int | float]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode("utf-8")


_WRITERS: dict[str, Callable[[Sequence[TaggedDocument], ModelInfo, Options], bytes]] = {
    "jsonl": write_jsonl,
    "csv": write_csv,
    "parquet": write_arrow,
    "conll": write_conll,
    "brat": write_brat,
    "html": write_page,
}
