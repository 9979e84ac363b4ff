import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, IterableDataset, List, Value

from ner_service.errors import ConfigError, CorpusError
from ner_service.tagger import Tagger
from tests.training_runs import SAMPLE, materials_of, sample_settings, train
from training import streaming
from training.batches import Augmentation, Epoch, StreamedBatches
from training.corpus import Corpus, DataConfig, iter_documents, load_corpus
from training.data import StreamedWindows, TrainingWindow
from training.describe import describe_training
from training.parallel import Part
from training.records import Fields, wanted_columns
from training.streaming import StreamedDocuments
from training.train import run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def held() -> Corpus:
    return load_corpus(DataConfig(path=str(SAMPLE)))


@pytest.fixture(scope="module", params=[".jsonl", ".parquet"])
def folder(request, held, tmp_path_factory) -> Path:
    """The sample as rows."""
    folder = tmp_path_factory.mktemp("rows")
    for name, split in held.splits.items():
        path = str(folder / f"{name}{request.param}")
        split.to_parquet(path) if request.param == ".parquet" else split.to_json(path)
    return folder


def stream(folder: Path, **settings: object) -> Corpus:
    return load_corpus(DataConfig(path=str(folder), streaming=True, **settings))


def test_a_streamed_corpus_is_the_held_one(held, folder):
    streamed = stream(folder)
    assert isinstance(streamed.splits["train"], StreamedDocuments)
    for name, split in held.splits.items():
        assert list(iter_documents(streamed.splits[name])) == list(iter_documents(split))
    for field in ("scheme", "documents_marked", "labels"):
        assert getattr(streamed, field) == getattr(held, field)


def test_it_can_be_read_again_and_again(folder):
    split = stream(folder).splits["train"]
    assert list(split) == list(split)
    assert len(list(split)) == len(split) > 1


@pytest.fixture
def passes(monkeypatch) -> Counter[str]:
    """How often each split has been read."""
    counted: Counter[str] = Counter()
    checked_rows = streaming.checked_rows

    def counting(rows, *arguments):
        def counted_rows():
            for place, row in rows:
                if place.endswith(", row 1"):
                    counted[place.removesuffix(", row 1").rsplit(" ", 1)[1]] += 1
                yield place, row

        return checked_rows(counted_rows(), *arguments)

    monkeypatch.setattr(streaming, "checked_rows", counting)
    return counted


@pytest.mark.parametrize("scheme", [None, "IOB1"])
def test_it_is_read_as_often_as_the_documentation_says(folder, tmp_path, passes, scheme):
    data = DataConfig(path=str(folder), streaming=True, scheme=scheme)
    materials_of(sample_settings(tmp_path, data=data))
    assert passes == {"train": 4, "validation": 1, "test": 1}


def test_splits_of_other_names_are_not_read(tmp_path, passes):
    rows = Dataset.from_dict({"tokens": [["Bob", "left"]], "ner_tags": [["B-PER", "O"]]})
    for split in ("train", "validation", "unsupervised"):
        rows.to_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    assert list(stream(tmp_path).splits) == ["train", "validation"]
    assert passes == {"train": 2, "validation": 1}


def test_documents_are_counted_as_they_are_read(tmp_path):
    """Empty sentences, empty documents, and sentences before the first mark."""
    mark = {"tokens": ["-DOCSTART-"], "ner_tags": ["O"]}
    word = {"tokens": ["Bob"], "ner_tags": ["B-PER"]}
    nothing = {"tokens": [], "ner_tags": []}
    rows = [nothing, word, mark, mark, nothing, word, word, nothing, mark, word, mark]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = stream(tmp_path)
    split = corpus.splits["train"]
    assert corpus.documents_marked
    assert [len(document) for document in split] == [1, 2, 1]
    assert (len(split), split.sentences, split.tokens) == (3, 4, 4)


def test_columns_that_nobody_reads_are_left_out():
    rows = Dataset.from_dict({"tokens": [["a"]], "ner_tags": [["O"]], "picture": ["..."]})
    kept, _ = wanted_columns(rows.to_iterable_dataset(), Fields())
    assert list(kept) == [{"tokens": ["a"], "ner_tags": ["O"]}]
    unknown = IterableDataset.from_generator(lambda: iter(rows))
    assert wanted_columns(unknown, Fields())[0] is unknown


def test_the_card_has_its_size(held, folder, tmp_path):
    settings = sample_settings(tmp_path)
    sizes = [
        describe_training(settings, corpus)["corpus"]["splits"] for corpus in (held, stream(folder))
    ]
    assert sizes[0] == sizes[1]


def test_training_learns_the_same_words_from_it(folder, tmp_path):
    settings = sample_settings(tmp_path)
    held = materials_of(settings)
    streamed = materials_of(
        replace(settings, data=DataConfig(path=str(folder), streaming=True, shuffle_windows=3))
    )
    assert streamed.vocabulary == held.vocabulary
    assert streamed.types.ids == held.types.ids
    assert isinstance(streamed.train, StreamedWindows)
    assert len(streamed.train) == len(held.train)
    for ours, theirs in zip(streamed.train, held.train, strict=True):
        np.testing.assert_array_equal(ours.types, theirs.types)
        np.testing.assert_array_equal(ours.tag_ids, theirs.tag_ids)


