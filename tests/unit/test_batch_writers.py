"""Every output format holds the same entities, the ids, the model's name and version."""

import gzip
import io
import json
from pathlib import Path

import pytest
import zstandard

from ner_service.batch.options import InputFormat, Options, OutputFormat
from ner_service.batch.output import assemble
from ner_service.batch.records import Record
from ner_service.batch.storage import LocalStorage
from ner_service.tagger import ModelInfo
from tests.fakes import LABELS
from tests.jobs import Found, entities_of, tag_records

MODEL = ModelInfo("fake", "0123456789ab", "IOBES", LABELS, ())
TEXTS = {
    "plain": "Bob bought a toy Yoda.",
    "two": "Ann met Bob. They saw\nParis, in <France>.\r\n\r\nThe \U0001f600 End",
    "none": "nothing here, it is all lower",
    "empty": "",
    "café": 'Zo\u0308e \u05d0 \u202bLondon\u202c O\'Brien & "Sons"',
}
EXPECTED: set[Found] = {
    ("plain", 0, 3, "PER", "Bob"),
    ("plain", 17, 21, "PER", "Yoda"),
    ("two", 0, 3, "PER", "Ann"),
    ("two", 8, 11, "PER", "Bob"),
    ("two", 13, 17, "PER", "They"),
    ("two", 22, 27, "LOC", "Paris"),
    ("two", 33, 39, "PER", "France"),
    ("two", 45, 48, "PER", "The"),
    ("two", 51, 54, "PER", "End"),
    ("café", 0, 4, "PER", "Zo\u0308e"),
    ("café", 8, 14, "LOC", "London"),
    ("café", 16, 23, "PER", "O'Brien"),
    ("café", 27, 31, "PER", "Sons"),
}


def records(**more: object) -> list[Record]:
    return [
        Record("a.jsonl", line, "json", json.dumps({"id": name, "text": text, **more}).encode())
        for line, (name, text) in enumerate(TEXTS.items(), start=1)
    ]


def write(folder: Path, options: Options, items: list[Record] | None = None) -> Path:
    """Tag in two shards and join them."""
    items = records() if items is None else items
    storage = LocalStorage()
    paths = []
    for number, part in enumerate((items[:2], items[2:])):
        head, data = tag_records(part, options)
        path = folder / f"{number}.shard"
        path.write_bytes(head.to_line() + data)
        paths.append(str(path))
    output = folder / "out"
    assemble(storage, paths, str(output), str(folder), MODEL, options)
    return output


@pytest.mark.parametrize("output_format", ["jsonl", "csv", "parquet", "conll", "brat", "html"])
def test_every_format_holds_the_same_entities(tmp_path: Path, output_format: OutputFormat):
    path = write(tmp_path, Options(output_format=output_format))
    found = entities_of(path, output_format, TEXTS)
    assert found == EXPECTED


@pytest.mark.parametrize("output_format", ["jsonl", "csv", "parquet", "conll", "brat", "html"])
def test_every_format_names_the_model(tmp_path: Path, output_format: OutputFormat):
    path = write(tmp_path, Options(output_format=output_format))
    files = list(path.iterdir()) if path.is_dir() else [path]
    if output_format == "parquet":
        import pyarrow.parquet as pq

        row = pq.read_table(path).to_pylist()[0]
        assert (row["model"], row["model_version"]) == ("fake", "0123456789ab")
        return
    written = b"".join(file.read_bytes() for file in files)
    assert b"fake" in written
    assert b"0123456789ab" in written


def test_json_lines_keep_order_ids_and_fields(tmp_path: Path):
    items = records(title="<T>", n=1)
    path = write(tmp_path, Options(keep=("title", "n")), items)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["id"] for line in lines] == list(TEXTS)
    assert list(lines[0]) == ["id", "title", "n", "model", "entities"]
    assert lines[0] == {
        "id": "plain",
        "title": "<T>",
        "n": 1,
        "model": {"name": "fake", "version": "0123456789ab"},
        "entities": [
            {"text": "Bob", "label": "PER", "start": 0, "end": 3, "score": 0.9},
            {"text": "Yoda", "label": "PER", "start": 17, "end": 21, "score": 0.9},
        ],
    }


def test_fields_passed_through_stand_in_every_format(tmp_path: Path):
    formats: tuple[OutputFormat, ...] = ("csv", "conll", "html", "parquet")
    for output_format in formats:
        folder = tmp_path / output_format
        folder.mkdir()
        options = Options(output_format=output_format, keep=("title", "n"))
        path = write(folder, options, records(title="kept-one", n={"deep": 2}))
        data = path.read_bytes()
        assert b"kept-one" in data
        assert b"deep" in data


