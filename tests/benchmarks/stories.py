"""All stories in every input and output format: the entities must be the same in all of them.

`python -m tests.benchmarks.stories` tags the corpus once a pair of formats and compares sets of
(story, start, end, label, surface). Full precision, where nothing depends on how shards are cut.
Exit code 1 if any set differs.

A line holds no newline and a paragraph no blank line, so two more references are needed: one of all
stories in one line each, and one of the few stories with blank lines, without these. CoNLL columns
are what a first pass over the raw text wrote, tags taken off: the same tokens and sentences, whose
offsets are then those of the story again.
"""

import argparse
import csv
import gzip
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from ner_service.tags import Scheme
from tests.benchmarks.bench import DATA, read_stories, say
from tests.jobs import Found, entities_of, run_tag

SHOWN = 5
"""Differences told of each pair."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One pass over the stories.

    Attributes:
        name: of the input and the output, for the table.
        source: file or folder to read.
        output: file or folder to write; its name tells the format.
        options: of the command.
        scheme: of the tags, where the output has any.
        story_of: the story's number from the id in the output.
        reference: which entities are expected.
    """

    name: str
    source: Path
    output: Path
    options: tuple[str, ...] = ()
    scheme: Scheme = "BIO"
    story_of: Callable[[str], str] = str
    reference: str = "stories"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    begun = time.monotonic()
    texts = read_stories(options.texts, options.stories)
    with tempfile.TemporaryDirectory(prefix="stories-", dir=options.work) as work:
        comparison = Comparison(Path(work), texts, options.model, options.workers)
        differing = comparison.run()
    say(
        f"{len(texts):,} stories, {len(comparison.counts)} pairs of formats, "
        f"{differing} differing, {time.monotonic() - begun:.0f} s"
    )
    return 1 if differing else 0


