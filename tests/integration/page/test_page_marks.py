"""What is marked, listed and copied, and by which hands it can be reached."""

import json
import re
import subprocess

import pytest
from playwright.sync_api import expect

from tests.fakes import FakeTagger
from tests.visits import JERUSALEM, Visit, box, utf16


def test_text_that_is_typed_is_marked_at_a_click(visit: Visit):
    visit.text.press_sequentially("Bob bought a toy Yoda")
    visit.page.get_by_role("button", name="Find names").click()
    expect(visit.marks).to_have_count(2)
    assert visit.marked() == [("Bob", "PER"), ("Yoda", "PER")]
    assert visit.shown_text() == "Bob bought a toy Yoda"
    expect(visit.status).to_contain_text("2 entities found")


def test_each_example_is_tagged_as_it_is_chosen(visit: Visit):
    names = visit.page.locator("#examples button").all_text_contents()
    assert len(names) > 3
    for name in names:
        visit.page.get_by_role("button", name=name).click()
        expect(visit.status).to_contain_text("found in")
        expect(visit.page.locator("#marked")).to_contain_text(re.compile("[A-Za-z]"))
        assert visit.shown_text() == visit.text.input_value()
        assert visit.marked()


def test_marks_stand_right_behind_emoji_and_combining_marks(visit: Visit):
    text = "😀👩‍👩‍👧 Zoë und Jose\u0301 🇳🇴 in Paris 👍🏽"
    visit.find(text)
    assert visit.shown_text() == text
    assert visit.marked() == [("Zoë", "PER"), ("Jose\u0301", "PER"), ("Paris", "LOC")]
    expected = [
        (utf16(text[: text.index(name)]), utf16(text[: text.index(name)]) + utf16(name))
        for name in ("Zoë", "Jose\u0301", "Paris")
    ]
    assert visit.places() == expected


def test_right_to_left_text_is_marked_where_it_stands(visit: Visit):
    text = f"אתמול ביקר Bob ב {JERUSALEM} ושב"
    visit.find(text)
    assert visit.shown_text() == text
    assert visit.marked() == [("Bob", "PER"), (JERUSALEM, "LOC")]
    # The line runs from right to left, so the later name stands further left, within the text.
    bob, jerusalem = map(box, visit.marks.all())
    frame = box(visit.page.locator("#marked"))
    assert frame["x"] <= jerusalem["x"] < jerusalem["x"] + jerusalem["width"] < bob["x"]
    middle = frame["x"] + frame["width"] / 2
    assert bob["x"] > middle


def test_paragraphs_take_their_direction_from_their_letters(visit: Visit):
    visit.find(f"Bob left\n{JERUSALEM} שלום")
    bob, jerusalem = map(box, visit.marks.all())
    assert bob["x"] < 300 < jerusalem["x"]


def test_a_text_is_never_taken_for_html(visit: Visit):
    text = "<img src=x onerror=alert(1)> <b>Bob</b> &amp; <script>Alert()</script>"
    visit.find(text)
    assert visit.shown_text() == text
    assert visit.page.locator("#result :is(img, script)").count() == 0
    for tab in ("Tokens", "JSON", "curl"):
        panel = visit.open_tab(tab)
        assert panel.locator("img, script").count() == 0


def test_copying_the_marked_text_leaves_the_labels_out(visit: Visit):
    visit.find("Bob met Ann.")
    visit.page.evaluate("getSelection().selectAllChildren(document.getElementById('marked'))")
    assert visit.page.evaluate("getSelection().toString()") == "Bob met Ann."


def test_shade_follows_the_score(visit: Visit):
    visit.find("Bob in Paris")
    scores = visit.page.evaluate(
        "[...document.querySelectorAll('#marked mark')]"
        ".map((mark) => Number(mark.style.getPropertyValue('--score')))"
    )
    assert scores == [0.9, 0.6]
    shades = [
        float(
            mark.evaluate("(mark) => getComputedStyle(mark).backgroundColor")
            .rsplit("/")[-1]
            .rstrip(") ")
        )
        for mark in visit.marks.all()
    ]
    assert shades[0] / shades[1] == pytest.approx(1.5, rel=0.05)


def test_threshold_hides_what_is_less_sure_and_stands_in_the_request(visit: Visit):
    visit.find("Bob in Paris")
    slider = visit.page.get_by_label("Score at least")
    slider.fill("0.7")
    expect(visit.marks).to_have_count(1)
    assert visit.marked() == [("Bob", "PER")]
    assert '"threshold": 0.7' in visit.open_tab("curl").inner_text()
    answer = json.loads(visit.open_tab("JSON").locator("pre").inner_text())
    assert [entity["text"] for entity in answer["documents"][0]["entities"]] == ["Bob"]
    slider.fill("0")
    expect(visit.marks).to_have_count(2)


