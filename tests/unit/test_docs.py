"""The pages of the documentation lead to each other and into the code."""

import re
from pathlib import Path

import pytest

from tests.docs import ROOT

# Written by a study, which takes hours.
LATER = "study/README.md"


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_lead_somewhere(page: Path):
    text = page.read_text("utf-8").replace("\n", " ")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists() or target == LATER, target