def test_columns_hold_sentences_and_any_scheme():
    words = ["Ann", "Bob", "Cid", "left", "Eve"]
    data = b"Ann\nBob\n\nCid\nleft\n\nEve"
    for scheme, tags in {
        "BIO": ["B-PER", "B-PER", "B-PER", "O", "B-PER"],
        "IOB1": ["I-PER", "B-PER", "I-PER", "O", "I-PER"],
        "IOBES": ["S-PER", "S-PER", "S-PER", "O", "S-PER"],
    }.items():
        options = Options(output_format="conll", scheme=scheme)
        _, written = tag_records([Record("a.conll", 1, "conll", data)], options)
        lines = written.decode().splitlines()
        assert lines[0] == "# newdoc id = a.conll:1"
        rows = [line.split("\t") for line in lines[1:] if line]
        assert [row[0] for row in rows] == words
        assert [row[4] for row in rows] == tags
        assert [number for number, line in enumerate(lines[1:]) if not line] == [2, 5, 7]
        assert rows[0] == ["Ann", "0", "3", "0.9", tags[0]]


def test_offsets_come_in_the_unit_asked_for():
    text = {"id": "a", "text": "\U0001f600 Bob"}
    record = Record("a.jsonl", 1, "json", json.dumps(text).encode())
    for unit, start in {"codepoint": 2, "utf16": 3, "byte": 5}.items():
        _, data = tag_records([record], Options(offset_unit=unit))
        entity = json.loads(data)["entities"][0]
        assert (entity["start"], entity["end"], entity["text"]) == (start, start + 3, "Bob")
        _, data = tag_records([record], Options(offset_unit=unit, output_format="conll"))
        assert f"Bob\t{start}\t{start + 3}\t" in data.decode()


def test_labels_and_threshold_drop_entities_in_every_format(tmp_path: Path):
    only_places = {entity for entity in EXPECTED if entity[3] == "LOC"}
    formats: tuple[OutputFormat, ...] = ("jsonl", "csv", "parquet", "conll", "brat", "html")
    for output_format in formats:
        for number, options in enumerate(
            (
                Options(output_format=output_format, labels=("LOC",)),
                Options(output_format=output_format, threshold={"PER": 0.95}),
            )
        ):
            folder = tmp_path / f"{output_format}{number}"
            folder.mkdir()
            assert entities_of(write(folder, options), output_format, TEXTS) == only_places


def test_a_name_across_a_line_break_is_discontinuous_in_brat():
    from ner_service.batch.brat import _fragments
    from ner_service.entities import Entity

    text = "in New\r\nYork"
    assert list(_fragments(Entity("New\r\nYork", "LOC", 3, 12, 0.9), text)) == [(3, 6), (8, 12)]


def test_brat_files_of_equal_or_unsafe_ids_do_not_overwrite_each_other(tmp_path: Path):
    names = ["a/b", "a_b", "../x", "", "..", "a.txt", "a"]
    items = [
        Record("s", line, "json", json.dumps({"id": name, "text": f"Bob {line}"}).encode())
        for line, name in enumerate(names)
    ]
    folder = write(tmp_path, Options(output_format="brat"), items)
    texts = {path.read_text() for path in folder.glob("*.txt")}
    assert texts == {f"Bob {line}" for line in range(len(names))}
    assert "PER" in (folder / "annotation.conf").read_text()


def test_a_page_escapes_what_it_shows():
    fields = {"id": "<b>", "text": "<script> Bob & </script>"}
    record = Record("s", 1, "json", json.dumps(fields).encode())
    _, data = tag_records([record], Options(output_format="html"))
    assert b"<script>" not in data
    assert b"<b>" not in data


@pytest.mark.parametrize("compression", ["gz", "zst"])
def test_outputs_are_compressed_as_their_names_say(tmp_path: Path, compression: str):
    plain = write(tmp_path, Options(output_format="csv")).read_bytes()
    (tmp_path / "c").mkdir()
    path = write(tmp_path / "c", Options(output_format="csv", compression=compression))
    if compression == "gz":
        assert gzip.decompress(path.read_bytes()) == plain
    else:
        reader = zstandard.ZstdDecompressor().stream_reader(
            io.BytesIO(path.read_bytes()), read_across_frames=True
        )
        assert reader.read() == plain


def test_rejects_are_counted_beside_the_tagged():
    items = [*records(), Record("a.jsonl", 9, "json", b"{"), Record("b", 2, "text", b"", "damaged")]
    head, _ = tag_records(items, Options())
    assert (head.documents, len(head.rejects)) == (5, 2)
    assert str(head.rejects[1]) == "b, line 2: damaged"
    assert head.entities == {"PER": 11, "LOC": 2}


def test_a_format_that_a_stream_of_words_comes_in_writes_the_same():
    inputs: dict[InputFormat, bytes] = {
        "conll": b"Bob\nleft",
        "jsonl": b'{"id": "a.conll:1", "tokens": ["Bob", "left"]}',
    }
    written = {
        tag_records(
            [Record("a.conll", 1, "conll" if name == "conll" else "json", data)], Options()
        )[1]
        for name, data in inputs.items()
    }
    assert len(written) == 1
