"""Shards: what is cut depends on the input and the options alone, and nothing gets lost."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.batch.options import Options
from ner_service.batch.records import Record
from ner_service.batch.shards import ShardKey, check_unchanged, cut, pack, place_of, unpack
from ner_service.batch.sources import Section, Source, find_sources, make_sections
from ner_service.errors import NerError

RECORDS = st.builds(
    Record,
    source=st.sampled_from(["a.jsonl", "b/ü.txt", "a\nb"]),
    line=st.integers(1, 10**9),
    kind=st.sampled_from(["json", "text", "conll"]),
    data=st.binary(max_size=50),
    fault=st.text(max_size=10),
)


@given(st.lists(RECORDS))
def test_packed_records_come_out_as_they_went_in(records: list[Record]):
    assert unpack(pack(records)) == records


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_names_of_shards_sort_like_their_keys(a: int, b: int, c: int, d: int):
    one, two = ShardKey(a, b), ShardKey(c, d)
    assert ShardKey.parse(str(one)) == one
    assert (str(one) < str(two)) == (one < two)


def lines(count: int, start: int = 0) -> bytes:
    return b"".join(b'{"text": "Bob %d"}\n' % number for number in range(start, start + count))


def shards_of(folder: Path, **options: int) -> list[tuple[str, list[int]]]:
    settings = Options(input_format="jsonl", **options)
    sections = make_sections(find_sources([str(folder)], settings))
    return [
        (str(shard.key), [record.line for record in unpack(shard.payload)])
        for section in sections
        for shard in cut(section, settings)
    ]


def test_a_shard_ends_at_its_documents_or_its_bytes_and_may_span_files(tmp_path: Path):
    (tmp_path / "a").write_bytes(lines(5))
    (tmp_path / "b").write_bytes(lines(2))
    assert shards_of(tmp_path, shard_documents=3) == [
        ("0000000-0000000", [1, 2, 3]),
        ("0000000-0000001", [4, 5, 1]),
        ("0000000-0000002", [2]),
    ]
    assert [place for _, place in shards_of(tmp_path, shard_bytes=40)] == [
        [1, 2, 3],
        [4, 5, 1],
        [2],
    ]


def test_bytes_consumed_add_up_to_the_input(tmp_path: Path):
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(lines(1000))
    options = Options(input_format="jsonl", shard_documents=70)
    sources = find_sources([str(tmp_path)], options)
    total = sum(shard.consumed for shard in cut(Section(0, tuple(sources)), options))
    assert total == sum(source.size or 0 for source in sources)


def test_consecutive_inputs_are_grouped_up_to_a_size():
    sizes = {"a": 1, "b": 2, "c": 2**30, "d": 3}
    sources = [Source(name, "text", "", size) for name, size in sizes.items()]
    grouped = [[source.name for source in section.sources] for section in make_sections(sources)]
    assert grouped == [["a", "b"], ["c"], ["d"]]
    assert [section.number for section in make_sections(sources)] == [0, 1, 2]


def test_a_shard_of_another_content_is_no_longer_the_one_that_was_kept(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(2))
    options = Options()
    (before,) = cut(Section(0, tuple(find_sources([str(path)], options))), options)
    path.write_bytes(lines(2, start=5))
    (after,) = cut(Section(0, tuple(find_sources([str(path)], options))), options)
    kept = {before.key: before.digest}
    check_unchanged(before, kept)
    with pytest.raises(NerError, match=r"a\.jsonl, lines 1 to 2: changed since the job began"):
        check_unchanged(after, kept)


@pytest.mark.parametrize("change", ["grown", "rewritten"])
def test_an_input_that_changes_while_it_is_read_stops_the_job(tmp_path: Path, change: str):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(100))
    options = Options(shard_documents=10)
    shards = cut(Section(0, tuple(find_sources([str(path)], options))), options)
    next(shards)
    if change == "grown":
        with path.open("ab") as file:
            file.write(b"x" * 10)
        expected = "changed while it was read: 1890 bytes at the start, 1900 now"
    else:
        with path.open("r+b") as file:
            file.write(b"x")
        expected = "changed while it was read"
    with pytest.raises(NerError, match=expected):
        list(shards)


def test_an_input_that_vanishes_is_named(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(1))
    options = Options()
    sources = tuple(find_sources([str(path)], options))
    path.unlink()
    with pytest.raises(NerError, match=r"a\.jsonl: No such file or directory"):
        list(cut(Section(0, sources), options))


def test_places_are_told_for_people():
    one = Record("a", 3, "text", b"")
    assert place_of(pack([one])) == "a, line 3"
    assert place_of(pack([one, Record("a", 9, "text", b"")])) == "a, lines 3 to 9"
    assert place_of(pack([one, Record("b", 1, "text", b"")])) == "a to b"


def test_options_survive_the_way_to_a_worker():
    from ner_service.batch.worker import WorkerSettings

    options = Options(keep=("a", "b"), labels=("PER",), threshold={"PER": 0.5})
    settings = WorkerSettings("/models/x", "0123", options)
    assert WorkerSettings.from_json(settings.to_json()) == settings
    assert json.loads(settings.to_json())["version"] == "0123"
