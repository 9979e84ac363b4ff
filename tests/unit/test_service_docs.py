"""docs/service.md names every setting, every error code and nothing that is not there."""

import re
from pathlib import Path

from ner_service.api.app import create_app
from ner_service.api.problems import HTTP_KINDS, KINDS
from ner_service.api.settings import Settings
from tests.fakes import FakeTagger

PAGE = (Path(__file__).parents[2] / "docs/service.md").read_text("utf-8")


def table(heading: str) -> str:
    return PAGE.split(heading)[1].split("\n\n", 2)[1]


def first_cells(text: str, column: int = 1) -> set[str]:
    rows = [line.split("|") for line in text.splitlines() if line.startswith("|")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row[column])}


def test_every_setting_is_in_the_table():
    assert first_cells(PAGE.split("## Settings")[1]) == set(Settings.model_fields)


def test_every_error_code_is_in_the_table():
    codes = {kind.code for kind in (*KINDS.values(), *HTTP_KINDS.values())}
    told = first_cells(PAGE.split("status | code")[1].split("\n\n")[0], column=2)
    # 499 is never sent: the client is gone.
    assert codes - {"client_gone"} <= told


def test_every_path_of_v1_is_in_the_table():
    paths = create_app(Settings(), tagger=FakeTagger()).openapi()["paths"]
    for path in paths:
        if path.startswith("/v1/models/"):
            path = "/" + path.rsplit("/", 1)[1]
        if not path.startswith(("/hf", "/aws", "/presidio")):
            assert f"{path}`" in PAGE, path
