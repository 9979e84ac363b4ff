"""Shards to the output: read one behind the other, written once, put in its place in one rename."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from ner_service.batch.brat import assemble_brat
from ner_service.batch.columns import assemble_parquet
from ner_service.batch.options import Options
from ner_service.batch.records import Reject, ShardHead
from ner_service.batch.storage import LocalStorage, Storage
from ner_service.batch.writers import write_head, write_tail
from ner_service.errors import ConfigError
from ner_service.tagger import ModelInfo

_CHUNK = 2**20


def read_head(file: BinaryIO) -> ShardHead:
    """The head of a shard's file, which then stands before its data."""
    return ShardHead.from_line(file.readline())


def reject_line(reject: Reject) -> bytes:
    """A line of the list of rejects."""
    return json.dumps(asdict(reject)).encode() + b"\n"


def assemble(
    storage: Storage,
    paths: Sequence[str],
    output: str,
    staging: str,
    model: ModelInfo,
    options: Options,
) -> None:
    """Make the output of the shards' files.

    Raises:
        ConfigError: a folder of BRAT files is asked of an object store.
    """
    if options.output_format == "brat":
        if not isinstance(storage, LocalStorage):
            raise ConfigError(f"{output}: BRAT output is a local folder")
        _assemble_folder(storage, paths, output, Path(staging), model)
        return
    with storage.create(output, staging) as target:
        if options.output_format == "parquet":
            assemble_parquet(_parts(storage, paths), target, options)
            return
        target.write(write_head(model, options))
        for part in _parts(storage, paths):
            shutil.copyfileobj(part, target, _CHUNK)
        target.write(write_tail(options))


def write_rejects(storage: Storage, paths: Sequence[str], rejected: str, staging: str) -> None:
    """Write the list of rejects; none if there are none."""
    found = False
    with storage.create(f"{staging}/rejected", staging) as target:
        for path in paths:
            with storage.open(path) as file:
                for reject in read_head(file).rejects:
                    target.write(reject_line(reject))
                    found = True
    storage.remove(rejected)
    if found:
        storage.move(f"{staging}/rejected", rejected)


def _assemble_folder(
    storage: LocalStorage, paths: Sequence[str], output: str, staging: Path, model: ModelInfo
) -> None:
    made, old = staging / "assembled", staging / "replaced"
    storage.remove(str(made))
    storage.remove(str(old))
    assemble_brat(_parts(storage, paths), made, model)
    if storage.size(output) is not None:
        storage.move(output, str(old))
    storage.move(str(made), output)


def _parts(storage: Storage, paths: Sequence[str]) -> Iterator[BinaryIO]:
    for path in paths:
        with storage.open(path) as file:
            read_head(file)
            yield file