class Comparison:
    """Writes the inputs, tags them, and compares what came out with the first pass."""

    def __init__(self, work: Path, texts: Sequence[str], model: str, workers: int) -> None:
        self._work, self._model, self._workers = work, model, workers
        self._texts = {str(number): text for number, text in enumerate(texts)}
        flat = {number: " ".join(text.split("\n")) for number, text in self._texts.items()}
        solid = {number: without_blank_lines(text) for number, text in self._texts.items()}
        self._variants = {"stories": self._texts, "lines": flat, "paragraphs": solid}
        self._expected: dict[str, set[Found]] = {}
        self.counts: dict[str, int] = {}

    def run(self) -> int:
        """Go through all pairs; how many differ."""
        inputs = self._write_inputs()
        self._refer("stories", inputs["jsonl"], self._work / "reference.jsonl")
        self._refer("lines", inputs["lines.jsonl"], self._work / "lines.conll", "IOBES")
        self._refer("paragraphs", inputs["changed.jsonl"], self._work / "changed.jsonl.out.jsonl")
        changed = {n for n, text in self._variants["paragraphs"].items() if text != self._texts[n]}
        self._expected["paragraphs"] |= {
            found for found in self._expected["stories"] if found[0] not in changed
        }
        return sum(not self._agrees(pair) for pair in self._pairs(inputs)) + (
            not self._columns_agree()
        )

    def _pairs(self, inputs: dict[str, Path]) -> list[Pair]:
        firsts = self._first_lines()
        out = self._work
        return [
            Pair("jsonl.gz -> parquet", inputs["jsonl.gz"], out / "a.parquet"),
            Pair("jsonl.zst -> conll BIO", inputs["jsonl.zst"], out / "bio.conll"),
            Pair("csv -> brat", inputs["csv"], out / "brat", ("--output-format", "brat")),
            Pair("csv.gz -> csv.zst", inputs["csv.gz"], out / "a.csv.zst"),
            Pair("tsv -> conll IOB1", inputs["tsv"], out / "iob1.conll", scheme="IOB1"),
            Pair("parquet -> html", inputs["parquet"], out / "a.html"),
            Pair(
                "text, a document a file -> csv",
                inputs["files"],
                out / "files.csv",
                story_of=lambda found: str(int(Path(found).stem)),
            ),
            Pair(
                "text, a document a line, zst -> jsonl.gz",
                inputs["lines.txt.zst"],
                out / "lines.jsonl.gz",
                ("--unit", "line"),
                story_of=lambda found: str(int(found.rpartition(":")[2]) - 1),
                reference="lines",
            ),
            Pair(
                "text, a document a paragraph, gz -> html.gz",
                inputs["paragraphs.txt.gz"],
                out / "paragraphs.html.gz",
                ("--unit", "paragraph"),
                story_of=lambda found: firsts[int(found.rpartition(":")[2])],
                reference="paragraphs",
            ),
        ]

    def _write_inputs(self) -> dict[str, Path]:
        work, texts = self._work, self._texts
        rows = [{"id": number, "text": text} for number, text in texts.items()]
        flat = self._variants["lines"]
        solid = self._variants["paragraphs"]
        paths = {
            "jsonl": _write_lines(work / "in.jsonl", rows),
            "lines.jsonl": _write_lines(
                work / "flat.jsonl", [{"id": n, "text": text} for n, text in flat.items()]
            ),
            "changed.jsonl": _write_lines(
                work / "changed.jsonl",
                [{"id": n, "text": text} for n, text in solid.items() if text != texts[n]],
            ),
            "files": work / "files",
            "parquet": work / "in.parquet",
        }
        paths["files"].mkdir()
        for number, text in texts.items():
            (paths["files"] / f"{int(number):05d}.txt").write_bytes(text.encode())
        pq.write_table(pa.Table.from_pylist(rows), paths["parquet"])
        for suffix, delimiter in (("csv", ","), ("tsv", "\t")):
            paths[suffix] = work / f"in.{suffix}"
            with paths[suffix].open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, delimiter=delimiter)
                writer.writerows([("id", "text"), *texts.items()])
        lines = work / "lines.txt"
        lines.write_bytes("".join(f"{text}\n" for text in flat.values()).encode())
        paragraphs = work / "paragraphs.txt"
        paragraphs.write_bytes("".join(f"{text}\n\n" for text in solid.values()).encode())
        for plain, suffix in (
            (paths["jsonl"], "gz"),
            (paths["jsonl"], "zst"),
            (paths["csv"], "gz"),
            (lines, "zst"),
            (paragraphs, "gz"),
        ):
            name = plain.name.removeprefix("in.")
            paths[f"{name}.{suffix}"] = _pack(plain, suffix)
        return paths

    def _first_lines(self) -> dict[int, str]:
        """The story whose paragraph begins in a line."""
        firsts, line = {}, 1
        for number, text in self._variants["paragraphs"].items():
            firsts[line] = number
            line += text.count("\n") + 2
        return firsts

    def _refer(self, name: str, source: Path, output: Path, scheme: Scheme = "BIO") -> None:
        """Tag what others are compared with; in a format of its own, to have tested that too."""
        title = f"{name}: {source.suffix[1:]} -> {output.suffix[1:]}"
        pair = Pair(title, source, output, scheme=scheme, reference=name)
        self._expected[name] = self._tagged(pair)
        say(f"reference {pair.name}: {self.counts[pair.name]:,} entities")

    def _agrees(self, pair: Pair) -> bool:
        return self._compare(pair.name, self._tagged(pair), self._expected[pair.reference])

    def _compare(self, name: str, found: set[Found], expected: set[Found]) -> bool:
        missing, strange = expected - found, found - expected
        verdict = (
            "equal" if found == expected else f"{len(missing)} missing, {len(strange)} strange"
        )
        say(f"{name}: {len(found):,} entities, {verdict}")
        for word, some in (("missing", missing), ("strange", strange)):
            for difference in sorted(some)[:SHOWN]:
                say(f"  {word}: {difference}")
        return found == expected

    def _tagged(self, pair: Pair) -> set[Found]:
        options = ("--scheme", pair.scheme, *pair.options)
        plain, output_format = self._run(pair.name, pair.source, pair.output, *options)
        variant = self._variants[pair.reference]
        by_id = _ByStory(variant, pair.story_of)
        entities = entities_of(plain, output_format, by_id, pair.scheme)
        found = {(pair.story_of(story), *rest) for story, *rest in entities}
        for story, start, end, _, surface in found:
            if variant[story][start:end] != surface:
                raise RuntimeError(f"{pair.name}: story {story}, {start} to {end}: not {surface!r}")
        self.counts[pair.name] = len(found)
        return found

    def _run(self, name: str, source: Path, output: Path, *options: str) -> tuple[Path, str]:
        """Tag; the output as it was before it was compressed, and its format."""
        begun = time.monotonic()
        arguments = ("--model", self._model, "--workers", self._workers, "--quiet", *options)
        done = run_tag(source, "--output", output, *arguments)
        if done.returncode:
            raise RuntimeError(f"{name}: exit code {done.returncode}: {done.stderr.decode()}")
        say(f"{name}: tagged in {time.monotonic() - begun:.0f} s")
        return _unpack(output)

    def _columns_agree(self) -> bool:
        """Columns of tokens, from the first CoNLL output; its offsets lead back to the story."""
        places: dict[str, dict[int, tuple[int, int]]] = {}
        with gzip.open(self._work / "columns.conll.gz", "wt", encoding="utf-8") as file:
            for line in (self._work / "bio.conll").read_text("utf-8").split("\n")[2:]:
                if line.startswith("# newdoc id = "):
                    ours, position = places.setdefault(line.removeprefix("# newdoc id = "), {}), 0
                if "\t" in line:
                    word, start, end, *_ = line.split("\t")
                    ours[position] = int(start), int(end)
                    position += len(word) + 1
                    line = f"{word}\t_"
                file.write(f"{line}\n")
        name = "conll.gz (tokens) -> jsonl.zst"
        source, output = self._work / "columns.conll.gz", self._work / "columns.jsonl.zst"
        found = set()
        for story, start, end, label, surface in entities_of(*self._run(name, source, output), {}):
            begins = places[story]
            last = end - len(surface.rpartition(" ")[2])
            begin, stop = begins[start][0], begins[last][1]
            found.add((story, begin, stop, label, self._texts[story][begin:stop]))
        self.counts[name] = len(found)
        return self._compare(name, found, self._expected["stories"])


