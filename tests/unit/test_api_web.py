"""The files of the page, as the application gives them."""

import re

import pytest

from ner_service.api.web import FOLDER
from tests.fakes import call, make_app


def test_the_files_of_the_page_need_no_key_and_carry_a_policy():
    app = make_app(api_keys="sesame")
    files = [file for file in FOLDER.iterdir() if file.suffix in (".css", ".js", ".svg")]
    assert len(files) > 3
    for path in ("/", *(f"/web/{file.name}" for file in files)):
        answer = call(app, "GET", path)
        assert answer.status_code == 200, path
        (policy,) = answer.headers.get_list("content-security-policy")
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/web/", "/web/index.html", "/web/__init__.py", "/web/nothing.js", "/web/..%2fapp.py"]
)
def test_nothing_else_of_the_folder_is_given_away(path: str):
    assert call(make_app(), "GET", path).status_code == 404


def test_files_are_of_their_type():
    app = make_app()
    for path, media_type in (
        ("/", "text/html; charset=utf-8"),
        ("/web/page.css", "text/css; charset=utf-8"),
        ("/web/page.js", "text/javascript; charset=utf-8"),
        ("/web/icon.svg", "image/svg+xml"),
    ):
        assert call(app, "GET", path).headers["content-type"] == media_type


def test_the_page_names_no_other_host():
    for file in FOLDER.iterdir():
        if file.suffix in (".html", ".css", ".js"):
            source = re.sub(r"^ *(//|\*).*$", "", file.read_text("utf-8"), flags=re.MULTILINE)
            assert not re.search(r"https?:|[\"'(]//", source), file.name


def test_scripts_never_write_html():
    for file in FOLDER.glob("*.js"):
        source = file.read_text("utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", source)
