"""A worker process: shards in, results out, over one connection.

It is forked by `main`, the program that `nursery` starts, and ends when its connection is closed,
which is what happens when the process that started it ends in any way.
"""

import gc
import json
import os
import signal
import socket
import sys
import traceback
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, NoReturn

from ner_service.batch.frames import ERROR, RESULT, receive, send
from ner_service.batch.options import Options
from ner_service.batch.shards import Shard, ShardKey, place_of
from ner_service.errors import NerError


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


def main() -> None:
    """Fork a worker for each connection that comes in at standard input, until that is closed."""
    os.dup2(2, 1)  # what a library prints is seen, and is not the job's output
    # What every worker needs is imported here, once, but ONNX Runtime: it starts a thread.
    import ner_service.batch.tagging  # noqa: F401

    gc.freeze()  # no collection in a worker need look at it, and its pages stay shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for workers: they just end
    with socket.socket(fileno=0) as control:
        while _next_connection(control):
            pass


def _next_connection(control: socket.socket) -> bool:
    """Fork a worker for the next connection; False if there will be none."""
    message, files, *_ = socket.recv_fds(control, 1, 1)
    if not message:
        return False
    with socket.socket(fileno=files[0]) as connection:
        if os.fork() == 0:
            _be_worker(control, connection)
    return True


def _be_worker(control: socket.socket, connection: socket.socket) -> NoReturn:
    """Serve shards from a connection and end."""
    control.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    status = 1
    try:
        with connection.makefile("rb") as inbound, connection.makefile("wb") as outbound:
            serve(inbound, outbound)
        status = 0
    except (BrokenPipeError, ConnectionResetError):  # the job has ended
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


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


if __name__ == "__main__":
    main()
