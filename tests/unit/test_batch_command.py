"""The command line of a job, as far as it goes without tagging."""

import io
from pathlib import Path

import pytest
import typer

from ner_service.batch.command import early_nursery, parse_threshold
from ner_service.batch.plan import Summary
from ner_service.batch.progress import Progress, describe_summary, write_summary
from ner_service.batch.records import ShardHead
from ner_service.errors import NerError
from tests.jobs import run_tag


def test_a_threshold_is_a_number_or_one_a_label():
    assert parse_threshold([]) == 0.0
    assert parse_threshold(["0.5"]) == 0.5
    assert parse_threshold(["PER=0.5", "LOC=1"]) == {"PER": 0.5, "LOC": 1.0}


@pytest.mark.parametrize("values", [["x"], ["2"], ["PER="], ["nan"], ["-0.1"], ["0.5", "PER=0.5"]])
def test_any_other_threshold_is_refused(values: list[str]):
    with pytest.raises(typer.BadParameter, match="--threshold: expected"):
        parse_threshold(values)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("a.txt", "--workers", "0"), 2),
        (("a.txt", "--precision", "quarter"), 2),
        (("a.txt", "--threshold", "x"), 2),
        (("a.txt", "--no-such-option"), 2),
        (("none.txt", "--model", "no-such-model"), 1),
    ],
)
def test_errors_are_one_line_and_usage_errors_are_told_apart(arguments: tuple[str, ...], code: int):
    done = run_tag(*arguments)
    assert done.returncode == code
    assert done.stdout == b""
    assert done.stderr.startswith(b"ner-service: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("arguments", "starts"),
    [
        (["tag", "in.txt", "--engine", "local"], True),
        (["tag", "in.txt", "--engine", "ray"], False),
        (["tag", "--help"], False),
        (["models"], False),
        ([], False),
    ],
)
def test_workers_begin_to_start_where_some_will_be_needed(arguments: list[str], starts: bool):
    with early_nursery(arguments) as nursery:
        assert (nursery is not None) == starts


def test_a_summary_is_one_line_for_people():
    summary = Summary({"name": "x", "version": "y"}, seconds=2.0)
    summary.add(ShardHead("d", 1500, 20_000, {"PER": 3, "LOC": 2}, []))
    summary.add(ShardHead("d", 1, 1, {"PER": 1}, []), kept=True)
    assert describe_summary(summary) == (
        "1,501 documents, 20,001 words, 6 entities (LOC 2, PER 4), 0 rejected, 2.0 s, "
        "1 of 2 shards kept"
    )
    assert list(summary.to_dict()["entities"]) == ["LOC", "PER"]
    assert Summary.of_finished(summary.to_dict()).shards_kept == 2


def test_a_summary_that_cannot_be_written_is_an_error(tmp_path: Path):
    with pytest.raises(NerError, match="none/summary.json: No such file"):
        write_summary(tmp_path / "none" / "summary.json", Summary({}))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_a_pipe_lines(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("ner_service.batch.progress._SECONDS_BETWEEN_LINES", 0.0)
    summary = Summary({})
    summary.add(ShardHead("d", 1500, 20_000, {}, []))
    drawn = {}
    for stream in (Terminal(), io.StringIO()):
        with Progress(100, stream=stream) as progress:
            progress.update(summary, 50)
            progress.say("by the way")
        drawn[stream.isatty()] = stream.getvalue()
    assert "\x1b[" in drawn[True]
    assert "1,500 documents" in drawn[True]
    assert "\x1b[" not in drawn[False]
    assert drawn[False].startswith("ner-service: 50%, 1,500 documents, ")
    assert drawn[False].endswith("ner-service: by the way\n")


def test_quiet_is_quiet():
    stream = Terminal()
    with Progress(100, quiet=True, stream=stream) as progress:
        progress.update(Summary({}), 50)
        progress.say("by the way")
    assert stream.getvalue() == ""
