"""Load and save one model directory; every file is checked against the manifest's SHA-256.

Weights are safetensors, mapped into memory rather than read: worker processes share the pages.
Nothing is ever unpickled.
"""

import hashlib
import json
import math
import os
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors.numpy import save_file

from ner_service.artifact.config import SCHEMA_VERSION, ArtifactConfig, VectorTableConfig
from ner_service.artifact.vocabulary import VectorTable, Vocabulary
from ner_service.errors import ArtifactError, ConfigError

CONFIG = "config.json"
VOCABULARY = "vocabulary.json"
WEIGHTS = "weights.safetensors"
WORD_ENCODER = "word_encoder.onnx"
SENTENCE_ENCODER = "sentence_encoder.onnx"
SENTENCE_ENCODER_INT8 = "sentence_encoder.int8.onnx"
MANIFEST = "manifest.json"
REQUIRED = (CONFIG, VOCABULARY, WEIGHTS, WORD_ENCODER, SENTENCE_ENCODER)

_VECTORS = "vectors."
_SAFETENSORS_TYPES = {
    "F32": "<f4", "F16": "<f2", "I8": "i1", "U8": "u1", "U16": "<u2",
    "U32": "<u4", "I32": "<i4", "U64": "<u8", "I64": "<i8",
}  # fmt: skip

# What reading a file of the wrong content ends in; deeply nested JSON ends in a RecursionError.
_DAMAGES = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)

_CONFIGS = TypeAdapter(ArtifactConfig)  # made once: it takes as long as reading the other files
_WORD_LISTS = TypeAdapter(dict[str, tuple[str, ...]])

