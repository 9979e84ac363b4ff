"""`ner-service memory` and `ner-service feedback`."""

import json
from pathlib import Path

import pytest

from ner_service.cli import run
from ner_service.errors import ConfigError
from ner_service.memory import Taught, make_example
from ner_service.memory.log import AppendLog
from ner_service.memory.store import FEEDBACK, read_examples
from ner_service.tagger import Tagger
from ner_service.teaching.feedback import chosen, rank, read_feedback
from ner_service.teaching.lessons import Lessons, shelf_files

COLUMNS = "Bob\tB-PER\nleft\tO\n\nLisbon\tB-LOC\n\n"


def test_columns_go_into_the_memory_and_out(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, memory = tmp_path / "in.conll", tmp_path / "memory"
    file.write_text(COLUMNS, encoding="utf-8")
    options = ["--memory", str(memory), "--model", str(tiny_model)]
    assert run(["memory", "import", str(file), *options]) == 0
    assert "2 examples added" in capsys.readouterr().err
    assert [e.text for e in read_examples(memory / "tiny" / "examples.jsonl")] == [
        "Bob left", "Lisbon",
    ]  # fmt: skip
    assert run(["memory", "export", *options]) == 0
    told = capsys.readouterr().out
    assert "".join(f"{x}\n" for x in told.splitlines() if not x.startswith("#")) == COLUMNS
    assert run(["memory", "export", *options, "--output", str(tmp_path / "out.conll")]) == 0
    assert (tmp_path / "out.conll").read_text(encoding="utf-8") == told


def test_what_is_wrong_is_told_in_one_line(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--memory", str(tmp_path), "--model", str(tiny_model)]
    assert run(["memory", "import", str(tmp_path / "none"), *options]) == 1
    assert run(["feedback", "export", *options]) == 1
    assert "expected feedback, got none" in capsys.readouterr().err
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("[]")
    assert run(["memory", "export", "--memory", str(tmp_path), "--model", str(broken)]) == 1
    assert "expected a model's name" in capsys.readouterr().err


def test_feedback_is_ranked_by_uncertainty(tiny_model: Path) -> None:
    tagger = Tagger.load(tiny_model, backend="onnx", threads=1)
    texts = ["Bob bought a toy Yoda", "the bank of Lisbon and SPAIN", "a", "Costa", "in the ."]
    right = tagger.tag(texts[0]).entities
    examples = [make_example(texts[0], [Taught(e.start, e.end, e.label) for e in right])]
    examples += [make_example(text, [Taught(0, len(text), "PER")]) for text in texts[1:]]
    ranked = rank(examples, tagger)
    values = [one.uncertainty for one in ranked]
    assert values == sorted(values, reverse=True)
    assert min(values) >= 0.0
    assert [one.agrees for one in ranked if one.example.text == texts[0]] == [True]
    assert len(chosen(ranked, most=2, mistakes=False)) == 2
    assert texts[0] not in [e.text for e in chosen(ranked, most=None, mistakes=True)]


def test_of_one_text_the_latest_feedback_counts(tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny" / FEEDBACK
    with AppendLog(path) as log:
        for label in ("LOC", "PER"):
            example = make_example("zorblax", [Taught(0, 7, label)])
            log.append([{"add": example.to_json(), "version": "0"}])
    (kept,) = read_feedback(path)
    assert kept.entities[0].label == "PER"
    output = tmp_path / "out.conll"
    options = ["--memory", str(tmp_path), "--model", str(tiny_model), "--output", str(output)]
    assert run(["feedback", "export", *options]) == 0
    assert "zorblax\tB-PER" in output.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_model_whose_name_is_no_folder_has_no_memory(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot have a folder"):
        shelf_files(tmp_path, name)


def test_broken_feedback_does_not_keep_the_examples_locked(tmp_path: Path) -> None:
    examples, feedback = shelf_files(tmp_path, "tiny")
    feedback.parent.mkdir()
    feedback.write_text("nonsense\n", encoding="utf-8")
    lessons = Lessons(tmp_path)
    with pytest.raises(ConfigError, match="line 1"):
        lessons.shelf("tiny")
    feedback.write_text(json.dumps({"add": {}}) + "\n", encoding="utf-8")
    assert len(lessons.shelf("tiny").examples) == 0
    assert lessons.shelf("tiny") is lessons.shelf("tiny")
    lessons.close()
    assert examples.is_file()
