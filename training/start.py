"""A run that starts from a trained model instead of fresh weights."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ner_service.artifact import ArtifactConfig, VectorTable, load_artifact
from ner_service.errors import ConfigError
from ner_service.inference.torch_backend import load_network
from training.module import TaggerModule
from training.vector_rows import TrainedVectors


def start_from(path: Path, module: TaggerModule, tables: Sequence[VectorTable]) -> None:
    """Copy an artifact's network, and its vectors of the trainable rows, into a module.

    A table may have got another limit of words since: words that the artifact lacks keep their
    pretrained vectors.

    Args:
        path: the artifact.
        module: the run's.
        tables: the run's pretrained vectors, a table for each of the module's.

    Raises:
        ArtifactError: the artifact is damaged.
        ConfigError: it is of another architecture, vocabulary or set of vectors.
    """
    artifact = load_artifact(path)
    if signature(module.config) != signature(artifact.config):
        raise ConfigError(f"start: expected a model of this configuration, got {path}")
    state = load_network(artifact).state_dict()
    fresh = module.network.state_dict()
    if any(state[name].shape != tensor.shape for name, tensor in fresh.items()):
        raise ConfigError(f"start: expected a model of this training set's words, got {path}")
    module.network.load_state_dict(state)
    for table, own, vectors in zip(artifact.vector_tables, tables, module.vectors, strict=True):
        assert isinstance(vectors, TrainedVectors)
        if not _same_rows(table, own):
            raise ConfigError(f"start: expected a model of these vectors, got {path}")
        # A limit cuts off the last rows.
        known = int(np.searchsorted(vectors.rows, len(table.values)))
        with torch.no_grad():
            vectors.table.weight[1 : known + 1] = torch.from_numpy(
                table.gather(vectors.rows[:known])
            )


def _same_rows(one: VectorTable, other: VectorTable) -> bool:
    """Whether all words of the smaller table have the same rows in the other."""
    _, places, others = np.intersect1d(
        one.keys, other.keys, assume_unique=True, return_indices=True
    )
    whole = len(places) == min(len(one.keys), len(other.keys))
    return whole and bool((one.rows[places] == other.rows[others]).all())


def signature(config: ArtifactConfig) -> tuple[object, ...]:
    """What has to be equal for weights of two models to fit and to mean the same."""
    tables = tuple((table.name, table.width) for table in config.vector_tables)
    return config.network, config.tags, tables
