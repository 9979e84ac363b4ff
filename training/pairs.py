"""Hand-written sentences that a model should get right, and pairs in which context decides.

A pair is one surface in two texts that give it two labels: "Washington said he would resign." and
"She flew to Washington." A model that knows the surface by heart gets one of them wrong.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ner_service.entities import Entity
from ner_service.errors import CorpusError
from ner_service.tagger import Tagger
from training.cases import TextSpan
from training.columns import read_lines

Row = TypeVar("Row")

PAIRS = Path("tests/data/ambiguous_pairs.jsonl")
SENTENCES = Path("tests/data/known_sentences.jsonl")


@dataclass(frozen=True, slots=True)
class KnownText:
    """A text and entities that must be among those found in it."""

    text: str
    expected: tuple[TextSpan, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model found in a known text, and which expected entities it did not find so."""

    known: KnownText
    found: tuple[Entity, ...]
    missed: tuple[TextSpan, ...]

    def figures(self) -> dict[str, Any]:
        """The answer as plain values."""
        text = self.known.text
        return {
            "text": text,
            "expected": [[text[s.start : s.end], s.label] for s in self.known.expected],
            "found": [[e.text, e.label, e.score] for e in self.found],
            "right": not self.missed,
        }


@dataclass(frozen=True, slots=True)
class PairAnswer:
    """A model's answers for the two texts of a surface."""

    surface: str
    answers: tuple[Answer, ...]

    @property
    def is_right(self) -> bool:
        """Whether the surface has the right bounds and label in both texts."""
        return not any(answer.missed for answer in self.answers)


@dataclass(frozen=True, slots=True)
class _EntityRow:
    surface: str
    label: str


@dataclass(frozen=True, slots=True)
class _SentenceRow:
    text: str
    entities: tuple[_EntityRow, ...]


@dataclass(frozen=True, slots=True)
class _CaseRow:
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class _PairRow:
    surface: str
    cases: tuple[_CaseRow, ...]


def read_sentences(path: Path) -> list[KnownText]:
    """Read lines of `{"text", "entities": [{"surface", "label"}]}`.

    Raises:
        CorpusError: a line is broken, or a surface does not stand exactly once in its text.
    """
    rows = _read(path, TypeAdapter(_SentenceRow))
    return [
        _known(row.text, [(entity.surface, entity.label) for entity in row.entities], place)
        for place, row in rows
    ]


def read_pairs(path: Path) -> list[tuple[str, tuple[KnownText, ...]]]:
    """Read lines of `{"surface", "cases": [{"text", "label"}, {"text", "label"}]}`.

    Raises:
        CorpusError: a line is broken, a surface does not stand exactly once in each text, or
            there are not two texts with two labels.
    """
    pairs: list[tuple[str, tuple[KnownText, ...]]] = []
    for place, row in _read(path, TypeAdapter(_PairRow)):
        texts = tuple(_known(c.text, [(row.surface, c.label)], place) for c in row.cases)
        if len(texts) != 2 or row.cases[0].label == row.cases[1].label:
            raise CorpusError(f"{place}: expected two texts with two labels, got {len(texts)}")
        pairs.append((row.surface, texts))
    return pairs


def answer_sentences(tagger: Tagger, known: Iterable[KnownText]) -> list[Answer]:
    """Tag each text on its own and compare."""
    answers = []
    for each in known:
        found = tagger.tag(each.text).entities
        spans = {TextSpan(entity.start, entity.end, entity.label) for entity in found}
        missed = tuple(span for span in each.expected if span not in spans)
        answers.append(Answer(each, found, missed))
    return answers


def answer_pairs(
    tagger: Tagger, pairs: Iterable[tuple[str, tuple[KnownText, ...]]]
) -> list[PairAnswer]:
    """Tag both texts of each pair and compare."""
    return [PairAnswer(surface, tuple(answer_sentences(tagger, texts))) for surface, texts in pairs]


def hand_written(
    tagger: Tagger, pairs: Path = PAIRS, sentences: Path = SENTENCES
) -> dict[str, Any]:
    """The answers for both files as plain values: every miss among the pairs, every sentence.

    A file is left out where it is not there or holds labels that the model does not know.
    """
    figures: dict[str, Any] = {}
    if pairs.is_file():
        asked = read_pairs(pairs)
        if _knows(tagger, [text for _, texts in asked for text in texts]):
            answers = answer_pairs(tagger, asked)
            figures["pairs"] = {
                "right": sum(pair.is_right for pair in answers),
                "total": len(answers),
                "misses": [
                    {"surface": pair.surface, **answer.figures()}
                    for pair in answers
                    for answer in pair.answers
                    if answer.missed
                ],
            }
    if sentences.is_file():
        known = read_sentences(sentences)
        if _knows(tagger, known):
            figures["sentences"] = [a.figures() for a in answer_sentences(tagger, known)]
    return figures


def _knows(tagger: Tagger, texts: Iterable[KnownText]) -> bool:
    labels = {span.label for text in texts for span in text.expected}
    return labels <= set(tagger.info.labels)


def _known(text: str, entities: Iterable[tuple[str, str]], place: str) -> KnownText:
    spans = []
    for surface, label in entities:
        if text.count(surface) != 1:
            raise CorpusError(f"{place}: expected {surface!r} once in {text!r}")
        start = text.index(surface)
        spans.append(TextSpan(start, start + len(surface), label))
    return KnownText(text, tuple(spans))


def _read(path: Path, form: TypeAdapter[Row]) -> list[tuple[str, Row]]:
    """The rows of a file of JSON lines, each with its place."""
    rows = []
    for number, line in enumerate(read_lines(path), start=1):
        place = f"{path}, line {number}"
        if line.strip():
            try:
                rows.append((place, form.validate_json(line)))
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"])
                raise CorpusError(f"{place}: {where}: {first['msg']}") from None
    return rows
