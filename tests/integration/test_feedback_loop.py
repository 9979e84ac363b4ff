"""The loop closed: corrections to a running server, a corpus of them, more training, a reload."""

import json
import random
import shutil
from pathlib import Path

import pytest

from ner_service.artifact import load_artifact
from ner_service.cli import run
from tests.server import running
from tests.training_runs import SAMPLE
from training.fine_tune import CANDIDATE, REPORT, main
from training.publishing import version_folder

TEMPLATES = ("shares of {} rose .", "they sold {} to the bank .", "a plant of {} closed in June .")
ADMIN = {"X-API-Key": "admin"}


def made_up(count: int, *, seed: int) -> list[dict]:
    """Sentences with lower-case firms that nobody has heard of."""
    dice = random.Random(seed)
    sentences = []
    for index in range(count):
        name = "".join(dice.choice("bdfgklmnprstvz") + dice.choice("aeiou") for _ in range(3))
        template = TEMPLATES[index % len(TEMPLATES)]
        start = template.index("{}")
        entity = {"start": start, "end": start + len(name), "label": "ORG"}
        sentences.append({"text": template.format(name), "entities": [entity]})
    return sentences


def share_found(server, sentences: list[dict]) -> float:
    """Share of the sentences whose entities are found, and no others."""
    body = {"documents": [{"text": sentence["text"]} for sentence in sentences]}
    documents = server.http.post(f"{server.url}/v1/entities", json=body, headers=ADMIN).json()
    found = [
        [{name: entity[name] for name in ("start", "end", "label")} for entity in d["entities"]]
        for d in documents["documents"]
    ]
    wanted = [sentence["entities"] for sentence in sentences]
    return sum(a == b for a, b in zip(found, wanted, strict=True)) / len(sentences)


@pytest.fixture
def model(trained_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_model, tmp_path / "models" / "sample"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The sample; its training sentences, which the model knows well, are the development set."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("train.txt", "dev.txt"):
        shutil.copy(SAMPLE / "train.txt", folder / name)
    return folder


def test_corrections_make_a_better_version_that_a_running_server_takes(
    model: Path, data: Path, tmp_path: Path
) -> None:
    memory, corpus = tmp_path / "memory", tmp_path / "feedback.conll"
    held_out = made_up(60, seed=2)
    old = load_artifact(model).version
    with running(
        "-m", "ner_service", "serve", model=model, memory=memory, admin_keys="admin"
    ) as server:
        before = share_found(server, held_out)
        body = {"feedback": made_up(200, seed=1)}
        stored = server.http.post(f"{server.url}/v1/feedback", json=body)
        assert stored.json() == {"model": "sample", "stored": 200}
        command = ["feedback", "export", "--memory", str(memory), "--model", str(model)]
        assert run([*command, "--output", str(corpus)]) == 0
        assert corpus.read_text(encoding="utf-8").count("B-ORG") == 200
        arguments = ["--model", str(model), "--feedback", str(corpus), "--data", str(data)]
        arguments += ["--learning-rate", "0.003", "--replay", "2", "--epochs", "4"]
        assert main(arguments) == 0, (version_folder(model, CANDIDATE) / REPORT).read_text()
        assert share_found(server, held_out) == before  # until it is told to
        answer = server.http.post(f"{server.url}/v1/models/sample/reload", headers=ADMIN)
        assert answer.status_code == 200, answer.text
        assert answer.json()["version"] == load_artifact(model).version != old
        after = share_found(server, held_out)
        assert after > before + 0.4
        server.http.post(f"{server.url}/v1/models/sample/rollback", headers=ADMIN)
        assert share_found(server, held_out) == before
    report = json.loads((model / REPORT).read_text(encoding="utf-8"))
    assert report["passed"]
    assert report["after"] >= report["before"]
    assert report["from"] == old
    assert load_artifact(version_folder(model, old)).version == old  # kept


def test_poisoned_corrections_are_stopped_by_the_gate(
    model: Path, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = (SAMPLE / "train.txt").read_text(encoding="utf-8").splitlines()
    poison = [f"{line.split(' ')[0]} O" if line.strip() else "" for line in lines]
    corpus = tmp_path / "poison.conll"
    corpus.write_text("\n\n".join(["\n".join(poison)] * 12) + "\n", encoding="utf-8")
    old = load_artifact(model).version
    arguments = ["--model", str(model), "--feedback", str(corpus), "--data", str(data)]
    with caplog.at_level("INFO"):
        assert main([*arguments, "--learning-rate", "0.005", "--replay", "0.1"]) == 3
    assert "gate stopped: development F1" in caplog.text
    assert "nothing is published" in caplog.text
    assert load_artifact(model).version == old
    assert not (model / REPORT).exists()


def test_corrections_with_a_new_label_need_a_new_model(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "drugs.conll"
    corpus.write_text("aspirin B-DRUG\nhelps O\n", encoding="utf-8")
    arguments = ["--model", str(model), "--feedback", str(corpus), "--data", str(data)]
    assert main(arguments) == 2
    assert "labels that the model lacks (DRUG)" in capsys.readouterr().err
