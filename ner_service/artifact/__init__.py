"""A model on disk: `config` what it is, `vocabulary` words to numbers, `store` files."""

from ner_service.artifact.config import ArtifactConfig, NetworkConfig, VectorTableConfig
from ner_service.artifact.store import (
    Artifact,
    load_artifact,
    read_config,
    save_artifact,
    write_manifest,
)
from ner_service.artifact.vocabulary import VectorTable, Vocabulary

__all__ = [
    "Artifact",
    "ArtifactConfig",
    "NetworkConfig",
    "VectorTable",
    "VectorTableConfig",
    "Vocabulary",
    "load_artifact",
    "read_config",
    "save_artifact",
    "write_manifest",
]
