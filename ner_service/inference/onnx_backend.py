"""The network in ONNX Runtime: the default on a CPU."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ner_service.artifact.store import SENTENCE_ENCODER, SENTENCE_ENCODER_INT8, WORD_ENCODER
from ner_service.errors import ArtifactError, ConfigError
from ner_service.inference.backend import PROCESSOR_SLOTS, Precision
from ner_service.inference.features import WordFeatures


class OnnxBackend:
    """Two ONNX Runtime sessions over an artifact's graphs."""

    slots_a_batch = PROCESSOR_SLOTS

    def __init__(
        self, path: Path, *, precision: Precision = "full", threads: int | None = None
    ) -> None:
        """Load the graphs in `path`; `threads` is the number of threads, all cores if None.

        Raises:
            ConfigError: int8 asked of a model that has no int8 graph.
            ArtifactError: a graph cannot be loaded.
        """
        sentence_encoder = path / SENTENCE_ENCODER
        if precision == "int8":
            sentence_encoder = path / SENTENCE_ENCODER_INT8
            if not sentence_encoder.is_file():
                raise ConfigError(f"precision int8: model {path.name} has no int8 graph")
        self._words = _session(path / WORD_ENCODER, threads)
        self._sentences = _session(sentence_encoder, threads)
        self._word_inputs = {entry.name: entry.shape for entry in self._words.get_inputs()}

    def encode_words(
        self, features: WordFeatures, vectors: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """See `Backend`."""
        columns = {
            "one_hot_ids": features.one_hot_ids,
            "vectors": vectors,
            "characters": self._characters(features.characters),
            "shapes": features.shapes,
        }
        feed = {name: column for name, column in columns.items() if name in self._word_inputs}
        rows: NDArray[np.float32] = self._words.run(["rows"], feed)[0]
        return rows

    def _characters(self, characters: NDArray[np.int64]) -> NDArray[np.int64]:
        """Without the columns that are padding for every word, if the graph takes any width."""
        if "characters" not in self._word_inputs or self._word_inputs["characters"][1] != "C":
            return characters
        return characters[:, : max(1, int(np.count_nonzero(characters, axis=1).max()))]

    def encode_sentences(
        self, rows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """See `Backend`."""
        feed = {"rows": rows, "lengths": lengths.astype(np.int32, copy=False)}
        emissions: NDArray[np.float32] = self._sentences.run(["emissions"], feed)[0]
        return emissions

    def encode_states(
        self, rows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `Backend`."""
        feed = {"rows": rows, "lengths": lengths.astype(np.int32)}
        states, emissions = self._sentences.run(["states", "emissions"], feed)
        return states, emissions


def _session(file: Path, threads: int | None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    # Idle threads must not burn the cores that tokenise and decode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises types of its own for damaged graphs
        raise ArtifactError(f"{file}: {' '.join(str(error).split())}") from None
