"""Puts the shipped model into the wheel.

An editable install reads ``models/`` from the checkout, so only a standard wheel gets the copy; a
static ``force-include`` would leave a stale 60 MB copy beside an editable install.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHIPPED_MODELS = ("conll2003",)


class ShipModels(BuildHookInterface[BuilderConfig]):
    """Adds each shipped model directory as ``ner_service/_models/<name>``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fill in the build's forced inclusions; `version` is "standard" or "editable"."""
        if version != "standard":
            return
        for name in SHIPPED_MODELS:
            source = Path(self.root, "models", name)
            if not (source / "manifest.json").is_file():
                raise FileNotFoundError(f"expected a trained model to ship in {source}, found none")
            build_data["force_include"][str(source)] = f"ner_service/_models/{name}"
