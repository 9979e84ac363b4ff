"""An ensemble of taggers as one teacher: their averaged scores, and what they believe of a text.

The words of a text share their labels, as they do where a model is served.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from ner_service.artifact import load_artifact
from ner_service.errors import ConfigError
from ner_service.inference.backend import Backend
from ner_service.inference.consistency import Consistency
from ner_service.inference.decoder import Decoder
from ner_service.inference.decoding import (
    DecodingWeights,
    marginals,
    transition_counts,
)
from ner_service.inference.emissions import emission_steps
from ner_service.inference.features import WordFeaturizer
from ner_service.inference.lattices import ends_of, summed_batches
from ner_service.inference.onnx_backend import OnnxBackend
from ner_service.inference.rows import BOUNDARY_ROW, WordRows
from ner_service.inference.steps import finish
from ner_service.text.tokenizer import tokenize
from ner_service.text.windows import Window, lay_out, sentence_starts
from training.data import BOUNDARY_TYPE, SoftTags, TrainingWindow, WordTypes

_ARRAYS = "labelled.safetensors"
_LANGUAGE_MODELS = "language_models"


@dataclass(frozen=True, slots=True)
class LabelledWindow:
    """Words of a window, None for a boundary, and what the teacher believes of them."""

    words: list[str | None]
    soft: SoftTags

    def numbered(self, types: WordTypes) -> TrainingWindow:
        """The window in word types."""
        numbers = [BOUNDARY_TYPE if word is None else types.ids[word] for word in self.words]
        tag_ids = self.soft.marginals.argmax(axis=1)
        return TrainingWindow(np.array(numbers, dtype=np.int64), tag_ids, self.soft)


class Teacher:
    """Artifacts with the same tags, their emissions and transitions averaged."""

    def __init__(self, paths: Sequence[Path], *, threads: int = 1) -> None:
        """Load the artifacts.

        Raises:
            ConfigError: there is none, or their tags or windows differ.
            ArtifactError: one is damaged.
        """
        artifacts = [load_artifact(path) for path in paths]
        if not artifacts:
            raise ConfigError("expected at least one teacher, got none")
        self._config = artifacts[0].config
        for artifact in artifacts[1:]:
            if artifact.config.tags != self._config.tags:
                raise ConfigError(f"{artifact.path}: expected tags {self._config.tags}")
        self._temperatures = [artifact.config.temperature for artifact in artifacts]
        self._members: list[tuple[Backend, WordRows]] = []
        for artifact in artifacts:
            backend = OnnxBackend(artifact.path, threads=threads)
            network = artifact.config.network
            featurizer = WordFeaturizer(network, artifact.vocabulary, artifact.vector_tables)
            self._members.append((backend, WordRows(backend, featurizer)))
        weights = [Decoder(artifact).weights for artifact in artifacts]
        labels = Consistency.of(artifacts[0]).labels
        consistency = float(np.mean([artifact.config.consistency for artifact in artifacts]))
        self._weights = DecodingWeights(
            *(
                np.mean([getattr(w, name) for w in weights], axis=0)
                for name in ("transitions", "start", "end")
            )
        )
        self._consistency = Consistency(consistency, labels, self._weights)

    def label(self, texts: Sequence[str]) -> Iterator[LabelledWindow]:
        """The windows of raw texts, in no particular order."""
        words: list[str | None] = []
        windows, segments = [], []
        begins = [0]
        for text in texts:
            tokens = tokenize(text)
            layout = lay_out(
                sentence_starts(text, tokens),
                len(tokens),
                window_tokens=self._config.window_tokens,
                overlap=self._config.window_overlap,
            )
            offset = len(words)
            windows += [window.moved(offset) for window in layout.windows]
            segments += [(start + offset, stop + offset) for start, stop in layout.segments]
            own: list[str | None] = list(tokens.texts)
            for slot in layout.boundaries:
                own.insert(slot, None)
            words += own
            begins.append(len(words))
        if not words:
            return
        is_boundary = np.array([word is None for word in words])
        emissions, forms = self._emissions(words, is_boundary, windows)
        self._consistency.share(emissions, forms, begins, segments)
        for index, soft in beliefs(emissions, segments, self._weights):
            yield LabelledWindow(words[slice(*segments[index])], soft)

    def _emissions(
        self, words: Sequence[str | None], is_boundary: NDArray[np.bool_], windows: Sequence[Window]
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Averaged emissions, O forced between sentences, and the slots' forms."""
        total = np.zeros((len(words), len(self._config.tags)), dtype=np.float32)
        texts = [word or "" for word in words]
        for (backend, rows), temperature in zip(self._members, self._temperatures, strict=True):
            (places,) = rows.look_up([texts])
            row_ids = np.where(is_boundary, BOUNDARY_ROW, places)
            matrix, forms = rows.matrix, rows.forms[row_ids]
            total += (
                finish(emission_steps(backend, matrix, row_ids, windows, total.shape[1]))
                / temperature
            )
        total /= len(self._members)
        Decoder.force_boundaries(total, np.flatnonzero(is_boundary))
        return total, forms


