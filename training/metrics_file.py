"""`metrics.json` beside a model: what was measured of exactly these weights."""

import hashlib
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ner_service.artifact.store import WEIGHTS
from ner_service.errors import ArtifactError

logger = logging.getLogger(__name__)

METRICS = "metrics.json"
DEVELOPMENT, TEST = "development", "test"
"""Keys of the sets that a card shows in detail."""

CURVE_PLOT, LABELS_PLOT = "learning_curve.png", "labels.png"
CONFUSION_PLOT, RELIABILITY_PLOT = "confusion.png", "reliability.png"

Metrics = dict[str, Any]


def read_metrics(path: Path) -> Metrics | None:
    """The metrics of a model, None where there are none or they are of other weights.

    Raises:
        ArtifactError: the file is damaged, or the model's weights are missing.
    """
    file = path / METRICS
    if not file.is_file():
        return None
    try:
        metrics: Metrics = json.loads(file.read_bytes())
        if metrics["model"]["weights_sha256"] == weights_digest(path):
            return metrics
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{file}: expected the metrics of a model ({error!r})") from None
    logger.warning("%s is of other weights and is not looked at", file)
    return None


def texts_behind(models: Iterable[Path]) -> list[str]:
    """Texts, and language models, that models learnt from: so do those that go on from them."""
    texts = [
        text
        for path in models
        for text in (read_metrics(path) or {}).get("training", {}).get("texts", [])
    ]
    return list(dict.fromkeys(texts))


def save_metrics(path: Path, metrics: Metrics) -> None:
    """Write the metrics of a model; the manifest must be written anew afterwards."""
    text = json.dumps(metrics, ensure_ascii=False, indent=1, allow_nan=False)
    (path / METRICS).write_text(text + "\n", encoding="utf-8")


def weights_digest(path: Path) -> str:
    """First 12 hex digits of the SHA-256 of a model's weights.

    Raises:
        ArtifactError: there are none.
    """
    try:
        with (path / WEIGHTS).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]
    except OSError as error:
        raise ArtifactError(f"{path / WEIGHTS}: cannot be read: {error.strerror}") from error
