"""Who is served next: round robin over requests, each with at most a turn's worth of tokens."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class Work(Protocol):
    """What the queue has to know of a request."""

    @property
    def costs(self) -> Sequence[int]:
        """Tokens of each of its parts."""

    @property
    def group(self) -> object:
        """Only requests of one group share a batch."""

    @property
    def abandoned(self) -> bool:
        """Nobody waits for it any more."""


W = TypeVar("W", bound=Work)


@dataclass(slots=True)
class _Place(Generic[W]):
    work: W
    next_part: int = 0


@dataclass(frozen=True, slots=True)
class Share(Generic[W]):
    """The parts of one request that go into one batch.

    Attributes:
        work: the request.
        start: its first part in the batch.
        stop: one past its last part in the batch.
    """

    work: W
    start: int
    stop: int


@dataclass(slots=True)
class FairQueue(Generic[W]):
    """Deficit-free round robin: a turn is whole parts of about `turn_tokens`, at least one.

    A request that fits into one turn is served in order of arrival; a bigger one goes to the back
    of the line after each turn, so it delays a small one by at most a turn. After Shreedhar and
    Varghese, "Efficient Fair Queuing Using Deficit Round Robin" (1995), without the deficit: parts
    are cut to the size of a turn beforehand.
    """

    batch_tokens: int
    batch_parts: int
    turn_tokens: int
    _line: deque[_Place[W]] = field(default_factory=deque)

    def put(self, work: W) -> None:
        """Let a request wait at the back."""
        self._line.append(_Place(work))

    def __len__(self) -> int:
        """Return the number of waiting requests, abandoned ones included."""
        return len(self._line)

    def take(self) -> list[Share[W]]:
        """Form the next batch; empty if nobody waits."""
        shares: list[Share[W]] = []
        others: list[_Place[W]] = []
        group: object = None
        tokens = parts = 0
        while self._line and tokens < self.batch_tokens and parts < self.batch_parts:
            place = self._line.popleft()
            if place.work.abandoned:
                continue
            if shares and place.work.group is not group:
                others.append(place)
                continue
            group = place.work.group
            share, cost = self._turn(place, room=self.batch_parts - parts)
            shares.append(share)
            tokens += cost
            parts += share.stop - share.start
            if place.next_part < len(place.work.costs):
                self._line.append(place)
        self._line.extendleft(reversed(others))
        return shares

    def _turn(self, place: _Place[W], *, room: int) -> tuple[Share[W], int]:
        costs = place.work.costs
        start = stop = place.next_part
        tokens = 0
        while stop < len(costs) and stop - start < room:
            if stop > start and tokens + costs[stop] > self.turn_tokens:
                break
            tokens += costs[stop]
            stop += 1
        place.next_part = stop
        return Share(place.work, start, stop), tokens
