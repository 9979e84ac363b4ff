"""A worker process: shards in at standard input, results out at standard output.

It is a fresh program, so it inherits no lock and no open file, and it ends when its input is
closed, which is what happens when the process that started it ends in any way.
"""

import gc
import json
import os
import signal
import struct
import sys
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from ner_service.batch.options import Options
from ner_service.batch.shards import Shard, ShardKey, place_of
from ner_service.errors import NerError

_LENGTH = struct.Struct(">cQ")
RESULT, ERROR = b"R", b"E"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What libraries read to learn how many threads to use; a worker has one."""
MEMORY_VARIABLES = {"MALLOC_TRIM_THRESHOLD_": str(64 * 2**20)}
"""A worker asks for the same large arrays with every shard: what it has freed it may keep, instead
of giving it back to the system (glibc) and having it cleared again page by page."""


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
        gc.freeze()  # the model stays; no later collection need look at it

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


def send(stream: BinaryIO, kind: bytes, data: bytes) -> None:
    """Write one frame."""
    stream.write(_LENGTH.pack(kind, len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """Read one frame; None at the end, or where the other side broke off."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    kind, length = _LENGTH.unpack(head)
    data = stream.read(length)
    return (kind, data) if len(data) == length else None


def main() -> None:
    """Serve shards until the input is closed."""
    # Control-C goes to the whole group of processes; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    outbound = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not stand between the results
    try:
        _serve(sys.stdin.buffer, outbound)
    except BrokenPipeError:
        os._exit(0)


def _serve(inbound: BinaryIO, outbound: BinaryIO) -> None:
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


if __name__ == "__main__":
    main()
