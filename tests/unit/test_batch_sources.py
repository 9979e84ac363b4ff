"""Inputs: files, folders, globs; formats and compressions by name."""

import os
from pathlib import Path

import pytest

from ner_service.batch.names import input_format_of, output_format_of
from ner_service.batch.options import Options
from ner_service.batch.sources import describe, find_sources, latest_change
from ner_service.errors import NerError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("in/b.txt", "in/a.jsonl", "in/deep/c.csv.gz", "in/.hidden", "in/.git/x", "d.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("Bob")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*inputs: str) -> list[str]:
    return [source.name for source in find_sources(inputs, Options())]


@pytest.mark.usefixtures("folder")
def test_a_folder_is_all_files_below_it_by_name():
    assert names("in") == ["in/a.jsonl", "in/b.txt", "in/deep/c.csv.gz"]


@pytest.mark.usefixtures("folder")
def test_a_glob_is_expanded_here_too():
    assert names("in/*.*") == ["in/a.jsonl", "in/b.txt"]
    assert names("**/*.txt") == ["d.txt", "in/b.txt"]


@pytest.mark.usefixtures("folder")
def test_inputs_stay_in_the_order_given():
    assert names("in/b.txt", "d.txt", "in/a.jsonl") == ["in/b.txt", "d.txt", "in/a.jsonl"]


def test_a_file_whose_name_looks_like_a_glob_is_a_file(folder: Path):
    (folder / "a[1].txt").write_text("Bob")
    assert names("a[1].txt") == ["a[1].txt"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", ["none.txt", "in/*.xml", "in/.git/none"])
def test_an_input_that_is_not_there_is_an_error(name: str):
    with pytest.raises(NerError, match="expected a file, a folder or a glob of files, found none"):
        names(name)


@pytest.mark.usefixtures("folder")
def test_folders_leave_out_the_jobs_own_files():
    found = find_sources(["in"], Options(), is_own=lambda name: name.endswith(".jsonl"))
    assert [source.name for source in found] == ["in/b.txt", "in/deep/c.csv.gz"]
    with pytest.raises(NerError, match="expected an input, got the job's own output"):
        find_sources(["d.txt"], Options(), is_own=lambda name: name == "d.txt")


def test_streams_have_no_size(folder: Path):
    os.mkfifo(folder / "pipe")
    assert [source.size for source in find_sources(["-", "pipe", "d.txt"], Options())] == [
        None,
        None,
        3,
    ]
    with pytest.raises(NerError, match="expected standard input once"):
        find_sources(["-", "-"], Options())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", ("text", "")),
        ("a", ("text", "")),
        ("a.JSONL", ("jsonl", "")),
        ("s3://b/a.jsonl.zst", ("jsonl", "zst")),
        ("a.csv.gz", ("csv", "gz")),
        ("a.gz", ("text", "gz")),
        ("a.parquet", ("parquet", "")),
        ("eng.iob2", ("conll", "")),
    ],
)
def test_a_name_tells_the_format_of_an_input(name: str, expected: tuple[str, str]):
    assert input_format_of(name) == expected


def test_a_name_tells_the_format_of_the_output():
    assert output_format_of(None) == ("jsonl", "")
    assert output_format_of("a.html") == ("html", "")
    assert output_format_of("a.csv.gz") == ("csv", "gz")
    assert output_format_of("folder.brat") == ("brat", "")
    assert output_format_of("what.ever") == ("jsonl", "")


@pytest.mark.usefixtures("folder")
def test_a_format_that_is_given_counts_more_than_names():
    sources = find_sources(["in"], Options(input_format="conll"))
    assert {source.format for source in sources} == {"conll"}


def test_a_change_of_any_input_shows(folder: Path):
    before = find_sources(["in"], Options())
    assert describe(before) == describe(find_sources(["in"], Options()))
    (folder / "in/b.txt").write_text("Bobby")
    after = find_sources(["in"], Options())
    assert describe(before) != describe(after)
    assert latest_change(after) > latest_change(before)
