"""A job's finished shards, and how they become its output.

Beside OUT stand, while the job runs, the folder `OUT.shards` (a file a shard, and the manifest that
says whose they are) and, when it has ended, `OUT.manifest.json` and, if records were rejected,
`OUT.rejected.jsonl`. Every file appears whole or not at all, and each step can be done again, so
the job may be killed between any two instructions.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ner_service.batch.options import Options
from ner_service.batch.output import assemble, read_head, write_rejects
from ner_service.batch.records import ShardHead
from ner_service.batch.shards import ShardKey
from ner_service.batch.storage import storage_of
from ner_service.errors import NerError
from ner_service.tagger import ModelInfo

_MANIFEST = "manifest.json"
_SUFFIX = ".shard"

Identity = Mapping[str, Any]


class ShardStore:
    """The files of one job. Use it within `storage.locked(folder)`."""

    def __init__(self, output: str) -> None:
        """Stand beside an output."""
        self.output = output
        self.folder = f"{output}.shards"
        self.rejected = f"{output}.rejected.jsonl"
        self.manifest = f"{output}.manifest.json"
        self.storage = storage_of(output)

    def is_own(self, path: str) -> bool:
        """Tell the job's own files from inputs."""
        own = [Path(name).absolute() for name in (self.output, self.rejected, self.manifest)]
        here = Path(path).absolute()
        return here in own or Path(self.folder).absolute() in here.parents

    def find_finished(self, identity: Identity, modified: int) -> dict[str, Any] | None:
        """The manifest of the same job if it has ended before, else None.

        Raises:
            NerError: the output belongs to another job, or its inputs have changed since.
        """
        manifest = self._read(self.manifest)
        size = self.storage.size(self.output)
        if manifest is None or size is None:
            return None
        _compare(self.output, manifest["job"], identity)
        if manifest["modified"] != modified:
            raise NerError(f"{self.output}: made before its input changed; --fresh replaces it")
        if manifest["size"] != size:
            raise NerError(f"{self.output}: altered since it was made; --fresh replaces it")
        self.storage.remove(self.folder)  # left if the job was killed at its very end
        return manifest

    def begin(
        self, identity: Identity, *, fresh: bool, resumable: bool
    ) -> dict[ShardKey, ShardHead]:
        """Start the job or go on with it; the shards that are finished.

        Raises:
            NerError: shards or output belong to another job.
        """
        path = f"{self.folder}/{_MANIFEST}"
        found = self._read(path) if resumable and not fresh else None
        if found is not None:
            _compare(self.folder, found["job"], identity)
            return self._finished_shards()
        if not fresh and self.storage.size(self.output):
            raise NerError(f"{self.output}: exists already; --fresh replaces it")
        self.storage.remove(self.manifest)
        for name in self.storage.names(self.folder):
            self.storage.remove(f"{self.folder}/{name}")
        self._write(path, {"job": identity})
        return {}

    def save(self, key: ShardKey, data: bytes) -> None:
        """Keep a shard's result."""
        with self.storage.create(f"{self.folder}/{key}{_SUFFIX}", self.folder) as file:
            file.write(data)

    def finish(
        self,
        keys: Sequence[ShardKey],
        manifest: Mapping[str, Any],
        model: ModelInfo,
        options: Options,
    ) -> None:
        """Make the output of all shards, then the rejects, then the manifest; then clean up."""
        paths = [f"{self.folder}/{key}{_SUFFIX}" for key in keys]
        assemble(self.storage, paths, self.output, self.folder, model, options)
        write_rejects(self.storage, paths, self.rejected, self.folder)
        self._write(self.manifest, {**manifest, "size": self.storage.size(self.output)})
        self.storage.remove(self.folder)

    def _finished_shards(self) -> dict[ShardKey, ShardHead]:
        heads = {}
        for name in self.storage.names(self.folder):
            if name.endswith(_SUFFIX):
                with self.storage.open(f"{self.folder}/{name}") as file, suppress(ValueError):
                    heads[ShardKey.parse(name.removesuffix(_SUFFIX))] = read_head(file)
        return heads

    def _read(self, path: str) -> dict[str, Any] | None:
        if self.storage.size(path) is None:
            return None
        with self.storage.open(path) as file:
            try:
                manifest: dict[str, Any] = json.loads(file.read())
                return manifest if isinstance(manifest["job"], dict) else None
            except (ValueError, KeyError, TypeError):
                raise NerError(f"{path}: expected a job's manifest; --fresh starts over") from None

    def _write(self, path: str, manifest: Mapping[str, Any]) -> None:
        with self.storage.create(path, self.folder) as file:
            file.write(json.dumps(manifest, indent=2).encode() + b"\n")


def _compare(place: str, theirs: Identity, ours: Identity) -> None:
    """Refuse to mix two jobs; the message names the first difference."""
    for part in ("input", "model", "options", "program"):
        if theirs.get(part) == ours[part]:
            continue
        then, now = theirs.get(part), ours[part]
        if isinstance(then, dict) and isinstance(now, dict):
            differing = [name for name in now if then.get(name) != now[name]]
            name = differing[0] if differing else part
            then, now = then.get(name), now.get(name)
            part = f"{part} {name}"
        raise NerError(
            f"{place} belongs to another job ({part}: {then} there, {now} here); "
            "--fresh starts over"
        )
