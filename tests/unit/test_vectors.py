import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from ner_service.artifact.vocabulary import VectorTable
from ner_service.errors import ConfigError, CorpusError
from training.vectors import load_vectors

GLOVE = "the 0.5 -1\nNew 1 2\nnew 3 4\n00 5 6\n"


def text_file(folder: Path, text: str | bytes, name: str = "vectors.txt") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def array_folder(
    folder: Path, words: list[str], vectors: object, rows: object | None = None
) -> Path:
    (folder / "words.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    np.save(folder / "vectors.npy", vectors)
    if rows is not None:
        np.save(folder / "rows.npy", rows)
    return folder


def error_of(path: Path) -> str:
    with pytest.raises(CorpusError) as caught:
        load_vectors(path)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_glove_text_is_read(tmp_path: Path) -> None:
    loaded = load_vectors(text_file(tmp_path, GLOVE))
    assert loaded.words == ["the", "New", "new", "00"]
    assert loaded.rows.tolist() == [0, 1, 2, 3]
    assert loaded.vectors.dtype == np.float32
    assert loaded.vectors.tolist() == [[0.5, -1], [1, 2], [3, 4], [5, 6]]
    assert loaded.width == 2


def test_word2vec_header_is_no_word(tmp_path: Path) -> None:
    plain = load_vectors(text_file(tmp_path, GLOVE))
    headed = load_vectors(text_file(tmp_path, "4 2\n" + GLOVE.replace("\n", " \r\n"), "w2v.vec"))
    assert headed.words == plain.words
    assert np.array_equal(headed.vectors, plain.vectors)


def test_gzip_is_told_by_its_content(tmp_path: Path) -> None:
    zipped = load_vectors(text_file(tmp_path, gzip.compress(GLOVE.encode()), "vectors.dat"))
    assert zipped.words == ["the", "New", "new", "00"]
    assert zipped.vectors[3].tolist() == [5, 6]


def test_word_with_spaces_is_one_word(tmp_path: Path) -> None:
    loaded = load_vectors(text_file(tmp_path, "a 1 2\n. . . 3 4\n\x85 5 6\n"))
    assert loaded.words == ["a", ". . .", "\x85"]
    assert loaded.vectors.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_line_without_a_word_is_left_out(tmp_path: Path) -> None:
    assert load_vectors(text_file(tmp_path, "a 1 2\n 3 4\nb 5 6\n")).words == ["a", "b"]


def test_limit_takes_the_first_words(tmp_path: Path) -> None:
    loaded = load_vectors(text_file(tmp_path, "4 2\n" + GLOVE), limit=2)
    assert loaded.words == ["the", "New"]
    assert loaded.vectors.shape == (2, 2)
    with pytest.raises(ConfigError, match=r"vectors\.limit: expected at least 1, got 0"):
        load_vectors(tmp_path, limit=0)


def test_lookup_tries_exact_then_lower_then_folded_digits(tmp_path: Path) -> None:
    loaded = load_vectors(text_file(tmp_path, GLOVE + "a0B 7 8\na0b 9 9\n"))
    table = VectorTable.build(loaded.words, loaded.rows, loaded.vectors)
    words = ["New", "new", "NEW", "THE", "42", "00", "a7B", "A7B", "toy"]
    assert table.find(words).tolist() == [1, 2, 2, 0, 3, 3, 4, 5, -1]


def test_of_equal_words_the_first_counts(tmp_path: Path) -> None:
    loaded = load_vectors(text_file(tmp_path, "a 1 2\nb 3 4\na 5 6\n"))
    assert VectorTable.build(loaded.words, loaded.rows, loaded.vectors).find(["a"]).tolist() == [0]


def test_words_may_share_rows(tmp_path: Path) -> None:
    rows = np.array([1, 0, 1], dtype=np.uint16)
    loaded = load_vectors(array_folder(tmp_path, ["a", "b", "c"], np.eye(2, dtype="f2"), rows))
    assert loaded.rows.dtype == np.int32
    assert loaded.vectors.dtype == np.float16
    assert loaded.vectors[loaded.rows].tolist() == [[0, 1], [1, 0], [0, 1]]
    limited = load_vectors(tmp_path, limit=2)
    assert (limited.words, limited.rows.tolist()) == (["a", "b"], [1, 0])


def test_rows_behind_the_last_word_of_a_limit_are_left_out(tmp_path: Path) -> None:
    rows = np.array([1, 0, 2], dtype=np.uint16)
    array_folder(tmp_path, ["a", "b", "c"], np.eye(3, dtype="f2"), rows)
    limited = load_vectors(tmp_path, limit=1)
    assert (limited.words, limited.rows.tolist()) == (["a"], [1])
    assert limited.vectors.tolist() == [[1, 0, 0], [0, 1, 0]]


def test_folder_without_rows_has_one_a_word(tmp_path: Path) -> None:
    loaded = load_vectors(array_folder(tmp_path, ["a", "b"], np.eye(2, dtype="f4")))
    assert loaded.rows.tolist() == [0, 1]


def test_installed_package_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "toy_vectors" / "data"
    data.mkdir(parents=True)
    (tmp_path / "toy_vectors" / "__init__.py").write_text("")
    pa.parquet.write_table(pa.table({"index": ["a", "b"]}), data / "toy_index.parquet")
    np.save(data / "toy_2d_emb.npy", np.eye(2, dtype="f4"))
    monkeypatch.syspath_prepend(tmp_path)
    assert load_vectors("toy-vectors").words == ["a", "b"]


def test_name_of_nothing_is_refused() -> None:
    for name in ("../nothing/here", "no-such-vectors", "json"):
        with pytest.raises(CorpusError, match="expected a file, a folder or an installed package"):
            load_vectors(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1 2\nb 3\n", "vectors.txt, line 2: expected a word and 2 numbers, got 1"),
        ("a 1 2\nb x 3\n", "vectors.txt, line 2: expected a word and 2 numbers, got could not"),
        ("a 1 2\nb nan 3\n", "vectors.txt, line 2: expected finite numbers, got nan"),
        ("a 1 2\nb 1e99 3\n", "vectors.txt, line 2: expected finite numbers, got inf"),
        (b"a 1 2\nb\xff 3 4\n", "vectors.txt, line 2: expected UTF-8, got byte 0xff"),
        ("3 2\na 1 2\nb 1 2\n", "vectors.txt, line 1: expected 3 words as it says, got 2"),
        ("word\n", "vectors.txt, line 1: expected a word and at least one number, got 'word'"),
        ("5 0\na 1\n", "vectors.txt, line 1: expected at least one word of one dimension"),
        ("", "vectors.txt: expected at least one word with a vector, got none"),
        (gzip.compress(GLOVE.encode())[:-9], "vectors.txt: expected a whole gzip file"),
    ],
)
def test_broken_text_is_named(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert error_of(text_file(tmp_path, text)).startswith(message)


@pytest.mark.parametrize(
    ("vectors", "rows", "message"),
    [
        (np.eye(3), None, "expected a row for each of 2 words, got 3"),
        (np.eye(2), np.array([0, 2]), "expected rows from 0 to 1, got 0 to 2"),
        (np.eye(2), np.array([-1, 0]), "expected rows from 0 to 1, got -1 to 0"),
        (np.eye(2), np.array([0.0, 1.0]), "expected 1 axis of whole numbers, got 1 of float64"),
        (np.ones(2), None, "expected 2 axes of real numbers, got 1 of float64"),
        (np.array([[1.0], [np.inf]]), None, "expected finite numbers"),
        (np.array([[None], [None]]), None, "cannot be read as an array"),
    ],
)
def test_broken_folder_is_named(
    tmp_path: Path, vectors: object, rows: object | None, message: str
) -> None:
    assert message in error_of(array_folder(tmp_path, ["a", "b"], vectors, rows))


def test_incomplete_folder_is_named(tmp_path: Path) -> None:
    assert "words.txt: cannot be read" in error_of(tmp_path)
    (tmp_path / "words.txt").write_text("a\n", encoding="utf-8")
    assert "vectors.npy: cannot be read as an array" in error_of(tmp_path)
