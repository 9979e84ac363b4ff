import json
from pathlib import Path

import datasets
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from ner_service.errors import CorpusError
from training.documents import Sentence
from training.records import Fields, read_dataset, read_json, read_parquet

NUMBERS = Path(__file__).parents[1] / "data" / "dialects" / "numbers.jsonl"
NAMES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


def rows_file(folder: Path, *rows: object) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def parquet_file(folder: Path, name: str, **columns: object) -> Path:
    tags = ClassLabel(names=list(NAMES)) if columns.pop("named", False) else None
    features = Features({"tokens": List(Value("string")), "ner_tags": List(tags or Value("int64"))})
    if "document_id" in columns:
        features["document_id"] = Value("string")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_dict(columns, features=features).to_parquet(path)
    return path


def test_numeric_tags_get_the_given_names() -> None:
    reading = read_json(NUMBERS, Fields(tag_names=NAMES))
    assert reading.documents_marked
    assert reading.documents == [
        [
            Sentence(("Bob", "left", "Oslo"), ("B-PER", "O", "B-LOC")),
            Sentence(("It", "rained"), ("O", "O")),
        ],
        [Sentence(("Anna", "Reyes"), ("B-PER", "I-PER"))],
    ]


def test_json_array_is_read_like_lines(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in NUMBERS.read_text(encoding="utf-8").splitlines()]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    fields = Fields(tag_names=NAMES)
    assert read_json(path, fields) == read_json(NUMBERS, fields)


def test_parquet_knows_the_names_of_its_tags(tmp_path: Path) -> None:
    path = parquet_file(
        tmp_path, "rows.parquet", tokens=[["Bob"], ["Oslo"]], ner_tags=[[1], [3]], named=True
    )
    reading = read_parquet(path, Fields(tag_names=("O", "B-WRONG")))
    assert not reading.documents_marked
    assert [document[0].tags for document in reading.documents] == [("B-PER",), ("B-LOC",)]


def test_parquet_with_unnamed_numbers_asks_for_names(tmp_path: Path) -> None:
    path = parquet_file(tmp_path, "rows.parquet", tokens=[["Bob"]], ner_tags=[[1]])
    with pytest.raises(CorpusError, match=r"row 1: expected tags as strings.*tag_names"):
        read_parquet(path, Fields())
    assert read_parquet(path, Fields(tag_names=NAMES)).documents[0][0].tags == ("B-PER",)


def test_folder_as_the_hub_lays_it_out_is_read(tmp_path: Path) -> None:
    for split, token in (("train", "a"), ("validation", "b"), ("test", "c")):
        parquet_file(
            tmp_path,
            f"data/{split}-00000-of-00001.parquet",
            tokens=[[token]],
            ner_tags=[[0]],
            named=True,
        )
    readings = read_dataset(str(tmp_path), Fields(), local=True)
    assert {name: r.documents[0][0].tokens for name, r in readings.items()} == {
        "train": ("a",),
        "validation": ("b",),
        "test": ("c",),
    }


def test_local_reading_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    path = parquet_file(tmp_path, "rows.parquet", tokens=[["a"]], ner_tags=[[0]], named=True)
    before = sorted(tmp_path.iterdir())
    capfd.readouterr()
    read_parquet(path, Fields())
    assert sorted(tmp_path.iterdir()) == before
    assert not list(temporary.iterdir())
    assert capfd.readouterr() == ("", "")
    assert not datasets.are_progress_bars_disabled()


def test_document_begins_where_the_id_changes(tmp_path: Path) -> None:
    path = rows_file(
        tmp_path,
        *({"words": [str(i)], "t": ["O"], "story": story} for i, story in enumerate("aabba")),
    )
    reading = read_json(path, Fields(tokens="words", tags="t", document="story"))
    assert [len(document) for document in reading.documents] == [2, 2, 1]


def test_docstart_rows_are_marks(tmp_path: Path) -> None:
    rows = [{"tokens": [t], "ner_tags": ["O"]} for t in ("-DOCSTART-", "a", "b", "-DOCSTART-", "c")]
    reading = read_json(rows_file(tmp_path, *rows), Fields())
    assert reading.documents_marked
    assert [len(document) for document in reading.documents] == [2, 1]


def test_rows_without_tokens_are_no_sentences(tmp_path: Path) -> None:
    path = rows_file(tmp_path, {"tokens": [], "ner_tags": []}, {"tokens": ["a"], "ner_tags": ["O"]})
    assert len(read_json(path, Fields()).documents) == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": ["a"]}, "expected a field 'ner_tags', got tokens"),
        ({"ner_tags": ["O"]}, "expected a field 'tokens', got ner_tags"),
        ({"tokens": ["a"], "ner_tags": ["O", "O"]}, "got 1 tokens and 2 tags"),
        ({"tokens": "a", "ner_tags": ["O"]}, "expected a list of strings in 'tokens', got 'a'"),
        ({"tokens": ["a", 1], "ner_tags": ["O", "O"]}, "expected a list of strings in 'tokens'"),
        ({"tokens": ["a"], "ner_tags": ["X-PER"]}, "got 'X-PER'"),
        ({"tokens": ["a"], "ner_tags": [5]}, "expected a tag from 0 to 4, got 5"),
        ({"tokens": ["a"], "ner_tags": [-1]}, "expected a tag from 0 to 4, got -1"),
        ({"tokens": ["a", "b"], "ner_tags": [0, "O"]}, "expected a tag from 0 to 4, got 'O'"),
        ({"tokens": ["\ud800"], "ner_tags": ["O"]}, "got a lone surrogate"),
        (["a"], "expected an object with fields"),
    ],
)
def test_broken_row_is_named(tmp_path: Path, row: object, message: str) -> None:
    path = rows_file(tmp_path, {"tokens": ["a"], "ner_tags": ["O"]}, row)
    with pytest.raises(CorpusError) as caught:
        read_json(path, Fields(tag_names=NAMES))
    assert str(caught.value).startswith(f"{path}, line 2: ")
    assert message in str(caught.value)


def test_missing_document_id_is_named(tmp_path: Path) -> None:
    first = {"tokens": ["a"], "ner_tags": ["O"], "document_id": 1}
    path = rows_file(tmp_path, first, {"tokens": ["a"], "ner_tags": ["O"]})
    with pytest.raises(CorpusError, match="line 2: expected a field 'document_id'"):
        read_json(path, Fields())


def test_broken_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"tokens": ["a"], "ner_tags": ["O"]}\n\n{"tokens"\n', encoding="utf-8")
    with pytest.raises(CorpusError, match=r"rows\.jsonl, line 3: expected JSON"):
        read_json(path, Fields())


def test_broken_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(CorpusError, match=r"rows\.parquet: cannot be read as a data set"):
        read_parquet(path, Fields())


def test_name_that_the_hub_cannot_give_is_named() -> None:
    with pytest.raises(CorpusError, match="nobody/nothing: cannot be read as a data set"):
        read_dataset("nobody/nothing", Fields(), local=False)