class _ByStory(dict[str, str]):
    """Texts by the id that an output has for them."""

    def __init__(self, texts: dict[str, str], story_of: Callable[[str], str]) -> None:
        super().__init__(texts)
        self._story_of = story_of

    def __missing__(self, key: str) -> str:
        return self[self._story_of(key)]


def without_blank_lines(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if line.strip())


def _write_lines(path: Path, rows: Iterable[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def _pack(path: Path, suffix: str) -> Path:
    packed = path.with_name(f"{path.name}.{suffix}")
    data = path.read_bytes()
    packed.write_bytes(
        gzip.compress(data) if suffix == "gz" else zstandard.ZstdCompressor().compress(data)
    )
    return packed


def _unpack(path: Path) -> tuple[Path, str]:
    """An output as it was before it was compressed, and its format."""
    plain = path
    if path.suffix in (".gz", ".zst"):
        plain = path.with_name(f"unpacked-{path.stem}")
        if path.suffix == ".gz":
            plain.write_bytes(gzip.decompress(path.read_bytes()))
        else:
            with path.open("rb") as file, plain.open("wb") as unpacked:
                reader = zstandard.ZstdDecompressor()
                with reader.stream_reader(file, read_across_frames=True) as frames:
                    while piece := frames.read(2**20):
                        unpacked.write(piece)
    return plain, plain.suffix[1:] or "brat"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="conll2003")
    parser.add_argument("--texts", type=Path, default=DATA / "unlabelled" / "reuters21578.jsonl.gz")
    parser.add_argument("--stories", type=int, help="only the first ones [all]")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, help="folder for temporary files")
    return parser


if __name__ == "__main__":
    sys.exit(main())
