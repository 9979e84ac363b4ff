"""The network in torch: for GPUs, and the reference that ONNX Runtime is compared with."""

import numpy as np
import torch
from numpy.typing import NDArray

from ner_service.artifact.store import Artifact
from ner_service.errors import ArtifactError
from ner_service.inference.backend import PROCESSOR_SLOTS, Precision
from ner_service.inference.features import WordFeatures
from ner_service.network import TaggerNetwork, WordInputs

GPU_SLOTS = 25_600
"""On a GPU each step of time costs its start, so that 256 windows of 100 take little more time than
16; of still larger batches the copies to the GPU and back are what costs."""


class TorchBackend:
    """An artifact's weights in a `TaggerNetwork`, on a GPU where there is one."""

    def __init__(
        self, artifact: Artifact, *, precision: Precision = "full", threads: int | None = None
    ) -> None:
        """Fill the network; `threads` sets torch's own number for this process.

        In half precision the sentence encoder computes in float16; words are read in full.

        Raises:
            ArtifactError: the weights do not fit the configuration.
        """
        if threads is not None:
            torch.set_num_threads(threads)
        on_gpu = has_gpu()
        self.slots_a_batch = GPU_SLOTS if on_gpu else PROCESSOR_SLOTS
        self._device = torch.device("cuda" if on_gpu else "cpu")
        self._type = torch.float16 if precision == "half" else torch.float32
        self._network = load_network(artifact).to(self._device).eval()
        self._network.sentence_encoder.to(self._type)

    @torch.inference_mode()
    def encode_words(
        self, features: WordFeatures, vectors: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """See `Backend`."""
        rows = self._network.word_encoder(
            WordInputs(
                *(
                    torch.from_numpy(column).to(self._device)
                    for column in (
                        features.one_hot_ids,
                        vectors,
                        features.characters,
                        features.shapes,
                    )
                )
            )
        )
        return _numpy(rows)

    def encode_sentences(
        self, rows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """See `Backend`."""
        return self.encode_states(rows, lengths)[1]

    @torch.inference_mode()
    def encode_states(
        self, rows: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `Backend`."""
        inputs = torch.from_numpy(rows).to(self._device, self._type).transpose(0, 1)
        steps = torch.arange(rows.shape[0], device=self._device)
        mask = steps < torch.from_numpy(lengths).to(self._device).unsqueeze(1)
        states, emissions = self._network.sentence_encoder(inputs, mask)
        return _numpy(states.transpose(0, 1)), _numpy(emissions.transpose(0, 1))


def has_gpu() -> bool:
    """Whether torch can use a GPU here."""
    return torch.cuda.is_available()


def load_network(artifact: Artifact) -> TaggerNetwork:
    """A `TaggerNetwork` with the artifact's weights.

    Raises:
        ArtifactError: the weights do not fit the configuration.
    """
    network = TaggerNetwork(artifact.config, artifact.vocabulary)
    state = {name: torch.from_numpy(array.copy()) for name, array in artifact.weights.items()}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ArtifactError(f"{artifact.path}: {' '.join(str(error).split())}") from None
    return network


def _numpy(tensor: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.float().contiguous().cpu().numpy()
    return array
