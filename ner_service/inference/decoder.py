"""Segments of emissions to spans with their exact probabilities."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ner_service.artifact.store import WEIGHTS, Artifact
from ner_service.errors import ArtifactError
from ner_service.inference.decoding import (
    FORBIDDEN,
    DecodingWeights,
    Lattice,
    span_probabilities,
    viterbi,
)
from ner_service.inference.lattices import (
    SegmentBatch,
    SegmentSums,
    ends_of,
    owners_of,
    segment_batches,
    summed_batches,
)
from ner_service.inference.single import LONGEST, SingleDecoder
from ner_service.tags import Span, legal_transitions, split_tag

Ints = NDArray[np.int64]

# So few short segments are sooner decoded one by one than as a batch.
_FEW = 3
_SLOTS_A_BATCH = 16_384  # decoded at once, padding included


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


@dataclass(frozen=True, slots=True)
class Summed:
    """Sums over paths that are known before segments are decoded.

    Attributes:
        sums: of the segments, perhaps over fewer tags, the first ones.
        changed: (V,) rising, the slots that have had other emissions since. The paths of sentences
            without any go through the sums' tags alone.
    """

    sums: SegmentSums
    changed: Ints


class _Spans(NamedTuple):
    """The N spans of the best paths.

    Attributes:
        firsts: (N,) first slot of each, rising.
        ends: (N,) the slot behind its last.
        begins: (N,) where its sentence begins: at the boundary before it or the segment's start.
        behinds: (N,) behind its sentence: behind the boundary that ends it, or the segment's end.
    """

    firsts: Ints
    ends: Ints
    begins: Ints
    behinds: Ints

    def where(self, chosen: NDArray[np.bool_]) -> "_Spans":
        """Some of them."""
        return _Spans(*(column[chosen] for column in self))


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
        self._temperature = np.float32(config.temperature)
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
    def force_boundaries(emissions: NDArray[np.float32], boundaries: Ints) -> None:
        """Leave tag 0, O, the only choice between sentences, in place."""
        if len(boundaries):  # most short texts have none
            emissions[boundaries] = FORBIDDEN
            emissions[boundaries, 0] = 0.0

    def decode(
        self,
        emissions: NDArray[np.float32],
        segments: Sequence[tuple[int, int]],
        boundaries: Ints,
        summed: Summed | None = None,
    ) -> Decoded:
        """Decode segments of S slots.

        Args:
            emissions: (S, K); overwritten: divided by the temperature, forced at boundaries.
            segments: half-open ranges of slots, rising, decoded each on its own.
            boundaries: rising, the slots between sentences.
            summed: sums over paths of these segments, where they are known.
        """
        emissions /= self._temperature
        self.force_boundaries(emissions, boundaries)
        if len(segments) <= _FEW and all(stop - start <= LONGEST for start, stop in segments):
            return self._one_by_one(emissions, segments)
        tag_ids = np.zeros(len(emissions), dtype=np.int64)
        starts, stops = ends_of(segments)
        for batch in segment_batches(starts, stops, _SLOTS_A_BATCH):
            paths = viterbi(emissions.take(batch.grid, axis=0), batch.lengths, self.weights)
            real = batch.real
            tag_ids[batch.grid[real]] = paths[real]
        spans = self._spans(tag_ids, starts, stops, boundaries)
        if summed is None:
            scores = self._scores(emissions, tag_ids, spans)
        else:
            until = np.searchsorted(summed.changed, spans.behinds)
            anew = until > np.searchsorted(summed.changed, spans.begins)
            known, sums = spans.where(~anew), summed.sums
            scores = np.empty(len(anew))
            scores[anew] = self._scores(emissions, tag_ids, spans.where(anew))
            scores[~anew] = self._scored(known, tag_ids, sums.starts, sums.batches)
        columns = spans.firsts.tolist(), spans.ends.tolist(), tag_ids[spans.firsts].tolist()
        named = [Span(a, b, self._labels[tag]) for a, b, tag in zip(*columns, strict=True)]
        return Decoded(tag_ids, named, scores.tolist())

    def _one_by_one(
        self, emissions: NDArray[np.float32], segments: Sequence[tuple[int, int]]
    ) -> Decoded:
        tag_ids: list[int] = []
        spans: list[Span] = []
        scores: list[float] = []
        for start, stop in segments:
            path, found = self._single.decode(emissions[start:stop])
            tag_ids += path
            for first, end, tag, score in found:
                spans.append(Span(start + first, start + end, self._labels[tag]))
                scores.append(score)
        return Decoded(np.array(tag_ids, dtype=np.int64), spans, scores)

    def _spans(self, tag_ids: Ints, starts: Ints, stops: Ints, boundaries: Ints) -> _Spans:
        firsts = np.flatnonzero(self._opens[tag_ids])
        # A span runs to the next move that closes it, or to the segment's end.
        closes = np.ones(len(tag_ids), dtype=bool)
        closes[:-1] = self._closing[tag_ids[:-1], tag_ids[1:]]
        closes[stops - 1] = True
        ends = _first_at(np.flatnonzero(closes), firsts) + 1
        begins = _last_at(np.sort(np.concatenate([starts, boundaries])), firsts)
        behinds = _first_at(np.sort(np.concatenate([stops, boundaries + 1])), ends)
        return _Spans(firsts, ends, begins, behinds)

    def _scores(
        self, emissions: NDArray[np.float32], tag_ids: Ints, spans: _Spans
    ) -> NDArray[np.float64]:
        """Probabilities of spans, each by the sums of its sentence alone.

        Where O is forced, what is summed on one side does not depend on the other.
        """
        places = np.flatnonzero(np.diff(spans.begins, prepend=-1))  # first span of each sentence
        starts = spans.begins[places]
        batches = summed_batches(emissions, starts, spans.behinds[places], self.weights)
        return self._scored(spans, tag_ids, starts, batches)

    def _scored(
        self,
        spans: _Spans,
        tag_ids: Ints,
        starts: Ints,
        batches: Iterable[tuple[SegmentBatch, Lattice]],
    ) -> NDArray[np.float64]:
        """Probabilities of spans by the sums of the ranges of slots, from `starts`, they are in."""
        scores = np.empty(len(spans.firsts))
        owners = owners_of(spans.firsts, starts)
        for batch, lattice in batches:
            own, rows = batch.rows_of(owners)
            offsets, known = batch.starts[rows], len(lattice.ends)
            scores[own] = span_probabilities(
                lattice,
                rows,
                spans.firsts[own] - offsets,
                spans.ends[own] - offsets,
                tag_ids[batch.grid],
                self._closing[:known, :known],
            )
        return scores


def _last_at(rising: Ints, slots: Ints) -> Ints:
    """Of rising slots the last one at or before each slot."""
    found: Ints = rising[np.searchsorted(rising, slots, side="right") - 1]
    return found


def _first_at(rising: Ints, slots: Ints) -> Ints:
    """Of rising slots the first one at or behind each slot."""
    found: Ints = rising[np.searchsorted(rising, slots)]
    return found


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