def test_labels_can_be_switched_off(visit: Visit):
    visit.find("Bob in Paris")
    visit.page.get_by_role("checkbox", name="PER").uncheck()
    assert visit.marked() == [("Paris", "LOC")]
    assert '"labels": ["LOC", "MISC", "ORG"]' in visit.open_tab("curl").inner_text()
    visit.find("Ann in London")  # it stays off
    assert visit.marked() == [("London", "LOC")]


def test_tokens_show_their_tags_and_numbers(visit: Visit):
    visit.find("Bob left Paris")
    panel = visit.open_tab("Tokens")
    tags = list(FakeTagger().info.tags)
    rows = [row.locator("th, td").all_inner_texts() for row in panel.locator("tbody tr").all()]
    per, loc = tags.index("S-PER"), tags.index("S-LOC")

    def one_hot(place: int) -> str:
        return " ".join("1" if index == place else "0" for index in range(len(tags)))

    assert rows == [
        ["Bob", "0", "3", "S-PER", "0.9", str(per), one_hot(per), "3"],
        ["left", "4", "8", "O", "–", "0", one_hot(0), "4"],
        ["Paris", "9", "14", "S-LOC", "0.6", str(loc), one_hot(loc), "5"],
    ]
    assert f"[{per}, 0, {loc}]" in panel.inner_text()
    assert " ".join(tags) in panel.inner_text()


def test_json_is_the_answer(visit: Visit):
    visit.find("😀 Bob")
    shown = json.loads(visit.open_tab("JSON").locator("pre").inner_text())
    body = {"text": "😀 Bob", "offset_unit": "utf16", "include": ["tokens"]}
    asked = visit.page.request.post(f"{visit.server.url}/v1/entities", data=body)
    assert shown == asked.json()
    assert shown["documents"][0]["entities"][0]["start"] == 3


@pytest.mark.parametrize("visit", [{"permissions": ["clipboard-read"]}], indirect=True)
def test_copied_curl_gives_the_answer(visit: Visit):

    visit.find('Bob\'s "toy"\n$HOME `id` 😀 in Paris')
    visit.open_tab("curl")
    visit.page.get_by_role("button", name="Copy curl").click()
    expect(visit.page.get_by_role("button", name="Copied")).to_be_visible()
    command = visit.page.evaluate("navigator.clipboard.readText()")
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=True)
    entities = json.loads(done.stdout)["documents"][0]["entities"]
    assert [entity["text"] for entity in entities] == ["Bob", "HOME", "Paris"]


def test_copying_works_without_a_clipboard_interface(visit: Visit):
    # Over plain HTTP on any host but this one there is none.
    visit.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    visit.page.evaluate("document.addEventListener('copy', () => { window.copied = true; })")
    visit.find("Bob")
    visit.open_tab("JSON")
    visit.page.get_by_role("button", name="Copy JSON").click()
    expect(visit.page.get_by_role("button", name="Copied")).to_be_visible()
    assert visit.page.evaluate("window.copied") is True


def test_everything_is_in_reach_of_the_keyboard(visit: Visit):
    page = visit.page
    focused = "document.activeElement.textContent || document.activeElement.id"
    visited = []
    while "text" not in visited:
        page.keyboard.press("Tab")
        visited.append(page.evaluate(focused).strip())
        assert len(visited) < 12
    assert visited[:2] == ["API", "Metrics"]
    page.keyboard.type("Bob in Paris")
    page.keyboard.press("Control+Enter")
    expect(visit.marks).to_have_count(2)
    while page.evaluate(focused) != "Entities":
        page.keyboard.press("Tab")
    for key, name in [
        ("ArrowRight", "Tokens"),
        ("End", "curl"),
        ("ArrowRight", "Entities"),
        ("ArrowLeft", "curl"),
        ("Home", "Entities"),
    ]:
        page.keyboard.press(key)
        assert page.evaluate(focused) == name
        expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()
        expect(page.get_by_role("tabpanel")).to_have_count(1)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "tabpanel"


def test_focus_can_be_seen(visit: Visit):
    visit.page.keyboard.press("Tab")
    style = visit.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"


def test_enter_alone_makes_a_line(visit: Visit):
    visit.text.fill("Bob")
    visit.text.press("Enter")
    assert visit.text.input_value() == "Bob\n"
    expect(visit.marks).to_have_count(0)
