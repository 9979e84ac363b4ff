"""The whole way on one screen: text, tokens, windows, rows, emissions, decoding, entities."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ner_service.artifact import Artifact, load_artifact
from ner_service.artifact.locate import resolve_model
from ner_service.artifact.vocabulary import UNKNOWN_ID
from ner_service.entities import Entity, entities_from_spans
from ner_service.errors import ConfigError
from ner_service.inference.analyser import Analyser, DecodedDocument
from ner_service.inference.analysis import (
    LEAST_PROBABILITY,
    MOST_LABELLINGS,
    Analysis,
    Wanted,
)
from ner_service.inference.backend import Backend, BackendName, Precision
from ner_service.inference.backends import make_backend
from ner_service.inference.consistency import Consistency
from ner_service.inference.decoder import Decoder
from ner_service.inference.emissions import emission_steps
from ner_service.inference.features import WordFeaturizer
from ner_service.inference.rows import BOUNDARY_ROW, WordRows
from ner_service.inference.states import state_steps
from ner_service.inference.steps import Steps, finish
from ner_service.memory import CachedWords, Example, Memory, Recalled, seen_by
from ner_service.tags import Span
from ner_service.text.sentences import end_long_sentences
from ner_service.text.tokenizer import Tokens, tokenize
from ner_service.text.windows import Layout, lay_out, sentence_starts

if TYPE_CHECKING:  # whoever has rules has loaded what reads them; a start without is quicker
    from ner_service.rules import RuleSet

_EXAMPLES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a model says of itself; `tags` stand in the order of their ids."""

    name: str
    version: str
    scheme: str
    labels: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TagOptions:
    """What is wanted beside the entities; the defaults cost nothing.

    Attributes:
        nbest: how many of the best labellings of the document, at most 10.
        candidates: least probability of spans that were not chosen, at least 0.001.
        explain: marginals of the tokens, and runners-up of the entities' labels.
        rules: sets of rules, each of which meets what the model and the sets before it found.
    """

    nbest: int = 0
    candidates: float | None = None
    explain: bool = False
    rules: "tuple[RuleSet, ...]" = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be worked out.

        Raises:
            ConfigError: a number is out of its range.
        """
        if not 0 <= self.nbest <= MOST_LABELLINGS:
            raise ConfigError(f"expected nbest from 0 to {MOST_LABELLINGS}, got {self.nbest}")
        if self.candidates is not None and not LEAST_PROBABILITY <= self.candidates <= 1:
            raise ConfigError(
                f"expected candidates from {LEAST_PROBABILITY} to 1, got {self.candidates}"
            )

    @property
    def wanted(self) -> Wanted | None:
        """What to ask the model for; None for no more than the entities."""
        least = LEAST_PROBABILITY if self.explain else self.candidates
        if not self.nbest and least is None:
            return None
        return Wanted(nbest=self.nbest, least=least, marginals=self.explain)


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A text with its tokens and their layout, ready for the network.

    Attributes:
        text: as it came.
        tokens: the text's tokens.
        layout: of the tokens in windows.
        wanted: what is asked beside the entities.
    """

    text: str
    tokens: Tokens
    layout: Layout
    wanted: Wanted | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """The answer for one text.

    Attributes:
        text: as it came.
        entities: in the order of the text.
        tokens: the text's tokens.
        tag_ids: (tokens,) the id of each token's tag.
        analysis: what the model held possible beside it, if it was asked for.
    """

    text: str
    entities: tuple[Entity, ...]
    tokens: Tokens
    tag_ids: NDArray[np.int64]
    analysis: Analysis | None = None


