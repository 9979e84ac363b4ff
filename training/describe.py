"""What a model is and how it came to be, as plain values for `metrics.json`."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from datasets import Dataset

from ner_service.artifact import load_artifact
from training.config import TrainConfig
from training.corpus import Corpus
from training.curves import Curves
from training.metrics_file import Metrics, weights_digest
from training.streaming import StreamedDocuments


def describe_model(path: Path) -> Metrics:
    """What a model is made of.

    Raises:
        ArtifactError: the model is damaged.
    """
    artifact = load_artifact(path)
    config = artifact.config
    return {
        "name": config.name,
        "weights_sha256": weights_digest(path),
        "labels": list(config.labels),
        "scheme": config.scheme,
        "parameters": sum(int(array.size) for array in artifact.weights.values()),
        "known_words": len(artifact.vocabulary.words),
        "window_tokens": config.window_tokens,
        "vector_tables": [asdict(table) for table in config.vector_tables],
        "network": asdict(config.network),
        "bytes": sum(file.stat().st_size for file in path.iterdir() if file.is_file()),
    }


def describe_training(
    settings: TrainConfig,
    corpus: Corpus,
    *,
    config_file: Path | None = None,
    texts: Sequence[Path] = (),
) -> Metrics:
    """What a model was trained on and how; `texts` are those it learnt from without gold tags."""
    return {
        "settings": asdict(settings),
        "config_file": None if config_file is None else config_file.as_posix(),
        "texts": list(dict.fromkeys(file.name for file in texts)),
        "corpus": {
            "source": corpus.source,
            "documents_marked": corpus.documents_marked,
            "scheme": corpus.scheme,
            "splits": {str(name): _size_of(split) for name, split in corpus.splits.items()},
        },
    }


def _size_of(split: Dataset | StreamedDocuments) -> dict[str, int]:
    if isinstance(split, StreamedDocuments):
        return {
            "sentences": split.sentences,
            "documents": len(split),
            "tokens": split.tokens,
        }
    return {
        "sentences": len(split),
        "documents": len(set(split["document_id"])),
        "tokens": sum(map(len, split["tokens"])),
    }


def describe_curves(curves: Curves) -> Metrics:
    """Learning curves; null where nothing was logged."""

    def column(values: Sequence[float]) -> list[float | None]:
        return [round(value, 6) if value == value else None for value in values]

    return {
        "dev_f1": column(curves.dev_f1),
        "train_loss": column(curves.train_loss),
        "gradient_norm": column(curves.gradient_norm),
        "best_epoch": curves.best_epoch,
        "seconds": round(curves.seconds),
    }
