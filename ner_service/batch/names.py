"""What a file's name says of its format and compression."""

from pathlib import PurePosixPath

from ner_service.batch.options import Compression, InputFormat, OutputFormat

_INPUT_FORMATS: dict[str, InputFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".conll": "conll",
    ".conllu": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".bio": "conll",
}
_OUTPUT_FORMATS: dict[str, OutputFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".conll": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".bio": "conll",
    ".html": "html",
    ".htm": "html",
    ".brat": "brat",
}


def input_format_of(name: str) -> tuple[InputFormat, Compression]:
    """Format and compression of an input; text if its name says nothing."""
    path, compression = _uncompressed(name)
    return _INPUT_FORMATS.get(path.suffix.lower(), "text"), compression


def output_format_of(output: str | None) -> tuple[OutputFormat, Compression]:
    """Format and compression that an output's name says; JSON lines if it says nothing."""
    path, compression = _uncompressed(output or "")
    return _OUTPUT_FORMATS.get(path.suffix.lower(), "jsonl"), compression


def _uncompressed(name: str) -> tuple[PurePosixPath, Compression]:
    path = PurePosixPath(name)
    match path.suffix.lower():
        case ".gz":
            return path.with_suffix(""), "gz"
        case ".zst":
            return path.with_suffix(""), "zst"
        case _:
            return path, ""
