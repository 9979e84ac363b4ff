"""Where shards and outputs are written: a local folder or an object store, by the same few calls.

Whatever is created appears whole or not at all.
"""

import fcntl
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from ner_service.batch.remote import is_remote, need, resolve
from ner_service.batch.streams import CountingReader
from ner_service.errors import NerError

_CHUNK = 2**20


class Storage(Protocol):
    """What a job needs of the place it writes to."""

    def names(self, folder: str) -> list[str]:
        """Names in a folder, sorted; none if there is no such folder."""
        ...

    def size(self, path: str) -> int | None:
        """Bytes of a file; 0 of an empty folder, 1 of one that is not; None if there is neither."""
        ...

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading."""
        ...

    def create(self, path: str, staging: str) -> AbstractContextManager[BinaryIO]:
        """Write a file that appears when all of it is safe; `staging` is a folder beside it."""
        ...

    def move(self, old: str, new: str) -> None:
        """Put a finished file in its place."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file or a folder with all in it, if there is one."""
        ...

    def locked(self, folder: str) -> AbstractContextManager[None]:
        """Make a folder and keep every other job out of it.

        Raises:
            NerError: another job is there.
        """
        ...


class LocalStorage:
    """Files of this machine."""

    def names(self, folder: str) -> list[str]:
        """See `Storage`."""
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def size(self, path: str) -> int | None:
        """See `Storage`."""
        if os.path.isdir(path):
            return int(any(os.scandir(path)))
        return os.path.getsize(path) if os.path.exists(path) else None

    def open(self, path: str) -> BinaryIO:
        """See `Storage`."""
        return Path(path).open("rb")

    @contextmanager
    def create(self, path: str, staging: str) -> Iterator[BinaryIO]:
        """See `Storage`."""
        temporary = os.path.join(staging, f".{os.path.basename(path)}.writing")
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        self.move(temporary, path)

    def move(self, old: str, new: str) -> None:
        """See `Storage`; safe on the disk when it returns."""
        os.replace(old, new)
        folder = os.open(os.path.dirname(new) or ".", os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self, path: str) -> None:
        """See `Storage`."""
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            Path(path).unlink(missing_ok=True)

    @contextmanager
    def locked(self, folder: str) -> Iterator[None]:
        """See `Storage`."""
        os.makedirs(folder, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            _lock(descriptor, folder)
            # The other job may have ended, and removed the folder, between the last two lines.
            if not os.path.isdir(folder) or not os.path.samestat(
                os.fstat(descriptor), os.stat(folder)
            ):
                raise NerError(f"{folder}: another job has just ended here, try again")
            yield
        finally:
            with suppress(OSError):
                os.rmdir(folder)  # only if it is empty
            os.close(descriptor)


class RemoteStorage:
    """Objects in a store. Jobs of one machine see each other's locks, those of two do not."""

    def __init__(self, uri: str) -> None:
        """Reach the store that an address is in."""
        self._filesystem, path = resolve(uri)
        self._prefix = uri[: len(uri) - len(path)]
        self._fs = need("pyarrow.fs", uri)

    def names(self, folder: str) -> list[str]:
        """See `Storage`."""
        selector = self._fs.FileSelector(self._path(folder), allow_not_found=True)
        return sorted(info.base_name for info in self._filesystem.get_file_info(selector))

    def size(self, path: str) -> int | None:
        """See `Storage`."""
        info = self._filesystem.get_file_info(self._path(path))
        if info.type == self._fs.FileType.Directory:
            return int(bool(self.names(path)))
        return info.size if info.type == self._fs.FileType.File else None

    def open(self, path: str) -> BinaryIO:
        """See `Storage`."""
        file = cast(BinaryIO, self._filesystem.open_input_file(self._path(path)))
        return io.BufferedReader(CountingReader(file), _CHUNK)

    @contextmanager
    def create(self, path: str, staging: str) -> Iterator[BinaryIO]:
        """See `Storage`; written to a local file first, since a broken upload may not be undone."""
        del staging
        with tempfile.TemporaryFile() as file:
            yield cast(BinaryIO, file)
            file.seek(0)
            with self._filesystem.open_output_stream(self._path(path)) as target:
                shutil.copyfileobj(file, target, _CHUNK)

    def move(self, old: str, new: str) -> None:
        """See `Storage`."""
        self._filesystem.move(self._path(old), self._path(new))

    def remove(self, path: str) -> None:
        """See `Storage`."""
        info = self._filesystem.get_file_info(self._path(path))
        if info.type == self._fs.FileType.Directory:
            self._filesystem.delete_dir(self._path(path))
        elif info.type == self._fs.FileType.File:
            self._filesystem.delete_file(self._path(path))

    @contextmanager
    def locked(self, folder: str) -> Iterator[None]:
        """See `Storage`."""
        name = hashlib.sha256(folder.encode()).hexdigest()[:16]
        with open(os.path.join(tempfile.gettempdir(), f"ner-service-{name}.lock"), "wb") as file:
            _lock(file.fileno(), folder)
            yield

    def _path(self, uri: str) -> str:
        return uri.removeprefix(self._prefix)


def storage_of(output: str) -> Storage:
    """The storage that an output is in."""
    return RemoteStorage(output) if is_remote(output) else LocalStorage()


def _lock(descriptor: int, folder: str) -> None:
    try:
        # Held by this process alone: descriptors are not inherited by programs it starts.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise NerError(f"{folder}: another job is writing here") from None