def test_a_model_is_trained_on_it(folder, tmp_path):
    data = DataConfig(path=str(folder), streaming=True, shuffle_windows=4)
    run = train(sample_settings(tmp_path, data=data, epochs=4), tmp_path)
    assert run.losses[-1] < run.losses[0]
    assert Tagger.load(run.model).tag("Lisbon").text


def windows(count: int) -> StreamedWindows:
    def read():
        for number in range(1, count + 1):
            yield TrainingWindow(np.array([number]), np.array([0]))

    return StreamedWindows(read)


@pytest.fixture(scope="module")
def types(tmp_path_factory):
    return materials_of(sample_settings(tmp_path_factory.mktemp("sample"))).types


def seen(types, *, held: int, number: int = 0, part: Part | None = None) -> list[int]:
    epoch = Epoch(
        types=types,
        batch_windows=4,
        seed=1,
        number=number,
        augmentation=Augmentation(),
        part=part or Part(0, 1),
    )
    batches = StreamedBatches(windows(30), epoch, held=held)
    shapes = {tuple(types.features.characters[n]): n for n in range(1, 31)}
    found = []
    for batch in batches:
        characters = batch.words.characters[batch.positions[:, 0]].numpy()
        found += [shapes[tuple(row)] for row in characters]
    assert len(list(batches)) == len(batches)
    return found


@pytest.mark.parametrize("held", [1, 7, 30, 100])
def test_every_window_is_seen_once_an_epoch(types, held):
    assert sorted(seen(types, held=held)) == list(range(1, 31))


def test_order_is_a_function_of_seed_and_epoch(types):
    assert seen(types, held=10) == seen(types, held=10) != seen(types, held=10, number=1)
    assert seen(types, held=1) == list(range(1, 31))


def test_windows_are_used_at_most_as_early_as_some_are_held(types):
    order = seen(types, held=10)
    assert all(window <= place + 10 for place, window in enumerate(order, start=1))


def test_processes_share_what_is_streamed(types):
    parts = [seen(types, held=10, part=Part(rank, 2)) for rank in (0, 1)]
    assert sorted(parts[0] + parts[1]) == sorted(seen(types, held=10))


def test_sentences_are_documents_where_none_are_marked(tmp_path):
    rows = [{"tokens": ["Bob", "left"], "ner_tags": ["B-PER", "O"]}] * 3
    for name in ("train", "dev"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    corpus = stream(tmp_path)
    assert not corpus.documents_marked
    assert len(corpus.splits["train"]) == len(list(corpus.splits["train"])) == 3


def test_folders_of_parquet_and_numbered_tags_are_streamed(tmp_path):
    features = Features(
        {"tokens": List(Value("string")), "ner_tags": List(ClassLabel(names=["O", "B-PER"]))}
    )
    rows = Dataset.from_dict({"tokens": [["Bob", "left"]], "ner_tags": [[1, 0]]}, features=features)
    for split in ("train", "validation", "extra"):
        rows.to_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    corpus = stream(tmp_path)
    assert list(corpus.splits) == ["train", "validation"]
    (document,) = corpus.splits["train"]
    assert document[0].tags == ("B-PER", "O")


def test_what_cannot_be_streamed_is_refused():
    with pytest.raises(ConfigError, match="expected parquet, JSON lines or a name on the Hub"):
        stream(SAMPLE)
    with pytest.raises(ConfigError, match=r"data\.streaming: expected true or false"):
        DataConfig(path="x", streaming="yes")
    with pytest.raises(ConfigError, match=r"data\.shuffle_windows: expected 1 at least"):
        DataConfig(path="x", shuffle_windows=0)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('{"tokens": ["a", "b"], "ner_tags": ["O"]}\n', "row 1: expected as many tags"),
        ('{"tokens": ["a"], "ner_tags": ["O"]}\n{"tok', "cannot be read as a data set"),
        ('{"tokens": [], "ner_tags": []}\n', "expected at least one sentence"),
    ],
)
def test_broken_rows_are_told(tmp_path, lines, said):
    (tmp_path / "train.jsonl").write_text(lines)
    with pytest.raises(CorpusError, match=said):
        stream(tmp_path)


def test_labelled_texts_are_not_added_to_a_stream_and_nothing_is_read(tmp_path):
    settings = sample_settings(tmp_path, data=DataConfig(path="nowhere", streaming=True))
    with pytest.raises(ConfigError, match="labelled texts are added"):
        run(settings, labelled=[object()])


MEASURE = """
import resource, sys
from pathlib import Path
from training.records import Fields
from training.streaming import StreamedDocuments, open_streams

def read(file):
    stream = open_streams("rows", {"train": Path(file)}, Fields(), local=True)["train"]
    documents = StreamedDocuments(stream, "rows")
    return len(documents), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before = read(sys.argv[1])[1]  # libraries and buffers
count, after = read(sys.argv[2])
print(count, after - before)
"""


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    line = json.dumps({"tokens": ["word" * 5] * 100, "ner_tags": ["O"] * 100}) + "\n"
    for name, count in (("small", 4000), ("large", 12_000)):
        with (tmp_path / f"{name}.jsonl").open("w") as file:
            file.writelines(line for _ in range(count))
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            MEASURE,
            str(tmp_path / "small.jsonl"),
            str(tmp_path / "large.jsonl"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    sentences, grown_kilobytes = map(int, done.stdout.split())
    assert sentences == 12_000
    # Held, the strings of 1.2 million tokens would take some 90 MB.
    assert grown_kilobytes < 40_000