def beliefs(
    emissions: NDArray[np.float32], segments: Sequence[tuple[int, int]], weights: DecodingWeights
) -> Iterator[tuple[int, SoftTags]]:
    """What a CRF believes of each segment, with its index, in no particular order.

    Args:
        emissions: (slots, K), O forced between sentences.
        segments: first slot of each, and the one behind its last.
        weights: the CRF's.
    """
    for batch, lattice in summed_batches(emissions, *ends_of(segments), weights):
        believed = marginals(lattice).astype(np.float16)
        moves = transition_counts(lattice).astype(np.float32)
        for row, index in enumerate(batch.chosen):
            start, stop = segments[index]
            yield index, SoftTags(believed[: stop - start, row].copy(), moves[row])


def save_labelled(
    windows: Sequence[LabelledWindow], folder: Path, *, language_models: Sequence[str] = ()
) -> None:
    """Keep labelled windows, so that several students can learn from them.

    Args:
        windows: what was labelled.
        folder: where.
        language_models: those that the teachers read, for the cards of the students.
    """
    folder.mkdir(parents=True, exist_ok=True)
    distinct = list(dict.fromkeys(word for window in windows for word in window.words))
    number = {word: index for index, word in enumerate(distinct)}
    save_file(
        {
            "words": np.array([number[w] for window in windows for w in window.words], np.int32),
            "lengths": np.array([len(window.words) for window in windows], np.int32),
            "marginals": np.concatenate([window.soft.marginals for window in windows]),
            "moves": np.stack([window.soft.moves for window in windows]),
        },
        folder / _ARRAYS,
        metadata={_LANGUAGE_MODELS: json.dumps(list(language_models))},
    )
    (folder / "words.json").write_text(json.dumps(distinct), encoding="utf-8")


def language_models_of(folder: Path) -> list[str]:
    """The language models that `save_labelled` was told of."""
    with safe_open(folder / _ARRAYS, framework="numpy") as arrays:
        kept = (arrays.metadata() or {}).get(_LANGUAGE_MODELS, "[]")
    return [str(name) for name in json.loads(kept)]


def load_labelled(folder: Path) -> list[LabelledWindow]:
    """What `save_labelled` kept."""
    arrays = load_file(folder / _ARRAYS)
    distinct = json.loads((folder / "words.json").read_text(encoding="utf-8"))
    ends = np.cumsum(arrays["lengths"]).tolist()
    windows = []
    for begin, end, moves in zip([0, *ends[:-1]], ends, arrays["moves"], strict=True):
        words = [distinct[number] for number in arrays["words"][begin:end]]
        windows.append(LabelledWindow(words, SoftTags(arrays["marginals"][begin:end], moves)))
    return windows
