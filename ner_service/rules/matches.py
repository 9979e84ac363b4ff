"""What rules find, before it meets what the model found."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from ner_service.entities import Entity

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")


@dataclass(frozen=True, slots=True)
class Rule:
    """What is said of everything that a rule finds.

    Attributes:
        label: its label.
        score: its score.
        id: the rule's name, if it has one.
        order: of rules that find the same, the lower wins.
    """

    label: str
    score: float
    id: str | None
    order: int


class Match(NamedTuple):
    """A place, in code points, that a rule found; a tuple, for there may be very many."""

    start: int
    end: int
    rule: Rule

    def entity(self, text: str) -> Entity:
        """The match as an entity of its text."""
        rule = self.rule
        surface = text[self.start : self.end]
        return Entity(surface, rule.label, self.start, self.end, rule.score, "rule", rule.id)


class _Placed(Protocol):
    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


P = TypeVar("P", bound=_Placed)


def longest_first(places: Iterable[P]) -> list[P]:
    """Places that do not overlap, in the order of the text.

    Of two that overlap the longer stays; of equally long ones that which begins earlier; of two at
    the same place the first.
    """
    ordered = sorted(places, key=lambda place: (place.start - place.end, place.start))
    taken = bytearray(max((place.end for place in ordered), default=0))
    kept = []
    for place in ordered:
        if taken.find(1, place.start, place.end) < 0:
            taken[place.start : place.end] = b"\1" * (place.end - place.start)
            kept.append(place)
    return sorted(kept, key=lambda place: place.start)


def without_overlap(places: Iterable[P], taken: list[P]) -> Iterator[P]:
    """The places that overlap none of those taken, which are in order and do not overlap."""
    starts = [place.start for place in taken]
    for place in places:
        index = bisect_left(starts, place.end)
        if not index or taken[index - 1].end <= place.start:
            yield place


def crosses_blank_line(text: str, start: int, end: int) -> bool:
    """Whether a paragraph ends between two code points; no name runs on over that."""
    return _BLANK_LINE.search(text, start, end) is not None
