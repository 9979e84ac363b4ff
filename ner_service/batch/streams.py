"""Opening inputs: decompressed, counted, and checked for changes while they are read."""

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from ner_service.batch.remote import is_remote, need, resolve
from ner_service.batch.sources import STANDARD_INPUT_NAME, Source
from ner_service.errors import NerError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_CHUNK = 2**17
_COMPRESSED_CHUNK = 2**14


class DamageError(NerError):
    """What was read cannot be decompressed or decoded as a file of its kind."""


class CountingReader(io.RawIOBase):
    """A raw reader that counts what was read."""

    def __init__(self, file: BinaryIO) -> None:
        """Count from where the file stands."""
        self._file = file
        self.count = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """See `io.RawIOBase`."""
        view = memoryview(buffer).cast("B")
        data = self._file.read(len(view))
        view[: len(data)] = data
        self.count += len(data)
        return len(data)

    def close(self) -> None:
        """See `io.RawIOBase`."""
        self._file.close()
        super().close()


class _ZstdReader(io.RawIOBase):
    """Zstandard frames, one behind the other; the library's own reader takes a cut for an end."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._context = need("zstandard", name).ZstdDecompressor()
        self._frame = self._context.decompressobj()
        self._inside = False
        self._pending = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        while not self._pending:
            if not self._advance():
                return 0
        count = min(len(view), len(self._pending))
        view[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count

    def _advance(self) -> bool:
        data = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame, self._inside = self._context.decompressobj(), False
        data = data or self._file.read(_COMPRESSED_CHUNK)
        if not data:
            if self._inside:
                raise EOFError("cut short")
            return False
        self._inside = True
        self._pending = memoryview(self._frame.decompress(data))
        return True


class OpenSource:
    """An input while it is read.

    Attributes:
        file: its bytes, decompressed.
    """

    def __init__(self, source: Source, raw: BinaryIO) -> None:
        """Read `source` from `raw`."""
        self._raw = raw
        self._counter = CountingReader(raw)
        self.file = decompressed(self._counter, source)

    @property
    def consumed(self) -> int:
        """Bytes read of the input as it is stored."""
        return self._counter.count


@contextmanager
def open_source(source: Source) -> Iterator[OpenSource]:
    """Open an input.

    Raises:
        NerError: it cannot be opened or read, or has changed since the job began.
    """
    try:
        with open_raw(source) as raw:
            yield OpenSource(source, raw)
            _check_unchanged(source, raw)
    except OSError as error:
        raise NerError(f"{source.name}: {error.strerror or error}") from None


@contextmanager
def open_raw(source: Source) -> Iterator[BinaryIO]:
    """Open an input as it is stored."""
    if source.name == STANDARD_INPUT_NAME and source.size is None:
        yield sys.stdin.buffer
    elif is_remote(source.name):
        filesystem, path = resolve(source.name)
        with filesystem.open_input_file(path) as file:
            yield cast(BinaryIO, file)
    else:
        with open(source.name, "rb", buffering=0) as file:
            yield cast(BinaryIO, file)


def decompressed(raw: io.RawIOBase, source: Source) -> BinaryIO:
    """The bytes of an input, decompressed as its name says."""
    buffered = io.BufferedReader(raw, _CHUNK)
    if source.compression == "gz":
        return cast(BinaryIO, gzip.GzipFile(fileobj=buffered))
    if source.compression == "zst":
        return io.BufferedReader(_ZstdReader(buffered, source.name), _CHUNK)
    return buffered


@contextmanager
def noticing_damage(source: Source) -> Iterator[None]:
    """Turn what decompressors raise for damaged data into `DamageError`."""
    damage: tuple[type[Exception], ...] = (gzip.BadGzipFile, EOFError, zlib.error)
    if source.compression == "zst":
        damage = (EOFError, need("zstandard", source.name).ZstdError)
    try:
        yield
    except damage as error:
        raise DamageError(f"damaged {source.compression} data: {error}") from None


def _check_unchanged(source: Source, raw: BinaryIO) -> None:
    if source.size is None or is_remote(source.name):
        return
    status = os.fstat(raw.fileno())
    if status.st_size != source.size:
        raise NerError(
            f"{source.name}: changed while it was read: "
            f"{source.size} bytes at the start, {status.st_size} now"
        )
    if status.st_mtime_ns != source.modified:
        raise NerError(f"{source.name}: changed while it was read")
