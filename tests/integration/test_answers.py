"""docs/answers.md is run as it stands, against the model that is shipped."""

import json
import re
import tomllib
from typing import Any

import pytest
from fastapi import FastAPI

from ner_service.api.app import create_app
from ner_service.api.settings import Settings
from ner_service.rules import Rules
from ner_service.tagger import Tagger
from tests.docs import ROOT, blocks, shell
from tests.fakes import call

BLOCKS = blocks((ROOT / "docs" / "answers.md").read_text("utf-8"))
ANYTHING = "\N{HORIZONTAL ELLIPSIS}"


def behind(kind: str) -> list[tuple[str, str]]:
    """Every block of a kind, with the block that follows it."""
    pairs = zip(BLOCKS, BLOCKS[1:], strict=False)
    return [(code, answer) for (language, code), (_, answer) in pairs if language == kind]


def holds(answer: Any, shown: Any) -> bool:
    """Whether an answer is what is shown, and perhaps more in its objects."""
    if shown == ANYTHING:
        return isinstance(answer, int | float | str)
    if isinstance(shown, dict):
        return all(name in answer and holds(answer[name], shown[name]) for name in shown)
    if isinstance(shown, list):
        return len(answer) == len(shown) and all(map(holds, answer, shown))
    return bool(answer == shown)


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(Settings(log_level="error"), Tagger.load(ROOT / "models/conll2003"))


@pytest.mark.parametrize(("request_", "shown"), behind("http"))
def test_requests_are_answered_as_shown(app, request_, shown):
    method, page, body = re.fullmatch(r"(\w+) (\S+)\n(.*)", request_, flags=re.DOTALL).groups()
    response = call(app, method, page, json=json.loads(body))
    assert response.status_code == 200, response.text
    expected = json.loads(re.sub(r"(?<=: )\.\.\.", f'"{ANYTHING}"', shown))
    assert holds(response.json(), expected), response.json()


@pytest.mark.parametrize(("code", "shown"), behind("python"))
def test_python_prints_what_is_shown(tmp_path, code, shown):
    assert shell(f"python - <<'END'\n{code}END", tmp_path) == shown


@pytest.mark.parametrize(("code", "shown"), behind("sh"))
def test_commands_print_what_is_shown(tmp_path, code, shown):
    assert shell(code, tmp_path) == shown


@pytest.mark.parametrize("code", [code for language, code in BLOCKS if language == "toml"])
def test_files_of_rules_are_sound(code):
    Rules.model_validate(tomllib.loads(code))


def test_there_are_examples_of_every_kind():
    assert {"http", "json", "python", "sh", "text", "toml"} == {language for language, _ in BLOCKS}
