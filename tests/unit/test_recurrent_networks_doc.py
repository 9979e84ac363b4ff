"""docs/recurrent-networks.md: every file and every test that it names exists."""

import re
from pathlib import Path

import pytest

from ner_service.tags import tag_inventory

FOLDER = Path(__file__).parents[2] / "docs"
PAGE = (FOLDER / "recurrent-networks.md").read_text("utf-8")
LINKS = re.findall(r"\]\(([^)#]+)\)", PAGE)
# A test is named behind the link to its file.
NAMED = re.findall(r"\]\((\S+)\)|`(test_\w+)`", PAGE)


@pytest.mark.parametrize("link", sorted(set(LINKS)))
def test_linked_file_exists(link):
    assert (FOLDER / link).is_file()


def test_named_tests_exist():
    source, seen = "", 0
    for link, name in NAMED:
        if link.endswith(".py"):
            source = (FOLDER / link).read_text("utf-8")
        elif name:
            assert f"def {name}(" in source
            seen += 1
    assert seen > 20


def test_y_vector_of_the_page_is_the_one_of_the_code():
    tags = tag_inventory(("LOC", "MISC", "ORG", "PER"), "IOBES")
    assert len(tags) == 17
    assert tags.index("S-PER") == 16
