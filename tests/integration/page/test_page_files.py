"""Files that are given to the page, and what it tells when something is wrong."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.server import running
from tests.visits import FAILED_LOAD, SERVE, Visit, drop


def test_a_dropped_file_is_tagged(visit: Visit):
    drop(visit, "notes.txt", "Zoë met Bob 😀\n".encode())
    expect(visit.marks).to_have_count(2)
    assert visit.text.input_value() == "Zoë met Bob 😀\n"
    assert not visit.page.locator(".dropping").count()


def test_a_chosen_file_is_tagged(visit: Visit, tmp_path: Path):
    file = tmp_path / "notes.txt"
    file.write_text("Ann met Bob", encoding="utf-8")
    with visit.page.expect_file_chooser() as chooser:
        visit.page.get_by_role("button", name="Open a file").click()
    chooser.value.set_files(file)
    expect(visit.marks).to_have_count(2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfeB\x00o\x00b\x00", "notes.txt is not text in UTF-8"),
        (b"PK\x03\x04\x00\x00", "notes.txt is not a text file"),
    ],
)
def test_a_file_that_is_no_text_is_refused(visit: Visit, content: bytes, message: str):
    drop(visit, "notes.txt", content)
    expect(visit.page.get_by_role("alert")).to_contain_text(message)
    assert visit.text.input_value() == ""


def test_a_huge_file_is_refused_before_it_is_read(visit: Visit, tmp_path: Path):
    file = tmp_path / "long.txt"
    file.write_bytes(b"Bob " * (1024 * 1024 + 1))
    visit.page.locator("#file").set_input_files(file)
    expect(visit.page.get_by_role("alert")).to_contain_text("long.txt is too long")


def test_a_problem_of_the_service_is_shown_plainly(visit: Visit):
    visit.text.fill("Bob " * 50_001)
    visit.page.get_by_role("button", name="Find names").click()
    alert = visit.page.get_by_role("alert")
    expect(alert).to_contain_text("The text is over the limit")
    expect(alert).to_contain_text("expected at most 200000 code points, got 200004")
    expect(alert).to_contain_text(re.compile("Request [0-9a-f]{32}"))
    (complaint,) = visit.complaints
    assert complaint.startswith(FAILED_LOAD)
    assert "413" in complaint
    visit.complaints.clear()
    visit.find("Bob")
    expect(alert).to_be_hidden()


def test_a_faulty_field_is_named(visit: Visit):
    visit.text.evaluate("(box) => { box.value = 'Bob \\ud800'; }")
    visit.page.get_by_role("button", name="Find names").click()
    alert = visit.page.get_by_role("alert")
    expect(alert).to_contain_text("text: contains a lone surrogate")
    visit.complaints.clear()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            {
                "status": 429,
                "headers": {"Retry-After": "3", "Content-Type": "application/problem+json"},
                "body": '{"title": "Too many requests are waiting", "detail": "9 are"}',
            },
            ["Too many requests are waiting", "9 are", "Try again in 3 seconds."],
        ),
        ({"status": 502, "body": "<h1>Bad Gateway</h1>"}, ["The answer was 502"]),
        ({"status": 200, "body": "<h1>Welcome to this hotel</h1>"}, ["The answer is not JSON"]),
        (None, ["The service cannot be reached"]),
    ],
)
def test_whatever_answers_is_told(visit: Visit, answer: dict | None, told: list[str]):
    visit.page.route(
        "**/v1/entities",
        lambda route: route.abort() if answer is None else route.fulfill(**answer),
    )
    visit.text.fill("Bob")
    visit.page.get_by_role("button", name="Find names").click()
    for line in told:
        expect(visit.page.get_by_role("alert")).to_contain_text(line)
    visit.complaints.clear()


def test_a_newer_request_takes_the_place_of_an_older_one(visit: Visit):
    held = []
    visit.page.route("**/v1/entities", lambda route: held.append(route), times=1)
    visit.text.fill("Bob")
    visit.page.get_by_role("button", name="Find names").click()
    expect(visit.status).to_contain_text("Finding names")
    visit.find("Ann and Zoe")
    assert visit.marked() == [("Ann", "PER"), ("Zoe", "PER")]
    held[0].abort()
    expect(visit.page.get_by_role("alert")).to_be_hidden()


def test_a_key_is_asked_for_where_one_is_needed(browser: Browser):
    with (
        running("-c", SERVE, api_keys="sesame") as server,
        browser.new_context() as context,
    ):
        visit = Visit(context, server)
        key = visit.page.get_by_label("API key")
        expect(key).to_be_visible()
        visit.text.fill("Bob")
        visit.page.get_by_role("button", name="Find names").click()
        alert = visit.page.get_by_role("alert")
        expect(alert).to_contain_text("A valid key is needed")
        expect(key).to_be_focused()
        key.fill("no key has a ☃")
        key.press("Enter")
        expect(alert).to_contain_text("characters that no key can have")
        key.fill("sesame")
        key.press("Enter")
        expect(visit.marks).to_have_count(1)
        expect(alert).to_be_hidden()
        expect(visit.page.locator("#model-name")).to_contain_text("fake")
        command = visit.open_tab("curl").inner_text()
        assert '-H "Authorization: Bearer $NER_KEY"' in command
        assert "sesame" not in command
        visit.page.reload()
        expect(key).to_have_value("")
        assert all(complaint.startswith(FAILED_LOAD) for complaint in visit.complaints)


def test_no_key_is_asked_for_where_none_is_needed(visit: Visit):
    expect(visit.page.locator("#model-name")).to_have_text("fake · 0123456789ab")
    expect(visit.page.get_by_label("API key")).to_be_hidden()


def test_one_of_several_models_can_be_chosen(browser: Browser):
    with running("-c", SERVE, "second") as server, browser.new_context() as context:
        visit = Visit(context, server)
        visit.page.get_by_label("Model", exact=True).select_option("second")
        visit.find("Bob")
        answer = json.loads(visit.open_tab("JSON").locator("pre").inner_text())
        assert answer["model"]["name"] == "second"
        assert '"model": "second"' in visit.open_tab("curl").inner_text()
        assert visit.complaints == []
