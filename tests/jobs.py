"""Helpers for tests of batch jobs: shards without processes, the command as a process, outputs."""

import csv
import html
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from ner_service.batch.options import Options
from ner_service.batch.records import Record, ShardHead
from ner_service.batch.shards import Shard, ShardKey, cut, pack
from ner_service.batch.sources import Section, find_sources
from ner_service.batch.tagging import tag_shard
from ner_service.tagger import PreparedDocument
from ner_service.tags import Scheme, spans_from_tags
from ner_service.text import Tokens, lay_out
from tests.fakes import FakeTagger

Found = tuple[str, int, int, str, str]
"""Id, start, end, label and surface of an entity."""


class SentenceTagger(FakeTagger):
    """The fake, which also takes the sentences of documents that come as tokens."""

    def prepare_tokens(
        self, words: Sequence[str], starts: Sequence[int] | None = None
    ) -> PreparedDocument:
        text, tokens = Tokens.from_words(words)
        starts = ([0] if words else []) if starts is None else starts
        return PreparedDocument(text, tokens, lay_out(starts, len(tokens)))


def read_all(path: Path | str, **options: object) -> list[Record]:
    """The records of an input."""
    from ner_service.batch.shards import unpack

    settings = Options(**options)
    sources = tuple(find_sources([str(path)], settings))
    shards = cut(Section(0, sources), settings)
    return [record for shard in shards for record in unpack(shard.payload)]


def tag_records(records: list[Record], options: Options) -> tuple[ShardHead, bytes]:
    """Head and data of a shard, tagged by the fake."""
    shard = Shard(ShardKey(0, 0), pack(records), "digest", 0)
    data = tag_shard(SentenceTagger(), shard, options)
    head = data[: data.index(b"\n") + 1]
    return ShardHead.from_line(head), data[len(head) :]


def start_tag(*arguments: object, **settings: object) -> "subprocess.Popen[bytes]":
    """The command as a process."""
    command = [sys.executable, "-m", "ner_service", "tag", *map(str, arguments)]
    return subprocess.Popen(command, **settings)  # type: ignore[call-overload]


def run_tag(
    *arguments: object, stdin: bytes = b"", env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[bytes]":
    """Run the command to its end."""
    command = [sys.executable, "-m", "ner_service", "tag", *map(str, arguments)]
    return subprocess.run(
        command, input=stdin, capture_output=True, check=False, env={**os.environ, **(env or {})}
    )


def read_jsonl(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def entities_of(
    path: Path, output_format: str, texts: dict[str, str], scheme: Scheme = "BIO"
) -> set[Found]:
    """The entities that an output holds, read the way that a user of the format would.

    `scheme` is that of the tags in CoNLL columns.
    """
    if output_format == "conll":
        return set(_from_conll(path, texts, scheme))
    return set(_READERS[output_format](path, texts))


def _from_jsonl(path: Path, _: dict[str, str]) -> Iterable[Found]:
    for document in read_jsonl(path):
        for entity in document["entities"]:
            place = entity["start"], entity["end"]
            yield document["id"], *place, entity["label"], entity["text"]


def _from_csv(path: Path, _: dict[str, str]) -> Iterable[Found]:
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield row["id"], int(row["start"]), int(row["end"]), row["label"], row["text"]


def _from_parquet(path: Path, _: dict[str, str]) -> Iterable[Found]:
    for row in pq.read_table(path).to_pylist():
        for entity in row["entities"]:
            place = entity["start"], entity["end"]
            yield row["id"], *place, entity["label"], entity["text"]


def _from_conll(path: Path, texts: dict[str, str], scheme: Scheme) -> Iterable[Found]:
    identity, rows = "", []
    for line in [*path.read_text(encoding="utf-8").split("\n"), ""]:
        if line.startswith("# newdoc id = "):
            identity = line.removeprefix("# newdoc id = ")
        elif "\t" in line:
            rows.append(line.split("\t"))
        elif not line:
            for span in spans_from_tags([row[4] for row in rows], scheme):
                start = int(rows[span.start_token][1])
                end = int(rows[span.end_token - 1][2])
                yield identity, start, end, span.label, texts[identity][start:end]
            rows = []


def _from_brat(path: Path, _: dict[str, str]) -> Iterable[Found]:
    for notes in path.glob("*.ann"):
        text = notes.with_suffix(".txt").read_bytes().decode()
        for line in notes.read_text(encoding="utf-8").split("\n"):
            if line.startswith("T"):
                _, middle, _ = line.split("\t")
                label, places = middle.split(" ", 1)
                start, end = int(places.split()[0]), int(places.split()[-1])
                yield notes.stem, start, end, label, text[start:end]


def _from_html(path: Path, _: dict[str, str]) -> Iterable[Found]:
    page = path.read_text(encoding="utf-8")
    for article in re.finditer(r'<article data-id="(.*?)">(.*?)</article>', page, re.DOTALL):
        marks = re.finditer(
            r'<mark class="\w+" data-label="(.*?)" data-start="(\d+)" data-end="(\d+)"'
            r"[^>]*>(.*?)</mark>",
            article[2],
            re.DOTALL,
        )
        for mark in marks:
            place = int(mark[2]), int(mark[3])
            yield html.unescape(article[1]), *place, mark[1], html.unescape(mark[4])


_READERS = {
    "jsonl": _from_jsonl,
    "csv": _from_csv,
    "parquet": _from_parquet,
    "brat": _from_brat,
    "html": _from_html,
}


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process at once, as a power cut would."""
    process.send_signal(signal.SIGKILL)
    process.communicate()
