import logging
from pathlib import Path

import pytest
from datasets import DatasetDict, List, Value

from ner_service.errors import ConfigError, CorpusError
from ner_service.tags import spans_from_tags
from training.corpus import (
    Corpus,
    DataConfig,
    Document,
    iter_documents,
    load_corpus,
    load_split,
)

DATA = Path(__file__).parents[1] / "data"
CONLL = DATA / "conll"
SHARED = Path(__file__).parents[3] / "shared" / "data"


def documents_of(corpus: Corpus) -> dict[str, list[Document]]:
    return {str(name): list(iter_documents(split)) for name, split in corpus.splits.items()}


def counts(corpus: Corpus, split: str) -> tuple[int, int, int]:
    rows = corpus.splits[split]["ner_tags"]
    spans = sum(len(spans_from_tags(tags, corpus.scheme)) for tags in rows)
    return len(rows), sum(map(len, rows)), spans


def save(corpus: Corpus, folder: Path, suffix: str) -> Path:
    for name, split in corpus.splits.items():
        path = folder / f"{name}{suffix}"
        split.to_parquet(path) if suffix == ".parquet" else split.to_json(path)
    return folder


def test_column_files_become_a_dataset_dict() -> None:
    corpus = load_corpus(DataConfig(path=str(CONLL)))
    assert isinstance(corpus.splits, DatasetDict)
    assert list(corpus.splits) == ["train", "validation", "test"]
    assert corpus.splits["train"].features == {
        "tokens": List(Value("string")),
        "ner_tags": List(Value("string")),
        "document_id": Value("int64"),
    }
    assert corpus.scheme == "IOB1"
    assert corpus.documents_marked
    assert corpus.labels == ("LOC", "MISC", "ORG", "PER")
    assert corpus.source == str(CONLL)
    assert counts(corpus, "train") == (26, 201, 46)
    assert counts(corpus, "validation") == (8, 47, 15)
    assert counts(corpus, "test") == (8, 48, 13)
    ids = corpus.splits["train"]["document_id"][:]
    assert ids == sorted(ids)
    assert set(ids) == {0, 1, 2, 3}


def test_documents_are_their_sentences_in_order() -> None:
    corpus = load_corpus(DataConfig(path=str(CONLL)))
    documents = list(iter_documents(corpus.splits["validation"]))
    assert [len(document) for document in documents] == [4, 4]
    first = documents[0][0]
    assert first.tokens[:2] == ("Ines", "Costa")
    assert first.tags[:3] == ("I-PER", "I-PER", "O")


def test_documents_do_not_depend_on_how_rows_are_batched(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = load_corpus(DataConfig(path=str(CONLL)))
    whole = documents_of(corpus)
    monkeypatch.setattr("training.corpus._ROWS_AT_ONCE", 3)
    assert documents_of(corpus) == whole


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
def test_columns_and_rows_give_identical_documents(tmp_path: Path, suffix: str) -> None:
    columns = load_corpus(DataConfig(path=str(CONLL)))
    rows = load_corpus(DataConfig(path=str(save(columns, tmp_path, suffix))))
    assert documents_of(rows) == documents_of(columns)
    assert (rows.scheme, rows.labels) == (columns.scheme, columns.labels)
    assert rows.documents_marked


def test_rows_without_document_id_are_documents_of_one_sentence(tmp_path: Path) -> None:
    columns = load_corpus(DataConfig(path=str(CONLL)))
    for name, split in columns.splits.items():
        split.remove_columns("document_id").to_parquet(tmp_path / f"{name}.parquet")
    rows = load_corpus(DataConfig(path=str(tmp_path)))
    assert not rows.documents_marked
    assert all(len(document) == 1 for split in documents_of(rows).values() for document in split)
    assert rows.splits["train"]["tokens"][:] == columns.splits["train"]["tokens"][:]


def test_only_named_files_are_read() -> None:
    corpus = load_corpus(DataConfig(path=str(CONLL), train="dev.txt", test="test.txt"))
    assert list(corpus.splits) == ["train", "test"]
    assert counts(corpus, "train") == (8, 47, 15)


@pytest.mark.parametrize(
    ("name", "scheme", "labels"),
    [
        ("tweets_bio.conll", "BIO", ("event", "person", "place")),
        ("iobes.txt", "IOBES", ("LOC", "ORG", "PER")),
        ("numbered.iob2", "BIO", ("LOC", "PER")),
    ],
)
def test_one_file_is_a_split(name: str, scheme: str, labels: tuple[str, ...]) -> None:
    corpus = load_split(DATA / "dialects" / name)
    assert list(corpus.splits) == ["test"]
    assert corpus.scheme == scheme
    assert corpus.labels == labels


def test_one_split_of_a_folder_is_loaded(tmp_path: Path) -> None:
    from_columns = load_split(CONLL, split="validation")
    assert list(from_columns.splits) == ["validation"]
    rows = save(load_corpus(DataConfig(path=str(CONLL))), tmp_path, ".parquet")
    assert documents_of(load_split(rows, split="validation")) == documents_of(from_columns)


def test_split_is_read_as_the_configuration_says() -> None:
    config = DataConfig(path="elsewhere", train="x", tag_names=("O", "B-PER", "I-PER", "B-LOC"))
    corpus = load_split(DATA / "dialects" / "numbers.jsonl", split="train", config=config)
    assert corpus.scheme == "BIO"
    assert counts(corpus, "train") == (3, 7, 3)


def test_missing_split_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a O\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="expected a split test, got train"):
        load_split(tmp_path)


