"""What a word is in one sentence of a document tells what it is in the others.

"Santos" alone may be a person, a club or a place; where another sentence of the same document says
"Santos beat Flamengo", it is a club in all of them. So each word that stands in a document more
than once, case aside, is told what the model believes of its other occurrences, as evidence in its
emissions, before the document is decoded. The sharing of labels over a document is that of
Krishnan and Manning 2006, "An Effective Two-Stage Model for Exploiting Non-Local Dependencies in
Named Entity Recognition"; here the second stage is not a second model but one number.

For a slot t whose word also stands at the N slots O of its document, with q_o(c) the model's
marginal probability that slot o has label c (or none), whatever its place in the entity,

    emission'_t[tag] = emission_t[tag]
        + weight / sqrt(N) * sum over o in O of centred(log(q_o(label of tag) + FLOOR))

for the tags of entities; O keeps its emission. Sums grow with the square root of N, since the
occurrences of a document are no independent witnesses. The floor bounds what one of them can say.
The weight is fitted on the development set; 0 switches all of this off. What follows, decoding and
probabilities, is exact under the new emissions, and a document still depends on nothing but itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_service.artifact import Artifact
from ner_service.inference.decoder import crf_weights
from ner_service.inference.decoding import DecodingWeights
from ner_service.inference.lattices import segment_marginals
from ner_service.tags import split_tag

FLOOR = 0.05
OPEN = 2.0
"""A word is worth asking about where some entity's emission is no further than this below O's."""


@dataclass(frozen=True, slots=True)
class Consistency:
    """Shares beliefs between the occurrences of a word in a document.

    Attributes:
        weight: of what the other occurrences say; 0 changes nothing.
        labels: (K,) number of each tag's label, 0 for O.
        weights: the CRF's, not tempered: the temperature says how sure, not what.
    """

    weight: float
    labels: NDArray[np.int64]
    weights: DecodingWeights

    @classmethod
    def of(cls, artifact: Artifact) -> "Consistency":
        """A model's.

        Raises:
            ArtifactError: its CRF's weights are not there, or not for this number of tags.
        """
        config = artifact.config
        names = [split_tag(tag)[1] for tag in config.tags]  # O, the first, has none
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        labels = np.array([numbers[name] for name in names], dtype=np.int64)
        return cls(config.consistency, labels, crf_weights(artifact))

    def share(
        self,
        emissions: NDArray[np.float32],
        forms: NDArray[np.int32],
        documents: Sequence[int],
        segments: Sequence[tuple[int, int]],
    ) -> None:
        """Add the evidence to the emissions of S slots, in place.

        Args:
            emissions: (S, K), before the temperature, O forced between sentences.
            forms: (S,) number of the word at each slot, case aside; negative between sentences.
            documents: the slots at which documents begin, rising from 0, and S.
            segments: half-open ranges of slots, rising, that are decoded each on its own.
        """
        if not self.weight:
            return
        slots, groups, counts = self._repeated(emissions, forms, documents)
        if not len(slots):
            return
        beliefs = self._beliefs(emissions, slots, segments)
        evidence = np.log(beliefs + FLOOR)
        evidence -= evidence.mean(axis=1, keepdims=True)
        for label in range(1, evidence.shape[1]):
            own = evidence[:, label]
            others = np.bincount(groups, weights=own)[groups] - own
            gain = self.weight * others / np.sqrt(counts - 1)
            tags = np.flatnonzero(self.labels == label)
            emissions[slots[:, None], tags] += gain[:, None].astype(np.float32)

    def _repeated(
        self,
        emissions: NDArray[np.float32],
        forms: NDArray[np.int32],
        documents: Sequence[int],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Slots to share between: rising, the group of each, and how many its group has."""
        real = np.flatnonzero(forms >= 0)
        sizes = np.diff(documents)
        of_document = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)[real]
        keys = of_document * (int(forms.max(initial=0)) + 1) + forms[real]
        _, groups, counts = np.unique(keys, return_inverse=True, return_counts=True)
        own = emissions[real]
        is_open = own[:, 1:].max(axis=1, initial=-np.inf) > own[:, 0] - OPEN
        asked = (counts > 1) & (np.bincount(groups, weights=is_open) > 0)
        chosen = asked[groups]
        groups = groups[chosen]
        return real[chosen], groups, counts[groups]

    def _beliefs(
        self,
        emissions: NDArray[np.float32],
        slots: NDArray[np.int64],
        segments: Sequence[tuple[int, int]],
    ) -> NDArray[np.float64]:
        """Probability of each label, none first, at some slots."""
        starts = [start for start, _ in segments]
        holding = np.unique(np.searchsorted(starts, slots, side="right") - 1)
        marginals = segment_marginals(emissions, [segments[i] for i in holding], self.weights)
        found = np.zeros((len(slots), int(self.labels.max()) + 1))
        for tag, label in enumerate(self.labels):
            found[:, label] += marginals[slots, tag]
        return found
