"""Asks a CRF more than its best path: see `analysis` for what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_service.entities import Entity, entities_from_spans
from ner_service.inference.analysis import Analysis, Labelling, Wanted
from ner_service.inference.decoding import DecodingWeights, Floats, forward_backward, marginals
from ner_service.inference.lattices import ends_of, segment_batches
from ner_service.inference.nbest import k_best_combinations, k_best_paths, least_sure
from ner_service.inference.readings import likely_spans, probabilities_of
from ner_service.inference.span_tags import SpanTags
from ner_service.tags import Scheme, Span, spans_from_tags
from ner_service.text.tokenizer import Tokens
from ner_service.text.windows import Layout

_SLOTS_A_BATCH = 1024

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DecodedDocument:
    """One document as the decoder leaves it, over S slots.

    Attributes:
        text: the document's.
        tokens: the document's.
        layout: the document's.
        emissions: (S, K), tempered, boundaries forced; in double precision, so that what is
            summed up in different ways agrees.
        tag_ids: (S,) the best path.
        entities: the best path's.
    """

    text: str
    tokens: Tokens
    layout: Layout
    emissions: NDArray[np.float64]
    tag_ids: Ints
    entities: tuple[Entity, ...]

    def placed(self, spans: Sequence[Span], scores: Sequence[float]) -> tuple[Entity, ...]:
        """Spans of slots as entities of the text."""
        token_at = self.layout.token_at
        of_tokens = [
            Span(token_at(span.start_token), token_at(span.end_token - 1) + 1, span.label)
            for span in spans
        ]
        return entities_from_spans(self.text, self.tokens, of_tokens, scores)

    def exchanged(self, others: dict[int, tuple[Entity, ...]]) -> tuple[Entity, ...]:
        """The best path's entities, but with others in some segments."""
        token_at, tokens = self.layout.token_at, self.tokens
        segments = [self.layout.segments[segment] for segment in others]
        places = [(tokens.starts[token_at(a)], tokens.ends[token_at(b - 1)]) for a, b in segments]
        kept = [
            entity
            for entity in self.entities
            if not any(start <= entity.start < end for start, end in places)
        ]
        moved = [entity for entities in others.values() for entity in entities]
        return tuple(sorted([*kept, *moved], key=lambda entity: entity.start))


@dataclass(frozen=True, slots=True)
class Analyser:
    """Analyses documents under one CRF.

    Attributes:
        tags: in id order.
        scheme: of the tags.
        weights: tempered, as the decoder's.
        span_tags: of the tags.
    """

    tags: tuple[str, ...]
    scheme: Scheme
    weights: DecodingWeights
    span_tags: SpanTags

    @classmethod
    def build(cls, tags: tuple[str, ...], scheme: Scheme, weights: DecodingWeights) -> "Analyser":
        """Take the tags and the tempered weights of a decoder."""
        return cls(tags, scheme, weights, SpanTags.build(tags, scheme))

    def analyse(self, document: DecodedDocument, wanted: Wanted) -> Analysis:
        """Analyse one document."""
        found: list[tuple[int, int, int, float]] = []
        slot_marginals = np.zeros(document.emissions.shape)
        log_partitions = np.zeros(len(document.layout.segments))
        for batch in segment_batches(*ends_of(document.layout.segments), _SLOTS_A_BATCH):
            lattice = forward_backward(document.emissions[batch.grid], batch.lengths, self.weights)
            log_partitions[batch.chosen] = lattice.log_partition
            if wanted.marginals:
                real = batch.real
                slot_marginals[batch.grid[real]] = marginals(lattice)[real]
            if wanted.least is not None:
                spans = likely_spans(lattice, self.span_tags, least=wanted.least)
                first = batch.starts[spans.rows]
                columns = (first + spans.starts, first + spans.ends, spans.labels)
                found += zip(
                    *(column.tolist() for column in (*columns, spans.probabilities)), strict=True
                )
        found.sort()
        labels = self.span_tags.labels
        return Analysis(
            document.placed(
                [Span(start, end, labels[label]) for start, end, label, _ in found],
                [probability for *_, probability in found],
            ),
            self._labellings(document, log_partitions, wanted.nbest),
            slot_marginals[document.layout.token_slots] if wanted.marginals else None,
        )

    def _labellings(
        self, document: DecodedDocument, log_partitions: Floats, count: int
    ) -> tuple[Labelling, ...]:
        if not count:
            return ()
        # Two paths a segment tell which segments can differ at all; only those need more.
        every = np.arange(len(log_partitions))
        _, choices = self._choices(document, every, log_partitions, min(count, 2))
        unsure = least_sure(choices, count)
        paths, scores = self._choices(document, np.array(unsure, int), log_partitions, count)
        entities = {}
        for segment, segment_paths, segment_scores in zip(unsure, paths, scores, strict=True):
            choices[segment] = segment_scores
            entities[segment] = self._entities(document, segment, segment_paths)
        return tuple(
            Labelling(
                document.exchanged(
                    {part: entities[part][rank] for part, rank in combination.ranks.items()}
                ),
                combination.log_probability,
            )
            for combination in k_best_combinations(choices, count)
        )

    def _choices(
        self, document: DecodedDocument, segments: Ints, log_partitions: Floats, count: int
    ) -> tuple[list[list[Ints]], list[list[float]]]:
        """The best paths of these segments, the decoded one first, and their log-probabilities.

        In single precision, decoding may have taken the other of two paths that are as good.
        """
        paths: list[list[Ints]] = [[] for _ in segments]
        scores: list[list[float]] = [[] for _ in segments]
        starts, stops = (column[segments] for column in ends_of(document.layout.segments))
        for batch in segment_batches(starts, stops, _SLOTS_A_BATCH):
            found, found_scores = k_best_paths(
                document.emissions[batch.grid], batch.lengths, self.weights, k=count
            )
            columns = (batch.chosen.tolist(), batch.starts.tolist(), batch.lengths.tolist())
            for row, (place, start, length) in enumerate(zip(*columns, strict=True)):
                legal = np.isfinite(found_scores[row])
                own = found[:length, row, legal].T  # (k, T)
                decoded = (own == document.tag_ids[start : start + length]).all(axis=1)
                paths[place] = list(own[np.argsort(~decoded, kind="stable")])
                likelihoods = found_scores[row, legal] - log_partitions[segments[place]]
                scores[place] = np.minimum(likelihoods, 0.0).tolist()
        return paths, scores

    def _entities(
        self, document: DecodedDocument, segment: int, paths: Sequence[Ints]
    ) -> list[tuple[Entity, ...]]:
        """The entities of one segment under each of some paths."""
        start, stop = document.layout.segments[segment]
        of_paths = [
            spans_from_tags([self.tags[tag] for tag in path], self.scheme) for path in paths
        ]
        distinct = list(dict.fromkeys(span for spans in of_paths for span in spans))
        lattice = forward_backward(
            document.emissions[start:stop, None], np.array([stop - start]), self.weights
        )
        labels = self.span_tags.labels
        places = np.array(
            [(s.start_token, s.end_token, labels.index(s.label)) for s in distinct], dtype=np.int64
        ).reshape(-1, 3)
        rows = np.zeros(len(distinct), dtype=np.int64)
        probabilities = probabilities_of(lattice, self.span_tags, rows, *places.T)
        moved = [Span(start + s.start_token, start + s.end_token, s.label) for s in distinct]
        placed = document.placed(moved, probabilities.tolist())
        entity_of = dict(zip(distinct, placed, strict=True))
        return [tuple(entity_of[span] for span in spans) for spans in of_paths]