class Tagger:
    """Finds names in texts with one loaded model.

    What is found in a text depends on that text alone, not on its neighbours in a batch or on
    what was tagged before. `prepare` may be called from any thread, the rest from one at a time.
    """

    def __init__(self, artifact: Artifact, backend: Backend) -> None:
        """Put a model's parts together; most callers want `Tagger.load`."""
        config = artifact.config
        self.info = ModelInfo(
            config.name, artifact.version, config.scheme, config.labels, config.tags
        )
        self._config = config
        self._tag_count = len(config.tags)
        self._vocabulary = artifact.vocabulary
        featurizer = WordFeaturizer(config.network, artifact.vocabulary, artifact.vector_tables)
        self._backend = backend
        self._rows = WordRows(backend, featurizer)
        self._consistency = Consistency.of(artifact)
        self._decoder = Decoder(artifact)
        self._analyser = Analyser.build(config.tags, config.scheme, self._decoder.weights)
        self.memory = Memory(artifact, seen_by(featurizer))

    @classmethod
    def load(
        cls,
        name_or_path: str | Path,
        *,
        backend: BackendName = "auto",
        precision: Precision = "full",
        threads: int | None = None,
    ) -> "Tagger":
        """Load a model by path or by name.

        Args:
            name_or_path: a model directory, or the name of one that `list_models` finds.
            backend: `onnx`, `torch`, or `auto`: torch where it can use a GPU, else ONNX Runtime.
            precision: `int8` is for bulk work; scores then depend a little on the batch. `half`
                is for a GPU.
            threads: threads of the network, all cores if None.

        Raises:
            ModelNotFoundError: no such model.
            ArtifactError: the model is damaged.
            ConfigError: the model cannot be served that way.
        """
        path = resolve_model(name_or_path)
        artifact = load_artifact(path)
        return cls(artifact, make_backend(artifact, backend, precision, threads))

    def tag(self, text: str, options: TagOptions | None = None) -> Document:
        """Find the entities of one text."""
        return self.tag_batch([text], options)[0]

    def tag_batch(self, texts: Sequence[str], options: TagOptions | None = None) -> list[Document]:
        """Find the entities of each text."""
        return self._tag([self.prepare(text) for text in texts], options)

    def tag_tokens(
        self, documents: Sequence[Sequence[str]], options: TagOptions | None = None
    ) -> list[Document]:
        """Find the entities of documents that come as tokens, one sentence each.

        Offsets point into the tokens joined by single spaces.
        """
        return self._tag([self.prepare_tokens(words) for words in documents], options)

    def prepare(self, text: str) -> PreparedDocument:
        """Tokenise a text and lay its sentences out in windows."""
        tokens = tokenize(text)
        return self._laid_out(text, tokens, sentence_starts(text, tokens))

    def prepare_tokens(
        self, words: Sequence[str], starts: Sequence[int] | None = None
    ) -> PreparedDocument:
        """Take tokens as they are; `starts` are the tokens that open sentences, [0] if None.

        A sentence of more than `LONGEST_SENTENCE` tokens is ended there.
        """
        text, tokens = Tokens.from_words(words)
        given = ([0] if words else []) if starts is None else starts
        return self._laid_out(text, tokens, end_long_sentences(given, tokens.texts))

    def tag_documents(self, documents: Sequence[PreparedDocument]) -> list[Document]:
        """Find the entities of prepared documents, raw and pre-tokenised ones mixed."""
        return finish(self.tagging_steps(documents))

    def tagging_steps(self, documents: Sequence[PreparedDocument]) -> Steps[list[Document]]:
        """The same in steps, which give out what the network, the memory and analyses have to do.

        The steps of a tagger are for one thread; what they give out may be done on another, one
        after the other. While they wait, other documents' steps may be done, but nothing may be
        taught or forgotten.
        """
        if not documents:
            return []
        first_slots = [0, *accumulate(document.layout.slot_count for document in documents)]
        windows, segments = [], []
        for document, offset in zip(documents, first_slots, strict=False):
            layout = document.layout
            windows += [window.moved(offset) for window in layout.windows]
            segments += [(a + offset, b + offset) for a, b in layout.segments]
        row_ids, boundaries = self._slots(documents)
        # What the cache holds now: while these steps wait, it may be emptied.
        matrix, era = self._rows.matrix, self._rows.era
        forms = self._rows.forms[row_ids] if self._consistency.weight else None
        recalled: Recalled | None = None
        decoder, analyser = self._decoder, self._analyser
        taught_any = len(self.memory) > 0 and len(windows) > 0
        if taught_any:
            states, emissions = yield from state_steps(self._backend, matrix, row_ids, windows)
        else:
            emissions = yield from emission_steps(
                self._backend, matrix, row_ids, windows, self._tag_count
            )
        if forms is not None:
            decoder.force_boundaries(emissions, boundaries)
            self._consistency.share(emissions, forms, first_slots, segments)
        if taught_any:
            texts = [document.tokens.texts for document in documents]
            words = CachedWords(texts, np.delete(row_ids, boundaries), era)
            recalled = yield partial(
                self.memory.recall, words, states, emissions, segments, boundaries
            )
            assert recalled is not None
            emissions = recalled.emissions
            decoder, analyser = self.memory.decoder, self.memory.analyser
        summed = None if recalled is None else recalled.summed
        decoded = decoder.decode(emissions, segments, boundaries, summed)
        taught = [] if recalled is None else recalled.taught(decoded.spans, decoded.tag_ids)
        is_boundary = np.zeros(len(row_ids), dtype=np.bool_)
        is_boundary[boundaries] = True
        opened = [span.start_token for span in decoded.spans]
        span_places = [bisect_left(opened, first) for first in first_slots]
        answers = []
        for index, document in enumerate(documents):
            begin, end = first_slots[index : index + 2]
            place = slice(span_places[index], span_places[index + 1])
            layout = document.layout
            spans = [
                Span(
                    layout.token_at(span.start_token - begin),
                    layout.token_at(span.end_token - begin - 1) + 1,
                    span.label,
                )
                for span in decoded.spans[place]
            ]
            entities = entities_from_spans(
                document.text, document.tokens, spans, decoded.scores[place]
            )
            if any(taught[place]):
                entities = tuple(
                    replace(entity, source="memory") if voted else entity
                    for entity, voted in zip(entities, taught[place], strict=True)
                )
            tag_ids = decoded.tag_ids[begin:end]
            analysis = None
            if document.wanted is not None:
                own = emissions[begin:end].astype(np.float64)
                decoded_document = DecodedDocument(
                    document.text, document.tokens, document.layout, own, tag_ids, entities
                )
                analysis = yield partial(analyser.analyse, decoded_document, document.wanted)
                if recalled is not None and document.wanted.marginals:
                    near = recalled.neighbours(document.tokens, begin + layout.token_slots, spans)
                    analysis = replace(analysis, neighbours=near)
            answers.append(
                Document(
                    document.text,
                    entities,
                    document.tokens,
                    tag_ids[~is_boundary[begin:end]],
                    analysis,
                )
            )
        return answers

    def teach(self, examples: Sequence[Example]) -> None:
        """Remember examples that are new; their labels join the model's, see `ner_service.memory`.

        Raises:
            ConfigError: an entity is not one of whole tokens; nothing of that part is learnt.
        """
        known = set(self.memory.identifiers)
        new = [example for example in examples if example.id not in known]
        for begin in range(0, len(new), _EXAMPLES_AT_ONCE):
            part = new[begin : begin + _EXAMPLES_AT_ONCE]
            prepared = [
                self.prepare(e.text) if e.words is None else self.prepare_tokens(e.words)
                for e in part
            ]
            self.memory.learn(part, [p.tokens for p in prepared], self._states(prepared))
        labels = (*self._config.labels, *self.memory.labels)
        self.info = replace(self.info, labels=labels, tags=self.memory.tags)

    def forget(self, identifiers: Iterable[str]) -> None:
        """Remember examples no more; labels that came with them stay until the next load."""
        self.memory.forget(identifiers)

    def word_ids(self, words: Sequence[str]) -> list[int]:
        """Position of the 1 in each word's one-hot vector, the unknown word's where it is none."""
        lookup = self._vocabulary.word_ids.get
        return [lookup(word, UNKNOWN_ID) for word in words]

    def _tag(
        self, prepared: Sequence[PreparedDocument], options: TagOptions | None
    ) -> list[Document]:
        if options is None:
            return self.tag_documents(prepared)
        wanted = options.wanted
        documents = self.tag_documents([replace(document, wanted=wanted) for document in prepared])
        return [ruled(document, options.rules) for document in documents]

    def _states(self, documents: Sequence[PreparedDocument]) -> list[NDArray[np.float32]]:
        """Hidden states of each document's tokens."""
        found = []
        for document in documents:
            row_ids, _ = self._slots([document])
            if not len(row_ids):
                found.append(np.zeros((0, self._config.network.state_width), dtype=np.float32))
                continue
            states, _ = finish(
                state_steps(self._backend, self._rows.matrix, row_ids, document.layout.windows)
            )
            found.append(states[document.layout.token_slots])
        return found

    def _laid_out(self, text: str, tokens: Tokens, starts: Sequence[int]) -> PreparedDocument:
        layout = lay_out(
            starts,
            len(tokens),
            window_tokens=self._config.window_tokens,
            overlap=self._config.window_overlap,
        )
        return PreparedDocument(text, tokens, layout)

    def _slots(
        self, documents: Sequence[PreparedDocument]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Row of every slot of all documents, one behind the other, and which are boundaries."""
        rows: list[int] = []
        boundaries: list[int] = []
        places = self._rows.look_up([document.tokens.texts for document in documents])
        for document, words in zip(documents, places, strict=True):
            layout, first_slot = document.layout, len(rows)
            boundaries += [first_slot + slot for slot in layout.boundaries]
            rows += layout.in_slots(words, at_boundaries=BOUNDARY_ROW)
        return np.array(rows, dtype=np.int32), np.array(boundaries, dtype=np.int64)


def ruled(document: Document, rules: "Sequence[RuleSet]") -> Document:
    """The document after sets of rules have met it, one after the other.

    Tags, labellings and readings stay the model's.

    Raises:
        RuleError: rules took longer than their limit.
    """
    entities = document.entities
    for rule_set in rules:
        entities = rule_set.apply(document.text, document.tokens, entities)
    return document if entities is document.entities else replace(document, entities=entities)
