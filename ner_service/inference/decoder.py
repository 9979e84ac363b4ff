"""Segments of emissions to spans with their exact probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_service.artifact.store import WEIGHTS, Artifact
from ner_service.errors import ArtifactError
from ner_service.inference.decoding import (
    FORBIDDEN,
    DecodingWeights,
    forward_backward,
    span_probabilities,
    viterbi,
)
from ner_service.inference.emissions import batches_by_length, slot_grid
from ner_service.inference.single import LONGEST, Found, SingleDecoder
from ner_service.tags import Span, legal_transitions, split_tag

_SLOTS_A_BATCH = 16_384
# So few short segments are sooner decoded one by one than as a batch.
_FEW = 3


@dataclass(frozen=True, slots=True)
class Decoded:
    """What decoding makes of S slots.

    Attributes:
        tag_ids: (S,) the best legal path.
        spans: ranges of slots, rising.
        scores: the exact probability of each span.
    """

    tag_ids: NDArray[np.int64]
    spans: list[Span]
    scores: list[float]


class Decoder:
    """An artifact's CRF: best paths by its weights, probabilities by the tempered ones."""

    def __init__(self, artifact: Artifact) -> None:
        """Take the transition weights from the artifact.

        Raises:
            ArtifactError: they are not there, or not for this number of tags.
        """
        config = artifact.config
        self._tags = config.tags
        legality = legal_transitions(self._tags, config.scheme)
        self.weights = crf_weights(artifact).tempered(config.temperature)
        self._temperature = config.temperature
        parts = [split_tag(tag) for tag in self._tags]
        self._labels = [label for _, label in parts]
        # Tag j continues the span of tag i: the move that is legal only inside a span.
        continues = np.array(
            [[p in ("I", "E") and b == a for p, b in parts] for _, a in parts], dtype=bool
        )
        self._closing = ~(continues & legality.transitions)
        self._opens = np.array([prefix in ("B", "S") for prefix, _ in parts])
        self._single = SingleDecoder.build(self.weights, self._opens, self._closing)

    @staticmethod
    def force_boundaries(emissions: NDArray[np.float32], boundaries: NDArray[np.bool_]) -> None:
        """Leave tag 0, O, the only choice between sentences, in place."""
        emissions[boundaries] = FORBIDDEN
        emissions[boundaries, 0] = 0.0

    def decode(
        self,
        emissions: NDArray[np.float32],
        segments: Sequence[tuple[int, int]],
        boundaries: NDArray[np.bool_],
    ) -> Decoded:
        """Decode segments of S slots.

        Args:
            emissions: (S, K); overwritten: divided by the temperature, forced at boundaries.
            segments: half-open ranges of slots, rising, decoded each on its own.
            boundaries: (S,) True between sentences.
        """
        emissions /= np.float32(self._temperature)
        self.force_boundaries(emissions, boundaries)
        if len(segments) <= _FEW and all(stop - start <= LONGEST for start, stop in segments):
            return self._one_by_one(emissions, segments)
        tag_ids = np.zeros(len(emissions), dtype=np.int64)
        found: Found = []
        starts = np.array([start for start, _ in segments], dtype=np.int64)
        lengths = np.array([stop for _, stop in segments], dtype=np.int64) - starts
        for chosen in batches_by_length(lengths, _SLOTS_A_BATCH):
            grid = slot_grid(starts[chosen], lengths[chosen])
            batch = emissions[grid]
            paths = viterbi(batch, lengths[chosen], self.weights)
            real = np.arange(len(grid))[:, None] < lengths[chosen]
            tag_ids[grid[real]] = paths[real]
            found += self._score(batch, lengths[chosen], paths, starts[chosen])
        found.sort()
        return self._decoded(tag_ids, found)

    def _one_by_one(
        self, emissions: NDArray[np.float32], segments: Sequence[tuple[int, int]]
    ) -> Decoded:
        tag_ids: list[int] = []
        found: Found = []
        for start, stop in segments:
            path, spans = self._single.decode(emissions[start:stop])
            tag_ids += path
            found += [(start + first, start + end, tag, score) for first, end, tag, score in spans]
        return self._decoded(np.array(tag_ids, dtype=np.int64), found)

    def _decoded(self, tag_ids: NDArray[np.int64], found: Found) -> Decoded:
        spans = [Span(start, end, self._labels[tag]) for start, end, tag, _ in found]
        return Decoded(tag_ids, spans, [score for *_, score in found])

    def _score(
        self,
        emissions: NDArray[np.float32],
        lengths: NDArray[np.int64],
        paths: NDArray[np.int64],
        starts: NDArray[np.int64],
    ) -> Found:
        """Spans of the paths as (first slot, slot behind the last, tag of the first, score)."""
        opens = self._opens[paths]
        with_spans = np.flatnonzero(opens.any(axis=0))  # probabilities only where they are asked
        if not len(with_spans):
            return []
        paths, lengths = paths[:, with_spans], lengths[with_spans]
        steps = int(lengths[0])
        paths = paths[:steps]
        rows, firsts = np.nonzero(opens[:steps, with_spans].T)
        # A span runs to the next move that closes it, or to the segment's end.
        closes = np.ones(paths.shape, dtype=bool)
        closes[:-1] = self._closing[paths[:-1], paths[1:]]
        closes[lengths - 1, np.arange(len(lengths))] = True
        closing_rows, closing_steps = np.nonzero(closes.T)
        flat = closing_rows * steps + closing_steps
        ends = flat[np.searchsorted(flat, rows * steps + firsts)] - rows * steps + 1
        lattice = forward_backward(emissions[:steps, with_spans], lengths, self.weights)
        scores = span_probabilities(lattice, rows, firsts, ends, paths, self._closing)
        offsets = starts[with_spans][rows]
        return list(
            zip(
                (offsets + firsts).tolist(),
                (offsets + ends).tolist(),
                paths[firsts, rows].tolist(),
                scores.tolist(),
                strict=True,
            )
        )


def crf_weights(artifact: Artifact) -> DecodingWeights:
    """An artifact's transition weights, not tempered; those of a softmax network are zero.

    Raises:
        ArtifactError: they are not there, or not for this number of tags.
    """
    config = artifact.config
    count = len(config.tags)
    return DecodingWeights.build(
        _stored(artifact, "crf.transitions", (count, count)),
        _stored(artifact, "crf.start_transitions", (count,)),
        _stored(artifact, "crf.end_transitions", (count,)),
        legal_transitions(config.tags, config.scheme),
    )


def _stored(artifact: Artifact, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    weights: NDArray[np.float32] | None = artifact.weights.get(name)
    if weights is None or weights.shape != shape:
        got = "none" if weights is None else weights.shape
        raise ArtifactError(
            f"{artifact.path / WEIGHTS}: expected {name} of shape {shape}, got {got}"
        )
    return weights
