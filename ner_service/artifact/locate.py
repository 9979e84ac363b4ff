"""Where models are: a path, or a name that is looked for in some folders."""

import os
from pathlib import Path

from ner_service.artifact.store import CONFIG
from ner_service.errors import ModelNotFoundError

_PACKAGE = Path(__file__).parents[1]


def model_folders() -> list[Path]:
    """Folders that hold models: those of `NER_MODELS`, then the package's, then the checkout's."""
    named = [Path(part) for part in os.environ.get("NER_MODELS", "").split(os.pathsep) if part]
    return [*named, _PACKAGE / "_models", _PACKAGE.parent / "models"]


def list_models() -> list[Path]:
    """The model directories that can be loaded by name; of equal names the first."""
    found: dict[str, Path] = {}
    for folder in model_folders():
        for config in sorted(folder.glob(f"*/{CONFIG}")):
            found.setdefault(config.parent.name, config.parent)
    return list(found.values())


def resolve_model(name_or_path: str | Path) -> Path:
    """The model directory of that path, or else of that name.

    Raises:
        ModelNotFoundError: there is neither.
    """
    path = Path(name_or_path)
    if (path / CONFIG).is_file() or (path.is_dir() and path.name != str(name_or_path)):
        return path  # a damaged directory too: loading it says what is missing
    for folder in model_folders():
        if (folder / path.name / CONFIG).is_file() and path.name == str(name_or_path):
            return folder / path.name
    looked = ", ".join(str(folder) for folder in model_folders())
    raise ModelNotFoundError(f"expected a model directory or name, got {path}; looked in {looked}")
