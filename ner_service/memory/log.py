"""An append-only file of JSON lines that a killed process leaves readable."""

import errno
import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from ner_service.errors import ConfigError
from ner_service.memory.examples import dumps


class AppendLog:
    """Lines that are on the disk when `append` returns.

    A process killed while it writes leaves at most one broken line at the end, which was never
    acknowledged: it is cut off when the file is next opened. One process at a time may write.
    """

    def __init__(self, path: Path) -> None:
        """Open or make the file, and lock it.

        Raises:
            ConfigError: it cannot be opened or read, or another process has it.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b", buffering=0)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.records = self._sound_records()
        except OSError:
            self._file.close()
            raise ConfigError(f"{path}: another process uses it") from None
        except ConfigError:
            self._file.close()
            raise
        _sync_folder(path.parent)

    def append(self, records: Iterable[dict[str, Any]]) -> None:
        """Write records; they survive the process once this returns.

        Raises:
            ConfigError: the disk refuses; nothing of it stays in the file.
        """
        end = self._file.seek(0, os.SEEK_END)
        try:
            data = b"".join(map(dumps, records))
            if self._file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(end)
            raise ConfigError(f"{self.path}: cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Let others have the file."""
        self._file.close()

    def __enter__(self) -> "AppendLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _sound_records(self) -> list[dict[str, Any]]:
        self._file.seek(0)
        data = self._file.readall()
        end = data.rfind(b"\n") + 1
        if end < len(data):
            self._file.truncate(end)
        return parse_lines(data[:end], self.path)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log that another process may be writing; none where there is no file.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    return parse_lines(data[: data.rfind(b"\n") + 1], path)


def parse_lines(data: bytes, path: Path) -> list[dict[str, Any]]:
    """Read JSON lines.

    Raises:
        ConfigError: naming the line that is not JSON.
    """
    records = []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise ConfigError(f"{path}, line {number}: expected a JSON object")
        records.append(record)
    return records


def _sync_folder(folder: Path) -> None:
    """A new file survives a crash only when its folder is on the disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
