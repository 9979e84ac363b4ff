"""A run that starts from a trained model instead of fresh weights."""

from pathlib import Path

import torch

from ner_service.artifact import load_artifact
from ner_service.errors import ConfigError
from ner_service.inference.torch_backend import load_network
from training.module import TaggerModule
from training.vector_rows import TrainedVectors


def start_from(path: Path, module: TaggerModule) -> None:
    """Copy an artifact's network, and its vectors of the trainable rows, into a module.

    Raises:
        ArtifactError: the artifact is damaged.
        ConfigError: it is of another architecture, vocabulary or set of vectors.
    """
    artifact = load_artifact(path)
    ours, theirs = module.config, artifact.config
    if (ours.network, ours.tags, ours.vector_tables) != (
        theirs.network,
        theirs.tags,
        theirs.vector_tables,
    ):
        raise ConfigError(f"start: expected a model of this configuration, got {path}")
    state = load_network(artifact).state_dict()
    fresh = module.network.state_dict()
    if any(state[name].shape != tensor.shape for name, tensor in fresh.items()):
        raise ConfigError(f"start: expected a model of this training set's words, got {path}")
    module.network.load_state_dict(state)
    for table, vectors in zip(artifact.vector_tables, module.vectors, strict=True):
        assert isinstance(vectors, TrainedVectors)
        with torch.no_grad():
            vectors.table.weight[1:] = torch.from_numpy(table.gather(vectors.rows))
