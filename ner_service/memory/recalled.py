"""What the memory had to say of a batch of documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ner_service.inference.analysis import Neighbour
from ner_service.inference.decoder import Summed
from ner_service.memory.electorate import States
from ner_service.memory.votes import from_votes
from ner_service.tags import Span
from ner_service.text import Tokens

SHOWN = 5
"""So many neighbours of a token are shown."""


class Neighbourhood(Protocol):
    """Who knows a token's neighbours."""

    def neighbours(
        self,
        words: Sequence[str],
        states: NDArray[np.float32],
        marginals: NDArray[np.float64],
        count: int,
    ) -> list[tuple[Neighbour, ...]]:
        """The neighbours of tokens, heaviest votes first."""
        ...


@dataclass(frozen=True, slots=True)
class Recalled:
    """Votes on S slots, and the emissions with the votes in them.

    Attributes:
        memory: who was asked.
        states: (S, H) hidden states.
        emissions: (S, K) over the extended tags, tempered.
        summed: by the model alone, and the V slots that got votes.
        marginals: (V, K') theirs by the model alone.
        votes: (V, K) theirs.
    """

    memory: Neighbourhood
    states: States
    emissions: NDArray[np.float32]
    summed: Summed
    marginals: NDArray[np.float64]
    votes: NDArray[np.float64]

    def taught(self, spans: Sequence[Span], tag_ids: NDArray[np.int64]) -> list[bool]:
        """Whether spans have a tag that more votes than model made.

        Args:
            spans: all those decoded, over slots.
            tag_ids: (S,) the decoded tags.
        """
        voted = self.summed.changed
        if not spans or not len(voted):
            return [False] * len(spans)
        slots = voted[from_votes(self.marginals, self.votes, tag_ids[voted])]
        firsts = np.searchsorted(slots, [span.start_token for span in spans])
        found: list[bool] = (np.searchsorted(slots, [s.end_token for s in spans]) > firsts).tolist()
        return found

    def neighbours(
        self, tokens: Tokens, slots: NDArray[np.int64], spans: Sequence[Span]
    ) -> tuple[tuple[Neighbour, ...], ...]:
        """The neighbours of a document's tokens: of those in spans, and none of the others.

        Args:
            tokens: the document's.
            slots: (tokens,) theirs.
            spans: over the tokens.
        """
        asked = [i for span in spans for i in range(span.start_token, span.end_token)]
        places = slots[asked]
        found: list[tuple[Neighbour, ...]] = [()] * len(tokens)
        near = self.memory.neighbours(
            [tokens.texts[i] for i in asked],
            self.states[places],
            self.summed.sums.marginals(places),
            SHOWN,
        )
        for index, own in zip(asked, near, strict=True):
            found[index] = own
        return tuple(found)
