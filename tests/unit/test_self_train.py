"""Learning from what other taggers say of raw text, the whole way."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from ner_service.artifact import write_manifest
from ner_service.errors import CorpusError
from tests.training_runs import sample_settings
from training.metrics_file import Metrics, read_metrics, save_metrics
from training.self_train import read_texts, self_train
from training.teacher import load_labelled
from training.train import run

TEXTS = ["Bob flew to Lisbon. It rained there.", "Costa left the bank in Spain on Friday ."]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "news.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in TEXTS)
    return path


def metrics_of(model: str) -> Metrics:
    metrics = read_metrics(Path(model))
    assert metrics is not None
    return metrics


def test_student_learns_from_labelled_texts_and_its_card_names_all_that_is_behind_it(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    teacher = sample_settings(tmp_path / "teacher", epochs=1)
    run(teacher)
    metrics = metrics_of(teacher.output)
    metrics["training"]["texts"] = ["older.jsonl", "a-language-model"]
    save_metrics(Path(teacher.output), metrics)
    write_manifest(Path(teacher.output))

    student = sample_settings(tmp_path / "student", epochs=1, teacher_windows=2, posts=0.5)
    cache = tmp_path / "labelled"
    asked = {"teachers": [Path(teacher.output)], "texts": [texts, texts], "most_tokens": 1000}
    self_train(student, cache=cache, resume=False, **asked)
    labelled = load_labelled(cache)
    words = [word for window in labelled for word in window.words]
    assert words.count("Lisbon") == words.count("Costa") == 2  # a file named twice counts twice
    for window in labelled:
        np.testing.assert_allclose(window.soft.marginals.sum(axis=1), 1, atol=5e-3)
    behind = ["news.jsonl.gz", "older.jsonl", "a-language-model"]
    assert metrics_of(student.output)["training"]["texts"] == behind

    # What is kept is not labelled again, and who goes on from a student names the same texts.
    kept = (cache / "labelled.safetensors").stat().st_mtime_ns
    self_train(sample_settings(tmp_path / "two", epochs=1), cache=cache, resume=False, **asked)
    assert (cache / "labelled.safetensors").stat().st_mtime_ns == kept
    last = sample_settings(tmp_path / "last", epochs=1, start=student.output)
    run(last)
    assert metrics_of(last.output)["training"]["texts"] == behind


@pytest.mark.parametrize("line", ["{}", '{"text": 3}', "[", '{"text": "a"}\n{"body": "b"}'])
def test_broken_texts_are_named(tmp_path: Path, line: str):
    path = tmp_path / "news.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(CorpusError, match=r"news\.jsonl"):
        list(read_texts([path]))
