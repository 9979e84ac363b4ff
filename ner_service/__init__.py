"""Named entity recognition: names out of text.

Reading order: `text` and `tags`, then `artifact` (a model on disk), `network` (torch) and
`inference` (words to spans), then `tagger`, which is the whole way on one screen; `rules` and
`memory` steer it. `redaction` and `teaching` build on it; `api`, `batch` and `cli` are its faces.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ner_service.entities import Entity
    from ner_service.errors import NerError
    from ner_service.tagger import Document, ModelInfo, Tagger

__all__ = ["Document", "Entity", "ModelInfo", "NerError", "Tagger"]

_HOMES = {"Entity": "entities", "NerError": "errors"} | dict.fromkeys(
    ("Document", "ModelInfo", "Tagger"), "tagger"
)


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: the command line comes through here as well."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
