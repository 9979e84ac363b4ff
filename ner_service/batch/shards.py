"""Shards: what is tagged as one, kept as one and resumed as one.

Where a shard ends depends on the input and the options alone, never on time or on workers.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ner_service.batch.options import Options
from ner_service.batch.readers import read_records
from ner_service.batch.records import Record
from ner_service.batch.sources import Section
from ner_service.batch.streams import open_source
from ner_service.errors import NerError


@dataclass(frozen=True, slots=True, order=True)
class ShardKey:
    """Place of a shard: the section of the inputs, and the number within it."""

    section: int
    number: int

    def __str__(self) -> str:
        """As it stands in file names; the order of names is that of the keys."""
        return f"{self.section:07d}-{self.number:07d}"

    @classmethod
    def parse(cls, text: str) -> "ShardKey":
        """Read what `str` writes."""
        section, number = text.split("-")
        return cls(int(section), int(number))


@dataclass(frozen=True, slots=True)
class Shard:
    """Records to be tagged.

    Attributes:
        key: its place.
        payload: the records, packed.
        digest: of the payload.
        consumed: bytes read of the inputs, as stored, since the shard before.
    """

    key: ShardKey
    payload: bytes
    digest: str
    consumed: int


@dataclass(frozen=True, slots=True)
class Done:
    """A shard that is finished.

    Attributes:
        key: its place.
        consumed: as the shard's.
        data: head and output; None if it was finished before this run.
    """

    key: ShardKey
    consumed: int
    data: bytes | None


def check_unchanged(shard: Shard, kept: Mapping[ShardKey, str]) -> None:
    """Compare a shard with the one of the same place that was finished before.

    Raises:
        NerError: the input has changed since.
    """
    if kept[shard.key] != shard.digest:
        raise NerError(
            f"{place_of(shard.payload)}: changed since the job began; --fresh starts over"
        )


def place_of(payload: bytes) -> str:
    """Where the records of a payload come from, for messages."""
    records = unpack(payload)
    first, last = records[0], records[-1]
    if len(records) == 1:
        return f"{first.source}, line {first.line}"
    if first.source == last.source:
        return f"{first.source}, lines {first.line} to {last.line}"
    return f"{first.source} to {last.source}"


def cut(section: Section, options: Options) -> Iterator[Shard]:
    """Read a section and cut it into shards."""
    number = 0
    consumed = reported = 0
    records: list[Record] = []
    size = 0
    for source in section.sources:
        with open_source(source) as opened:
            for record in read_records(source, opened, options):
                records.append(record)
                size += len(record.data)
                if size >= options.shard_bytes or len(records) >= options.shard_documents:
                    position = consumed + opened.consumed
                    yield _shard(ShardKey(section.number, number), records, position - reported)
                    number, reported = number + 1, position
                    records, size = [], 0
        consumed += source.size or opened.consumed
    if records:
        yield _shard(ShardKey(section.number, number), records, consumed - reported)


def pack(records: list[Record]) -> bytes:
    """Records as one line of JSON, which tells how to cut what follows, and their data."""
    sources = list(dict.fromkeys(record.source for record in records))
    places = {name: place for place, name in enumerate(sources)}
    rows = [
        (places[record.source], record.line, record.kind, len(record.data), record.fault)
        for record in records
    ]
    head = json.dumps({"sources": sources, "records": rows}).encode()
    return b"".join((head, b"\n", *(record.data for record in records)))


def unpack(payload: bytes) -> list[Record]:
    """Undo `pack`."""
    end = payload.index(b"\n")
    head = json.loads(payload[:end])
    position = end + 1
    records = []
    for place, line, kind, length, fault in head["records"]:
        data = payload[position : position + length]
        records.append(Record(head["sources"][place], line, kind, data, fault))
        position += length
    return records


def _shard(key: ShardKey, records: list[Record], consumed: int) -> Shard:
    payload = pack(records)
    digest = hashlib.blake2b(payload, digest_size=16).hexdigest()
    return Shard(key, payload, digest, consumed)
