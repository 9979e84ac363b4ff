import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ner_service.errors import ConfigError
from ner_service.memory import Example, ExampleStore, Taught, make_example
from ner_service.memory.log import AppendLog, read_log
from ner_service.memory.store import read_examples
from ner_service.text import tokenize

WRITER = """
import os, signal, sys
from pathlib import Path
from ner_service.memory import ExampleStore, Taught, make_example
store = ExampleStore(Path(sys.argv[1]))
for number in range(5):
    example = make_example(f"Bob {number} left.", [Taught(0, 3, "PER")])
    store.add([example])
    print(example.id, flush=True)
store._log._file.write(b'{"add":{"id":"half')
store._log._file.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def bob(text: str = "Bob left.") -> Example:
    return make_example(text, [Taught(0, 3, "PER")])


def test_examples_survive_closing_and_opening(tmp_path: Path) -> None:
    path = tmp_path / "memory" / "examples.jsonl"
    store = ExampleStore(path)
    first, second = bob(), bob("Bob stayed.")
    store.add([first, second])
    assert [e.id for e in store.delete([first.id, "unknown", first.id])] == [first.id]
    store.close()
    again = ExampleStore(path)
    assert list(again) == [second]
    assert again.get(second.id) == second
    assert again.get(first.id) is None
    assert len(again) == 1
    again.close()


def test_killed_process_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    told = done.stdout.split()
    assert len(told) == 5
    assert [e.id for e in read_examples(path)] == told  # with the broken line still there
    store = ExampleStore(path)
    assert [e.id for e in store] == told
    store.add([bob()])  # behind a sound line, not behind half of one
    store.close()
    assert len(read_examples(path)) == 6


def test_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    store = ExampleStore(path)
    with pytest.raises(ConfigError, match="another process uses it"):
        ExampleStore(path)
    store.close()
    ExampleStore(path).close()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "line 1: expected a JSON object"),
        ("[1]", "line 1: expected a JSON object"),
        ('{"what": 1}', "line 1: expected an example"),
        ('{"add": {"id": "a"}}', "line 1: expected an example"),
    ],
)
def test_broken_file_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "examples.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        ExampleStore(path)
    with pytest.raises(ConfigError, match=message):
        read_examples(path)
    path.write_text("")
    ExampleStore(path).close()  # the refused one has let it go


def test_log_says_what_it_cannot_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be opened"):
        AppendLog(tmp_path / "file" / "log")
    assert read_log(tmp_path / "none") == []
    with pytest.raises(ConfigError, match="cannot be read"):
        read_log(tmp_path)


def test_refused_record_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with AppendLog(tmp_path / "log") as log:
        log.append([{"a": "ä"}])
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(ConfigError, match="No space left"):
                log.append([{"b": 1}])
        log.append([{"c": 1}])
    assert read_log(tmp_path / "log") == [{"a": "ä"}, {"c": 1}]


def test_example_is_the_same_behind_json() -> None:
    for example in (bob(), make_example("Bob left .", [Taught(0, 3, "PER")], ["Bob", "left", "."])):
        assert Example.from_json(json.loads(json.dumps(example.to_json()))) == example


@pytest.mark.parametrize(
    ("text", "entities", "message"),
    [
        (" \n", [], "text: expected more than white space"),
        ("Bob", [Taught(0, 4, "PER")], r"entities.0: expected 0 <= start < end <= 3, got 0 and 4"),
        ("Bob", [Taught(2, 2, "PER")], "entities.0: expected 0 <= start"),
        ("Bob", [Taught(0, 3, "a b")], "entities.0.label: expected a letter"),
        ("Bob", [Taught(0, 3, "")], "entities.0.label"),
        ("Bob", [Taught(0, 3, "PER"), Taught(2, 3, "LOC")], "entities.1: expected no overlap"),
    ],
)
def test_unfit_example_is_refused(text: str, entities: list[Taught], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_example(text, entities)


def test_entity_inside_a_token_is_refused() -> None:
    text = "Bobby left."
    with pytest.raises(ConfigError, match=r"entities.0: expected an entity of whole tokens"):
        make_example(text, [Taught(0, 3, "PER")]).spans(tokenize(text))
