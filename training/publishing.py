"""Putting a new version of a model where servers load it from."""

import shutil
from pathlib import Path

from ner_service.artifact import load_artifact
from ner_service.errors import ArtifactError


def version_folder(output: Path, version: str) -> Path:
    """Where versions of a model lie that are not served; no model is looked for there."""
    return output.parent / ".versions" / f"{output.name}-{version}"


def publish(candidate: Path, output: Path, *, passed: bool) -> Path | None:
    """Move a candidate to its place, if it has passed; what was there is kept beside it.

    Args:
        candidate: a sound model directory, one of `version_folder`.
        output: the place.
        passed: whether to publish; otherwise it stays where it is, to be looked at.

    Returns:
        Where the version before is now, None if there was none.
    """
    load_artifact(candidate)  # never put a damaged directory in place
    if not passed:
        return None
    if not output.exists():
        candidate.rename(output)
        return None
    try:
        version = load_artifact(output).version
    except ArtifactError:
        version = "damaged"
    before = version_folder(output, version)
    shutil.rmtree(before, ignore_errors=True)
    output.rename(before)
    candidate.rename(output)
    return before
