"""The network's emissions for a corpus, kept, so that decoding can be tried again and again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ner_service.artifact import Artifact, load_artifact
from ner_service.inference.backend import Backend
from ner_service.inference.consistency import Consistency
from ner_service.inference.decoder import Decoded, Decoder
from ner_service.inference.emissions import emission_steps
from ner_service.inference.features import WordFeaturizer
from ner_service.inference.lattices import segment_marginals
from ner_service.inference.onnx_backend import OnnxBackend
from ner_service.inference.rows import BOUNDARY_ROW, WordRows
from ner_service.inference.steps import finish
from ner_service.tagger import PreparedDocument, Tagger
from ner_service.tags import Span, spans_from_tags
from training.cases import make_cases, prepared
from training.corpus import Corpus, iter_documents
from training.seen import entity_keys, load_keys


@dataclass(frozen=True, slots=True)
class CorpusEmissions:
    """Emissions of documents laid one behind the other, S slots in all.

    Attributes:
        artifact: the model.
        emissions: (S, K), before the temperature, O forced between sentences; words have shared
            their labels only in what `shared` gives.
        forms: (S,) number of each word, case aside, the same throughout a document.
        documents: the slots at which documents begin, and S.
        segments: ranges of slots that are decoded as one.
        boundaries: rising, the slots between sentences.
        token_slots: (tokens,) the slot of each token of each document in turn.
    """

    artifact: Artifact
    emissions: NDArray[np.float32]
    forms: NDArray[np.int32]
    documents: tuple[int, ...]
    segments: tuple[tuple[int, int], ...]
    boundaries: NDArray[np.int64]
    token_slots: NDArray[np.int64]

    def shared(self, weight: float | None = None) -> "CorpusEmissions":
        """After words have shared their labels with this weight, with the model's own if None."""
        config = self.artifact.config
        if weight is not None:
            config = replace(config, consistency=weight)
        artifact = replace(self.artifact, config=config)
        emissions = self.emissions.copy()
        Consistency.of(artifact).share(emissions, self.forms, self.documents, self.segments)
        return replace(self, artifact=artifact, emissions=emissions)

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
        return segment_marginals(emissions, self.segments, weights)[self.token_slots]


def read_emissions(
    artifact: Artifact, backend: Backend, documents: Sequence[PreparedDocument]
) -> CorpusEmissions:
    """Run the network over documents, as the tagger does; words do not share their labels yet."""
    config = artifact.config
    featurizer = WordFeaturizer(config.network, artifact.vocabulary, artifact.vector_tables)
    words = WordRows(backend, featurizer)
    emissions = [np.zeros((0, len(config.tags)), dtype=np.float32)]
    forms = [np.zeros(0, dtype=np.int32)]
    boundaries: list[int] = []
    segments: list[tuple[int, int]] = []
    begins = [0]
    for document in documents:
        layout = document.layout
        if not layout.slot_count:
            continue
        offset = begins[-1]
        rows = row_ids_of(words, document)
        windows = layout.windows
        emissions.append(
            finish(emission_steps(backend, words.matrix, rows, windows, len(config.tags)))
        )
        forms.append(words.forms[rows])
        boundaries += [offset + slot for slot in layout.boundaries]
        segments += [(start + offset, stop + offset) for start, stop in layout.segments]
        begins.append(offset + layout.slot_count)
    marks = np.array(boundaries, dtype=np.int64)
    scores = np.concatenate(emissions)
    Decoder.force_boundaries(scores, marks)
    return CorpusEmissions(
        artifact,
        scores,
        np.concatenate(forms),
        tuple(begins),
        tuple(segments),
        marks,
        np.delete(np.arange(len(scores)), marks),
    )


def row_ids_of(words: WordRows, document: PreparedDocument) -> NDArray[np.int32]:
    """The row of each slot of a document, (slots,), as `WordRows.look_up` numbers them."""
    (places,) = words.look_up([document.tokens.texts])
    row_ids = document.layout.in_slots(places, at_boundaries=BOUNDARY_ROW)
    return np.array(row_ids, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Development:
    """A corpus as one model sees it, to fit its numbers on.

    Attributes:
        emissions: of all its documents, words not sharing their labels.
        gold: the entities, as spans of slots.
        words: (S,) the word at each slot, empty between sentences.
        keys: of the entities that the model met in training, None where it does not tell.
    """

    emissions: CorpusEmissions
    gold: frozenset[Span]
    words: tuple[str, ...]
    keys: NDArray[np.uint64] | None

    def are_seen(self, spans: Sequence[Span]) -> NDArray[np.bool_]:
        """Of which spans the model met the surface as an entity in training, (N,)."""
        if self.keys is None:
            return np.zeros(len(spans), dtype=bool)
        surfaces = ["".join(self.words[span.start_token : span.end_token]) for span in spans]
        return np.isin(entity_keys(surfaces), self.keys)


def read_development(path: Path, corpus: Corpus, *, threads: int | None = None) -> Development:
    """Run a model over the gold tokens of all splits of a corpus.

    Args:
        path: the model directory.
        corpus: with its entities.
        threads: of the network.

    Raises:
        ArtifactError: the model is damaged.
    """
    artifact = load_artifact(path)
    backend = OnnxBackend(artifact.path, threads=threads)
    tagger = Tagger(artifact, backend)
    documents = [d for split in corpus.splits.values() for d in iter_documents(split)]
    cases = make_cases(documents, corpus.scheme)
    emissions = read_emissions(
        artifact, backend, [prepared(tagger, case, "gold") for case in cases]
    )
    slots = emissions.token_slots
    words = [""] * len(emissions.emissions)
    gold = set()
    first = 0
    for document in documents:
        for sentence in document:
            for token, word in enumerate(sentence.tokens, first):
                words[slots[token]] = word
            for span in spans_from_tags(sentence.tags, corpus.scheme):
                start, end = first + span.start_token, first + span.end_token
                gold.add(Span(int(slots[start]), int(slots[end - 1]) + 1, span.label))
            first += len(sentence)
    return Development(emissions, frozenset(gold), tuple(words), load_keys(artifact.path))
