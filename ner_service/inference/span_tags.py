"""How a span of each label is written in tags, as arrays that index lattices."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_service.tags import Scheme, legal_transitions, split_tag


@dataclass(frozen=True, slots=True)
class SpanTags:
    """The tags of spans, over L labels and K tags.

    Attributes:
        labels: in the order of their tags.
        single: (L,) tag of a span of one token.
        first: (L,) tag that opens a longer one.
        inner: (L,) tag inside it.
        last: (L,) tag that closes it.
        closing: (K, K) True where the move from tag i to tag j ends the span of i.
    """

    labels: tuple[str, ...]
    single: NDArray[np.int64]
    first: NDArray[np.int64]
    inner: NDArray[np.int64]
    last: NDArray[np.int64]
    closing: NDArray[np.bool_]

    @classmethod
    def build(cls, tags: Sequence[str], scheme: Scheme) -> "SpanTags":
        """Read the tags of a decoding scheme."""
        parts = [split_tag(tag) for tag in tags]
        labels = tuple(dict.fromkeys(label for _, label in parts if label))
        places = {part: index for index, part in enumerate(parts)}

        def column(prefix: str) -> NDArray[np.int64]:
            return np.array([places[prefix, label] for label in labels], dtype=np.int64)

        continues = np.array([[p in ("I", "E") and b == a for p, b in parts] for _, a in parts])
        closing = ~(continues & legal_transitions(tags, scheme).transitions)
        single, last = ("S", "E") if scheme == "IOBES" else ("B", "I")
        return cls(labels, column(single), column("B"), column("I"), column(last), closing)
