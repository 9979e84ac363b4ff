"""docs/training.md: what its commands name exists, and their arguments are accepted."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from training.config import load_config

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/training.md").read_text("utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [
    shlex.split(line)
    for block in BLOCKS
    for line in block.replace("\\\n", " ").splitlines()
    if "python -m training." in line
]


def values_of(command: list[str], flag: str) -> list[str]:
    return [value for name, value in zip(command, command[1:], strict=False) if name == flag]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_command_has_every_argument(command, capsys):
    module = importlib.import_module(command[command.index("-m") + 1])
    with pytest.raises(SystemExit) as left:
        module.main(["--help"])
    assert left.value.code == 0
    known = re.findall(r"--[a-z-]+", capsys.readouterr().out)
    assert {word for word in command if word.startswith("--")} <= set(known)


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if "--config" in command], ids=" ".join
)
def test_configuration_of_a_command_is_acceptable(command):
    (file,) = values_of(command, "--config")
    overrides = [o.replace("$seed", "2") for o in values_of(command, "--set")]
    load_config(ROOT / file, overrides)


def test_every_configuration_is_in_the_list():
    listed = set(re.findall(r"^\| `([a-z0-9]+\.toml)`", PAGE, flags=re.MULTILINE))
    there = {path.name for path in (ROOT / "training/configs").glob("*.toml")}
    assert listed == there - {"sets.toml"}


def test_another_corpus_needs_no_more_than_a_configuration():
    wnut = load_config(ROOT / "training/configs/wnut17.toml")
    assert wnut.data.scheme is None
    assert wnut.data.tag_column is None
