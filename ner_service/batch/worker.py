"""A worker process: shards in, results out, over one connection.

It is forked by `fork_server` and ends when its connection is closed, which is what happens when the
process that started it ends in any way.
"""

import gc
import json
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from ner_service.batch.frames import ERROR, RESULT, receive, send
from ner_service.batch.options import Options
from ner_service.batch.shards import Shard, ShardKey, place_of
from ner_service.errors import NerError
from ner_service.starting import everything_stays


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker has to know beside its shards.

    Attributes:
        model: the model's directory.
        version: the version that the job began with.
        options: the job's.
    """

    model: str
    version: str
    options: Options

    def to_json(self) -> bytes:
        """Write it for another process."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "WorkerSettings":
        """Read what `to_json` writes."""
        fields: dict[str, Any] = json.loads(data)
        options: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in fields.pop("options").items()
        }
        return cls(options=Options(**options), **fields)


class ShardTagger:
    """A model with the job's options, ready for shards; every engine's workers are this."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Load the model, with one thread.

        Raises:
            NerError: it cannot be loaded or is not the one that the job began with.
        """
        from ner_service.tagger import Tagger

        self._options = settings.options
        with everything_stays():
            self._tagger = Tagger.load(
                settings.model,
                backend=settings.options.backend,
                precision=settings.options.precision,
                threads=1,
            )
        version = self._tagger.info.version
        if version != settings.version:
            raise NerError(
                f"{settings.model}: changed while the job ran: "
                f"version {settings.version} at the start, {version} now"
            )

    def tag(self, payload: bytes, digest: str) -> bytes:
        """Tag a shard.

        Raises:
            NerError: the shard cannot be tagged at all; names its place and the fault.
        """
        from ner_service.batch.tagging import tag_shard

        shard = Shard(ShardKey(0, 0), payload, digest, 0)
        # A shard makes many objects and next to no cycles: looking for some all the time would cost
        # a tenth of the work.
        gc.disable()
        try:
            return tag_shard(self._tagger, shard, self._options)
        except Exception as error:
            raise NerError(f"{place_of(payload)}: {type(error).__name__}: {error}") from error
        finally:
            gc.enable()
            gc.collect()


def serve(inbound: BinaryIO, outbound: BinaryIO) -> None:
    """Tag shard after shard until the input ends; the first frame holds the settings."""
    first = receive(inbound)
    if first is None:
        return
    try:
        tagger = ShardTagger(WorkerSettings.from_json(first[1]))
        while (frame := receive(inbound)) is not None:
            digest, _, payload = frame[1].partition(b"\n")
            send(outbound, RESULT, tagger.tag(payload, digest.decode()))
    except NerError as error:
        send(outbound, ERROR, str(error).encode("utf-8", "backslashreplace"))
