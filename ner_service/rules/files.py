"""Rules from files: TOML, JSON, or the JSON lines of spaCy's EntityRuler."""

import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ner_service.errors import ConfigError
from ner_service.rules.rule_set import RuleSet, compile_rules
from ner_service.rules.shapes import GazetteerIn, Rules


def load_rules(path: Path) -> RuleSet:
    """Read and compile a file of rules.

    `.toml` and `.json` hold what a request may hold as `rules`; there a gazetteer may name a file
    of names, relative to the rules file. `.jsonl`, or a list in `.json`, holds patterns as spaCy's
    EntityRuler writes them.

    Raises:
        ConfigError: a file cannot be read, or a rule is not acceptable.
    """
    data = _read(path)
    if isinstance(data, list):
        data = {"patterns": data}
    try:
        rules = Rules.model_validate(data)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"])) or "rules"
        raise ConfigError(f"{path}: {place}: {fault['msg']}") from None
    gazetteers = [_with_names(entry, path.parent) for entry in rules.gazetteers]
    try:
        return compile_rules(rules.model_copy(update={"gazetteers": gazetteers}))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _read(path: Path) -> Any:
    content = _text(path)
    try:
        if path.suffix == ".toml":
            return tomllib.loads(content)
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in content.split("\n") if line.strip()]
        return json.loads(content)
    except (ValueError, RecursionError) as error:  # both parsers' errors are ValueErrors
        raise ConfigError(f"{path}: {error}") from None


def _with_names(entry: GazetteerIn, folder: Path) -> GazetteerIn:
    if entry.file is None:
        return entry
    lines = _text(folder / entry.file).splitlines()
    names = [*entry.names, *(line for line in lines if line.strip())]
    return entry.model_copy(update={"names": names})


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from None
