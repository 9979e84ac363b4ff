"""The predictions file: `token gold predicted` a line, in BIO, for scorers of others' making."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ner_service.tags import Span, tags_from_spans
from training.cases import Case, TextSpan

_BLANK = re.compile(r"\s+")
_STAND_IN = "_"
"""For white space inside a token, at which other scorers would split the line."""


def write_predictions(
    path: Path, cases: Iterable[Case], predicted: Iterable[Sequence[TextSpan]]
) -> None:
    """Write every sentence, a blank line after each."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for case, spans in zip(cases, predicted, strict=True):
            for sentence in tagged_pieces(case, spans):
                file.writelines(f"{token} {gold} {found}\n" for token, gold, found in sentence)
                file.write("\n")


def tagged_pieces(
    case: Case, predicted: Sequence[TextSpan]
) -> Iterator[list[tuple[str, str, str]]]:
    """The sentences of a case as (token, gold tag, predicted tag).

    A word is cut where a predicted entity begins or ends inside it, and two sentences are given as
    one where a predicted entity runs across their border (both happen with raw text alone). So
    gold and prediction are written without loss, and the scores of this file are those reported.
    """
    pieces, sentences = _pieces(case, predicted)
    starts = [start for start, _ in pieces]
    gold_tags = _tags(case.gold, starts, len(pieces))
    predicted_tags = _tags(predicted, starts, len(pieces))
    bounds = [*sentences, len(pieces)]
    for first, last in zip(bounds[:-1], bounds[1:], strict=True):
        yield [
            (_BLANK.sub(_STAND_IN, case.text[start:end]), gold, found)
            for (start, end), gold, found in zip(
                pieces[first:last], gold_tags[first:last], predicted_tags[first:last], strict=True
            )
        ]


def _pieces(case: Case, predicted: Sequence[TextSpan]) -> tuple[list[tuple[int, int]], list[int]]:
    """Ranges of the pieces of words, and the pieces at which sentences begin."""
    cuts = sorted({offset for span in predicted for offset in (span.start, span.end)})
    crossed = [(span.start, span.end) for span in predicted]
    openings = set(case.sentences)
    pieces: list[tuple[int, int]] = []
    sentences: list[int] = []
    place = 0
    for index, (start, end) in enumerate(case.words):
        if index in openings and (not index or not _inside(crossed, start)):
            sentences.append(len(pieces))
        while place < len(cuts) and cuts[place] <= start:
            place += 1
        while place < len(cuts) and cuts[place] < end:
            pieces.append((start, cuts[place]))
            start = cuts[place]
            place += 1
        pieces.append((start, end))
    return pieces, sentences


def _inside(ranges: Sequence[tuple[int, int]], offset: int) -> bool:
    """Whether an offset lies behind the start of one of the rising ranges and before its end."""
    place = bisect_left(ranges, (offset, 0)) - 1
    return place >= 0 and offset < ranges[place][1]


def _tags(spans: Iterable[TextSpan], starts: Sequence[int], count: int) -> list[str]:
    tokens = [
        Span(bisect_left(starts, span.start), bisect_left(starts, span.end), span.label)
        for span in spans
    ]
    return tags_from_spans(tokens, count, "BIO")