Weights = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model directory in memory.

    Attributes:
        path: where it lies.
        version: first 12 hex digits of the manifest's SHA-256.
        weights: the network's arrays by parameter name, read-only.
        vector_tables: pretrained vectors, in the config's order.
    """

    path: Path
    version: str
    config: ArtifactConfig
    vocabulary: Vocabulary
    weights: Weights
    vector_tables: tuple[VectorTable, ...]


def save_artifact(
    path: Path,
    *,
    config: ArtifactConfig,
    vocabulary: Vocabulary,
    weights: Weights,
    vector_tables: Mapping[str, VectorTable],
    graphs: Mapping[str, bytes],
) -> None:
    """Write the files a tagger needs and their manifest.

    `graphs` holds the two ONNX files by name. Metrics, plots and the card are added by
    whoever makes them, followed by `write_manifest`.
    """
    path.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    for name, table in vector_tables.items():
        for column in fields(table):
            arrays[f"{_VECTORS}{name}.{column.name}"] = getattr(table, column.name)
    save_file(arrays, path / WEIGHTS)
    (path / WEIGHTS).chmod(0o644)  # the library writes for the owner alone
    (path / CONFIG).write_bytes(_CONFIGS.dump_json(config, indent=2) + b"\n")
    lists = {name: getattr(vocabulary, name) for name in ("words", "characters", "shapes")}
    (path / VOCABULARY).write_text(
        json.dumps(lists, ensure_ascii=True, indent=0) + "\n", encoding="utf-8"
    )
    for name, graph in graphs.items():
        (path / name).write_bytes(graph)
    write_manifest(path)


def write_manifest(path: Path) -> None:
    """Write the SHA-256 of every file in the directory, in one rename."""
    names = sorted(item.name for item in path.iterdir() if item.is_file())
    digests = {
        name: _sha256(path / name)
        for name in names
        if name != MANIFEST and not name.startswith(".")
    }
    with tempfile.NamedTemporaryFile(
        "w", dir=path, prefix=".manifest-", delete=False, encoding="utf-8"
    ) as file:
        file.write(json.dumps({"files": digests}, indent=2) + "\n")
    Path(file.name).chmod(0o644)
    os.replace(file.name, path / MANIFEST)


def load_artifact(path: Path) -> Artifact:
    """Read and check a model directory.

    Raises:
        ArtifactError: a file is missing, altered, damaged, not finite or of a newer schema.
    """
    version = _check_manifest(path)
    config = _load_config(path / CONFIG)
    vocabulary = _load_vocabulary(path / VOCABULARY)
    arrays = _map_safetensors(path / WEIGHTS)
    weights = {name: array for name, array in arrays.items() if not name.startswith(_VECTORS)}
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise ArtifactError(f"{path / WEIGHTS}: expected finite numbers in {name}")
    tables = tuple(_vector_table(path / WEIGHTS, arrays, t) for t in config.vector_tables)
    return Artifact(path, version, config, vocabulary, weights, tables)


def read_config(path: Path) -> tuple[str, ArtifactConfig]:
    """Version and configuration of a model directory; whoever loads it checks the other files.

    Raises:
        ArtifactError: the manifest or the configuration is missing or damaged.
    """
    version, expected = _read_manifest(path)
    _check_file(path, CONFIG, expected[CONFIG])
    return version, _load_config(path / CONFIG)


def _check_manifest(path: Path) -> str:
    version, expected = _read_manifest(path)
    for name, digest in expected.items():
        _check_file(path, name, digest)
    return version


def _read_manifest(path: Path) -> tuple[str, dict[str, str]]:
    """The version, and the SHA-256 of each file."""
    if not path.is_dir():
        raise ArtifactError(f"{path}: expected a model directory")
    manifest = path / MANIFEST
    try:
        raw = manifest.read_bytes()
        digests = json.loads(raw)["files"]
        expected = {str(name): str(digest) for name, digest in digests.items()}
    except FileNotFoundError:
        raise ArtifactError(f"{manifest}: expected this file, found none") from None
    except _DAMAGES as error:
        raise ArtifactError(f"{manifest}: expected an object 'files' ({error})") from None
    for name in REQUIRED:
        if name not in expected:
            raise ArtifactError(f"{manifest}: expected an entry for {name}")
    return hashlib.sha256(raw).hexdigest()[:12], expected


def _check_file(path: Path, name: str, digest: str) -> None:
    file = path / name
    if not file.is_file():
        raise ArtifactError(f"{file}: expected this file, found none")
    if _sha256(file) != digest:
        raise ArtifactError(f"{file}: altered or damaged, its SHA-256 is not the manifest's")


def _load_config(file: Path) -> ArtifactConfig:
    try:
        raw = json.loads(file.read_bytes())
        schema = raw.get("schema_version") if isinstance(raw, dict) else None
        if isinstance(schema, int) and schema > SCHEMA_VERSION:
            raise ArtifactError(
                f"{file}: schema version {schema} is newer than this program's {SCHEMA_VERSION}"
            )
        config = _CONFIGS.validate_python(raw)
    except (*_DAMAGES, ConfigError) as error:
        raise ArtifactError(f"{file}: {' '.join(str(error).split())}") from None
    return config


def _load_vocabulary(file: Path) -> Vocabulary:
    try:
        lists = _WORD_LISTS.validate_json(file.read_bytes())
        return Vocabulary(lists["words"], lists["characters"], lists["shapes"])
    except (ValueError, KeyError) as error:
        raise ArtifactError(f"{file}: {' '.join(str(error).split())}") from None


def _vector_table(file: Path, arrays: Weights, config: VectorTableConfig) -> VectorTable:
    try:
        columns = [arrays[f"{_VECTORS}{config.name}.{c.name}"] for c in fields(VectorTable)]
    except KeyError as missing:
        raise ArtifactError(f"{file}: expected an array {missing}") from None
    keys, rows, values, scales = columns
    if (
        not keys.shape == rows.shape == (config.words,)
        or values.shape != (len(scales), config.width)
        or rows.max() >= len(values)
        or not np.isfinite(scales).all()
    ):
        raise ArtifactError(
            f"{file}: expected vectors {config.name} of {config.words} words and width "
            f"{config.width}, all finite"
        )
    return VectorTable(keys, rows, values, scales)


def _map_safetensors(file: Path) -> dict[str, NDArray[Any]]:
    """Map every array of a safetensors file (8 bytes of header length, JSON header, data)."""
    try:
        with file.open("rb") as stream:
            (header_length,) = struct.unpack("<Q", stream.read(8))
            size = os.fstat(stream.fileno()).st_size
            if header_length > size - 8:
                raise ValueError("header longer than the file")
            header = json.loads(stream.read(header_length))
        data = np.memmap(file, dtype=np.uint8, mode="r", offset=8 + header_length)
        arrays = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            dtype = np.dtype(_SAFETENSORS_TYPES[entry["dtype"]])
            shape = tuple(entry["shape"])
            if (
                not 0 <= begin <= end <= len(data)
                or math.prod(shape) * dtype.itemsize != end - begin
            ):
                raise ValueError(f"array {name} does not fit the file")
            arrays[name] = data[begin:end].view(dtype).reshape(shape).view(np.ndarray)
        return arrays
    except (*_DAMAGES, struct.error) as error:
        raise ArtifactError(f"{file}: not a safetensors file ({error})") from None


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