def test_scheme_can_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("a B-X\nb I-X\n", encoding="utf-8")
    assert load_split(path, config=DataConfig(path="x", scheme="IOBES")).scheme == "IOBES"
    path.write_text("a S-X\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"train\.txt: expected BIO tags, got S-X"):
        load_split(path, config=DataConfig(path="x", scheme="BIO"))


def test_mixed_schemes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("a I-X\nb O\nc S-X\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"train\.txt: expected one tag scheme"):
        load_split(path)


def test_scheme_is_that_of_all_splits_together(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("a I-X\n", encoding="utf-8")
    (tmp_path / "test.txt").write_text("a B-X\nb I-X\n", encoding="utf-8")
    assert load_corpus(DataConfig(path=str(tmp_path))).scheme == "IOB1"


@pytest.mark.parametrize("streaming", [False, True])
def test_file_in_place_of_a_folder_is_refused(streaming: bool) -> None:
    with pytest.raises(ConfigError, match=r"data\.path: expected a folder"):
        load_corpus(DataConfig(path=str(CONLL / "train.txt"), streaming=streaming))


def test_folder_without_a_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot be read as a data set"):
        load_corpus(DataConfig(path=str(tmp_path)))


def described(folder: Path, **splits: str) -> Path:
    """Write a data set card that names the file of each split, as on the Hub."""
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for split, file in splits.items():
        lines += [f"  - split: {split}", f"    path: {file}"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]), encoding="utf-8")
    return folder


@pytest.mark.parametrize("streaming", [False, True])
def test_splits_of_other_names_are_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, streaming: bool
) -> None:
    save(load_corpus(DataConfig(path=str(CONLL))), tmp_path, ".parquet")
    described(tmp_path, dev="validation.parquet", unlabelled="train.parquet")
    config = DataConfig(path=str(tmp_path), streaming=streaming)
    with caplog.at_level(logging.WARNING, logger="training.corpus"):
        corpus = load_corpus(config)
    assert list(corpus.splits) == ["validation"]
    assert "the split unlabelled is left out" in caplog.text
    described(tmp_path, unlabelled="train.parquet")
    with pytest.raises(CorpusError, match="expected a split train, validation or test, got none"):
        load_corpus(config)


def test_reading_the_hub_instead_of_a_path_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = DataConfig(path=str(tmp_path / "nothing"), hub="nobody/nothing")
    with (
        caplog.at_level(logging.WARNING, logger="training.corpus"),
        pytest.raises(CorpusError, match="nobody/nothing: cannot be read"),
    ):
        load_corpus(config)
    assert "reading nobody/nothing from the Hub" in caplog.text


@pytest.mark.skipif(not SHARED.is_dir(), reason="the corpora are not on this machine")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conll2003/eng.train", (14_041, 203_621, 23_499)),
        ("conll2003/eng.testa", (3_250, 51_362, 5_942)),
        ("conll2003/eng.testb", (3_453, 46_435, 5_648)),
        ("wnut17/wnut17train.conll", (3_394, 62_730, 1_975)),
        ("wnut17/emerging.dev.conll", (1_009, 15_733, 836)),
        ("wnut17/emerging.test.annotated", (1_287, 23_394, 1_079)),
        ("transfer/uner_ewt_dev.iob2", (2_001, 25_149, 966)),
        ("transfer/btc_dev.conll", (1_001, 15_027, 1_730)),
        ("transfer/btc_train.conll", (6_338, 99_933, 8_779)),
    ],
)
def test_published_corpora_have_their_published_size(
    name: str, expected: tuple[int, int, int]
) -> None:
    assert counts(load_split(SHARED / name), "test") == expected
