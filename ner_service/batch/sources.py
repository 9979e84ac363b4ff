"""The inputs of a job: files, folders, globs, standard input, addresses of object stores."""

import fnmatch
import glob
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_service.batch.names import input_format_of
from ner_service.batch.options import Compression, InputFormat, Options
from ner_service.batch.remote import is_remote, need, resolve
from ner_service.errors import NerError

STANDARD_INPUT = "-"
STANDARD_INPUT_NAME = "stdin"

_SECTION_BYTES = 64 * 2**20
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Source:
    """One input.

    Attributes:
        name: as it stands in ids and rejects.
        format: how it is read.
        compression: undone while reading.
        size: in bytes; None for a stream, which can be read once.
        modified: time of the last change, in nanoseconds; 0 for a stream.
    """

    name: str
    format: InputFormat
    compression: Compression
    size: int | None
    modified: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """Consecutive inputs that one process reads, one behind the other."""

    number: int
    sources: tuple[Source, ...]


def find_sources(
    inputs: Sequence[str], options: Options, *, is_own: Callable[[str], bool] = lambda _: False
) -> list[Source]:
    """Expand the inputs, each one's files by name.

    Args:
        inputs: files, folders (all files below, hidden ones aside), globs, addresses, or `-`.
        options: the job's.
        is_own: tells the job's own files, which folders and globs leave out.

    Raises:
        NerError: an input does not exist or is one of the job's own files.
    """
    sources = []
    for name in inputs:
        if name == STANDARD_INPUT:
            sources.append(_source(STANDARD_INPUT_NAME, options, size=None))
        elif is_remote(name):
            sources += _find_remote(name, options)
        elif Path(name).exists() and not Path(name).is_dir():
            if is_own(name):
                raise NerError(f"{name}: expected an input, got the job's own output")
            sources.append(_local(name, options))
        else:
            found = [path for path in _expand(name) if not is_own(path)]
            if not found:
                raise NerError(f"{name}: expected a file, a folder or a glob of files, found none")
            sources += [_local(path, options) for path in found]
    if sum(source.name == STANDARD_INPUT_NAME for source in sources) > 1:
        raise NerError("expected standard input once")
    return sources


def make_sections(sources: Iterable[Source]) -> Iterator[Section]:
    """Group consecutive inputs up to a size; a large one stands alone."""
    group: list[Source] = []
    size = number = 0
    for source in sources:
        if group and size + (source.size or 0) > _SECTION_BYTES:
            yield Section(number, tuple(group))
            group, size, number = [], 0, number + 1
        group.append(source)
        size += source.size or 0
    if group:
        yield Section(number, tuple(group))


def describe(sources: Sequence[Source]) -> dict[str, str | int]:
    """What identifies the inputs of a job, apart from what the shards hold themselves."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{source.name}\0{source.format}\0{source.size}\n".encode())
    return {
        "files": len(sources),
        "bytes": sum(source.size or 0 for source in sources),
        "sha256": digest.hexdigest(),
    }


def latest_change(sources: Sequence[Source]) -> int:
    """Time of the last change to any of them, in nanoseconds."""
    return max((source.modified for source in sources), default=0)


def _expand(name: str) -> list[str]:
    if os.path.isdir(name):
        return [
            os.path.join(folder, file)
            for folder, folders, files in _walk(name)
            for file in sorted(files)
            if not file.startswith(".")
        ]
    found = sorted(glob.glob(name, recursive=True))
    return [path for path in found if not os.path.isdir(path)]


def _walk(name: str) -> Iterator[tuple[str, list[str], list[str]]]:
    for folder, folders, files in os.walk(name):
        folders[:] = sorted(entry for entry in folders if not entry.startswith("."))
        yield folder, folders, files


def _local(name: str, options: Options) -> Source:
    try:
        status = os.stat(name)
    except OSError as error:
        raise NerError(f"{name}: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):  # a pipe, a device
        return _source(name, options, size=None)
    return _source(name, options, size=status.st_size, modified=status.st_mtime_ns)


def _find_remote(uri: str, options: Options) -> list[Source]:
    fs = need("pyarrow.fs", uri)
    filesystem, path = resolve(uri)
    prefix = uri[: len(uri) - len(path)] if uri.endswith(path) else uri.partition("://")[0] + "://"
    wild = _WILD.search(path)
    try:
        if wild:
            selector = fs.FileSelector(path[: wild.start()].rpartition("/")[0], recursive=True)
            found = [
                info
                for info in filesystem.get_file_info(selector)
                if fnmatch.fnmatchcase(info.path, path)
            ]
        else:
            found = [filesystem.get_file_info(path)]
            if found[0].type == fs.FileType.Directory:
                found = filesystem.get_file_info(fs.FileSelector(path, recursive=True))
    except OSError as error:
        raise NerError(f"{uri}: {error}") from None
    files = sorted(
        (info for info in found if info.type == fs.FileType.File), key=lambda info: info.path
    )
    if not files:
        raise NerError(f"{uri}: expected an object or a folder of objects, found none")
    return [
        _source(prefix + info.path, options, size=info.size, modified=info.mtime_ns or 0)
        for info in files
    ]


def _source(name: str, options: Options, *, size: int | None, modified: int = 0) -> Source:
    input_format, compression = input_format_of(name)
    return Source(
        name,
        options.input_format or input_format,
        compression,
        size,
        modified,
    )
