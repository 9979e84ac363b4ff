"""Visits of the page in a browser: what is on it, and what the browser complained of."""

from playwright.sync_api import BrowserContext, Locator, expect

from tests.server import Server

JERUSALEM = "ירושלים"
FAILED_LOAD = "Failed to load resource"
SLOW = 30_000  # milliseconds that a busy machine may take
# The fake tagger, with one more place: a name in right-to-left script.
SERVE = f"""
import runpy, tests.fakes as fakes
tags = fakes._tags
fakes._tags = lambda words: [
    "S-LOC" if word == {JERUSALEM!r} else tag for word, tag in zip(words, tags(words))
]
runpy.run_module("tests.serve_fake", run_name="__main__")
"""


class Visit:
    """A page that is looked at, with what its browser asked for and complained of."""

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.server = server
        self.page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        context.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(server.url)

    def _hear(self, message) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    @property
    def text(self) -> Locator:
        return self.page.get_by_label("Text", exact=True)

    @property
    def marks(self) -> Locator:
        return self.page.locator("#marked mark")

    @property
    def status(self) -> Locator:
        return self.page.get_by_role("status")

    def find(self, text: str) -> None:
        """Fill in a text and wait for its answer."""
        self.text.fill(text)
        self.page.get_by_role("button", name="Find names").click()
        expect(self.status).to_contain_text("found in")

    def open_tab(self, name: str) -> Locator:
        self.page.get_by_role("tab", name=name).click()
        return self.page.get_by_role("tabpanel", name=name)

    def marked(self) -> list[tuple[str, str]]:
        """Text and label of each mark."""
        return [tuple(mark) for mark in self.page.evaluate(MARKED)]

    def places(self) -> list[tuple[int, int]]:
        """Where each mark begins and ends in the shown text, in UTF-16 units."""
        return [tuple(place) for place in self.page.evaluate(PLACES)]

    def shown_text(self) -> str:
        """The shown text without the labels in its marks."""
        return str(self.page.evaluate(SHOWN_TEXT))

    def scrolls_sideways(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))


MARKED = """[...document.querySelectorAll("#marked mark")].map((mark) =>
    [mark.firstChild.data, mark.querySelector(".chip").textContent])"""
SHOWN_TEXT = """(() => {
    const copy = document.getElementById("marked").cloneNode(true);
    copy.querySelectorAll(".chip").forEach((chip) => chip.remove());
    return copy.textContent;
})()"""
PLACES = """(() => {
    const copy = document.getElementById("marked").cloneNode(true);
    copy.querySelectorAll(".chip").forEach((chip) => chip.remove());
    return [...copy.querySelectorAll("mark")].map((mark) => {
        const before = document.createRange();
        before.setStart(copy, 0);
        before.setEndBefore(mark);
        const start = before.toString().length;
        return [start, start + mark.textContent.length];
    });
})()"""


def box(locator: Locator) -> dict[str, float]:
    """Where something stands on the page."""
    found = locator.bounding_box()
    assert found is not None
    return dict(found)


def utf16(text: str) -> int:
    """The length of a text in UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


DROP = """([name, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name, { type: "text/plain" }));
    const form = document.getElementById("form");
    for (const kind of ["dragover", "drop"]) {
        form.dispatchEvent(new DragEvent(kind, {
            dataTransfer: data, bubbles: true, cancelable: true }));
    }
}"""


def drop(visit: Visit, name: str, content: bytes) -> None:
    visit.page.evaluate(DROP, [name, list(content)])
