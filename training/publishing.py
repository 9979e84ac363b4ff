"""Putting a new version of a model where servers load it from."""

import shutil
from pathlib import Path

from ner_service.artifact import load_artifact
from ner_service.errors import ArtifactError


def version_folder(output: Path, version: str) -> Path:
    """Where versions of a model lie that are not served; no model is looked for there."""
    return output.parent / ".versions" / f"{output.name}-{version}"


def publish(candidate: Path, output: Path) -> None:
    """Move a sound model directory, one of `version_folder`, to its place.

    What was there is kept beside it, under its version.
    """
    if output.exists():
        try:
            version = load_artifact(output).version
        except ArtifactError:
            version = "damaged"
        before = version_folder(output, version)
        shutil.rmtree(before, ignore_errors=True)
        output.rename(before)
    candidate.rename(output)
