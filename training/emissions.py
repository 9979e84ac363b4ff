"""The network's emissions for a corpus, kept, so that decoding can be tried again and again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ner_service.artifact import Artifact
from ner_service.inference.backend import Backend
from ner_service.inference.decoder import Decoded, Decoder
from ner_service.inference.decoding import forward_backward, marginals
from ner_service.inference.emissions import batches_by_length, compute_emissions, slot_grid
from ner_service.inference.features import WordFeaturizer
from ner_service.inference.rows import BOUNDARY_ROW, WordRows
from ner_service.tagger import PreparedDocument
from ner_service.text.windows import BOUNDARY_SLOT

_SLOTS_A_BATCH = 16_384


@dataclass(frozen=True, slots=True)
class CorpusEmissions:
    """Emissions of documents laid one behind the other, S slots in all.

    Attributes:
        artifact: the model.
        emissions: (S, K), before the temperature.
        segments: ranges of slots that are decoded as one.
        boundaries: (S,) True between sentences.
        token_slots: (tokens,) the slot of each token of each document in turn.
    """

    artifact: Artifact
    emissions: NDArray[np.float32]
    segments: tuple[tuple[int, int], ...]
    boundaries: NDArray[np.bool_]
    token_slots: NDArray[np.int64]

    def decode(self, temperature: float) -> Decoded:
        """Decode as if the model had that temperature."""
        config = replace(self.artifact.config, temperature=temperature)
        decoder = Decoder(replace(self.artifact, config=config))
        return decoder.decode(self.emissions.copy(), self.segments, self.boundaries)

    def marginals(self) -> NDArray[np.float64]:
        """Probability of each tag of each token under the model's own temperature, (tokens, K)."""
        emissions = self.emissions / np.float32(self.artifact.config.temperature)
        Decoder.force_boundaries(emissions, self.boundaries)
        weights = Decoder(self.artifact).weights
        found = np.zeros(emissions.shape)
        starts = np.array([start for start, _ in self.segments], dtype=np.int64)
        lengths = np.array([stop for _, stop in self.segments], dtype=np.int64) - starts
        for chosen in batches_by_length(lengths, _SLOTS_A_BATCH):
            grid = slot_grid(starts[chosen], lengths[chosen])
            lattice = forward_backward(emissions[grid], lengths[chosen], weights)
            real = np.arange(len(grid))[:, None] < lengths[chosen]
            found[grid[real]] = marginals(lattice)[real]
        return found[self.token_slots]


def read_emissions(
    artifact: Artifact, backend: Backend, documents: Sequence[PreparedDocument]
) -> CorpusEmissions:
    """Run the network over documents, as the tagger does."""
    config = artifact.config
    featurizer = WordFeaturizer(config.network, artifact.vocabulary, artifact.vector_tables)
    words = WordRows(backend, featurizer, width=config.network.word_width)
    emissions = [np.zeros((0, len(config.tags)), dtype=np.float32)]
    boundaries = [np.zeros(0, dtype=bool)]
    segments: list[tuple[int, int]] = []
    offset = 0
    for document in documents:
        slots = document.layout.slots
        if not len(slots):
            continue
        is_boundary = slots == BOUNDARY_SLOT
        (places,) = words.look_up([document.tokens.texts])
        rows = np.where(is_boundary, BOUNDARY_ROW, places[slots]).astype(np.int32)
        windows = document.layout.windows
        emissions.append(compute_emissions(backend, words.matrix, rows, windows, len(config.tags)))
        boundaries.append(is_boundary)
        segments += [(start + offset, stop + offset) for start, stop in document.layout.segments]
        offset += len(slots)
    marks = np.concatenate(boundaries)
    return CorpusEmissions(
        artifact, np.concatenate(emissions), tuple(segments), marks, np.flatnonzero(~marks)
    )
