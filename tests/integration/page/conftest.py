"""A real browser on a real server, whose tagger does what a test foresees."""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.screenshot import ARGUMENTS, CHROMIUM
from tests.server import Server, running
from tests.visits import SERVE, SLOW, Visit


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is missing; .ci/run installs it")
        pytest.skip("needs chromium on the PATH (Debian's package chromium)")
    expect.set_options(timeout=SLOW)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("-c", SERVE, max_text_length=200_000) as server:
        yield server


@pytest.fixture
def visit(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A fresh visit, with the browser's options given as the fixture's parameter."""
    with browser.new_context(**getattr(request, "param", {})) as context:
        context.set_default_timeout(SLOW)
        visit = Visit(context, server)
        yield visit
        assert visit.complaints == []
        hosts = {urlsplit(url).netloc for url in visit.requests}
        assert hosts == {f"127.0.0.1:{server.port}"}
