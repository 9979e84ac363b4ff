"""Correcting an answer on the page, and teaching it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.server import Server, running
from tests.visits import SLOW, Visit


@pytest.fixture
def teachable(tiny_model: Path, tmp_path: Path) -> Iterator[Server]:
    """A server with a memory; its model has random weights, but learns all the same."""
    command = ("-m", "ner_service", "serve")
    with running(*command, model=tiny_model, memory=tmp_path, backend="onnx") as server:
        yield server


def test_entity_is_corrected_and_taught(browser: Browser, teachable: Server):
    with browser.new_context() as context:
        context.set_default_timeout(SLOW)
        visit = Visit(context, teachable)
        visit.find("the toy zorblax bought in Lisbon .")
        panel = visit.open_tab("Teach")
        removals = panel.get_by_role("button", name="Remove")
        while removals.count():
            removals.first.click()
        panel.get_by_label("Words").fill("zorblax")
        panel.get_by_label("Label", exact=True).fill("DRUG")
        panel.get_by_role("button", name="Add", exact=True).click()
        expect(panel.get_by_label("Label of zorblax")).to_have_value("DRUG")
        assert Axe().run(visit.page).response["violations"] == []
        panel.get_by_role("button", name="Send as feedback").click()
        expect(visit.status).to_contain_text("Feedback stored")
        panel.get_by_role("button", name="Teach", exact=True).click()
        expect(visit.marks).to_have_count(1)
        assert visit.marked() == [("zorblax", "DRUG")]
        visit.page.get_by_label("Candidates and evidence").check()
        table = visit.open_tab("Entities")
        expect(table).to_contain_text("zorblax S-DRUG 1.00")
        row = table.get_by_role("row", name="zorblax DRUG")
        expect(row).to_contain_text("memory")
        assert visit.complaints == []
    examples = teachable.http.get(f"{teachable.url}/v1/examples").json()["examples"]
    assert [e["entities"] for e in examples] == [[{"start": 8, "end": 15, "label": "DRUG"}]]
