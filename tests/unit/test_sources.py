from pathlib import Path

import pytest

from ner_service.errors import ConfigError, CorpusError
from training.sources import DataConfig, found_files, locate, named_files, split_of


def folder_with(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("a O\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": ""}, "data.path: expected a name, got ''"),
        ({"path": "x", "train": ""}, "data.train: expected a name, got ''"),
        ({"path": "x", "token_column": "1"}, "data.token_column: expected a whole number"),
        ({"path": "x", "tag_column": True}, "data.tag_column: expected a whole number, got True"),
        ({"path": "x", "token_column": 1, "tag_column": 1}, "data.tag_column: expected another"),
        ({"path": "x", "scheme": "BILOU"}, "data.scheme: expected one of IOB1, BIO, IOBES"),
        ({"path": "x", "tag_names": []}, "data.tag_names: expected a list of tags"),
        ({"path": "x", "tag_names": ["PER"]}, "data.tag_names: expected tags such as B-PER"),
    ],
)
def test_setting_that_cannot_work_is_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        DataConfig(**settings)  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)


def test_lists_of_toml_become_tuples() -> None:
    config = DataConfig(path="x", tag_names=["O", "B-PER"])  # type: ignore[arg-type]
    assert config.tag_names == ("O", "B-PER")


def test_existing_path_wins_over_the_hub(tmp_path: Path) -> None:
    config = DataConfig(path=str(tmp_path), hub="owner/name")
    assert locate(config) == (str(tmp_path), tmp_path)


def test_hub_is_read_where_the_path_does_not_exist(tmp_path: Path) -> None:
    config = DataConfig(path=str(tmp_path / "nothing"), hub="owner/name")
    assert locate(config) == ("owner/name", None)
    assert locate(DataConfig(path="owner/name-2003")) == ("owner/name-2003", None)


@pytest.mark.parametrize("path", ["../owner/name", "/owner/name", "name", "./name", "a/b/c"])
def test_path_that_is_no_hub_name_must_exist(path: str) -> None:
    with pytest.raises(CorpusError, match="got a path that does not exist"):
        locate(DataConfig(path=path))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("eng.train", "train"),
        ("eng.testa", "validation"),
        ("eng.testb", "test"),
        ("wnut17train.conll", "train"),
        ("emerging.dev.conll", "validation"),
        ("emerging.test.annotated", "test"),
        ("uner_ewt_dev.iob2", "validation"),
        ("valid.txt", "validation"),
        ("train-00000-of-00001.jsonl", "train"),
        ("README.md", None),
        ("latest.txt", None),
        ("words.txt", None),
    ],
)
def test_split_is_told_by_the_name(name: str, split: str | None) -> None:
    assert split_of(name) == split


def test_files_of_a_folder_are_told_apart(tmp_path: Path) -> None:
    folder_with(tmp_path, "eng.train", "eng.testa", "eng.testb", "README.md", "dev/x")
    assert found_files(tmp_path) == {
        "train": tmp_path / "eng.train",
        "validation": tmp_path / "eng.testa",
        "test": tmp_path / "eng.testb",
    }


def test_folder_with_parquet_is_left_to_datasets(tmp_path: Path) -> None:
    assert found_files(folder_with(tmp_path, "train.txt", "data/train-0.parquet")) == {}


def test_two_files_for_one_split_must_be_named(tmp_path: Path) -> None:
    folder_with(tmp_path, "train.txt", "eng.train")
    with pytest.raises(ConfigError, match=r"data\.train: expected one such file.*eng\.train and"):
        found_files(tmp_path)
    config = DataConfig(path=str(tmp_path), train="train.txt")
    assert named_files(tmp_path, config) == {"train": tmp_path / "train.txt"}


def test_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.test: expected a file, got .*nothing"):
        named_files(tmp_path, DataConfig(path=str(tmp_path), test="nothing"))
