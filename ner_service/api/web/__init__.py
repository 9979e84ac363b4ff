"""The page of `GET /`: HTML, CSS and JavaScript as they stand in this folder, no build step.

Read `index.html`, then `page.js` (what happens when), `api.js` (asking the service), `marks.js`
(entities in the text), `tables.js`, `teach.js` and `output.js` (the panels
below), `tabs.js` and `dom.js`.
"""

from pathlib import Path

from fastapi import FastAPI, Response
from starlette.exceptions import HTTPException

FOLDER = Path(__file__).parent
INDEX = "index.html"
MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
# Nothing but this folder's files and this host's API. Trusted types are required and none can be
# made, so the browser itself refuses any text that would be inserted as HTML.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)


def add_page(app: FastAPI) -> None:
    """Register the page and its files; they are read now, once."""
    files = {
        path.name: (path.read_bytes(), MEDIA_TYPES[path.suffix])
        for path in sorted(FOLDER.iterdir())
        if path.suffix in MEDIA_TYPES
    }

    async def page() -> Response:
        """Give the page."""
        return _answer(*files[INDEX])

    async def page_file(name: str) -> Response:
        """Give one file of the page."""
        if name not in files or name == INDEX:
            raise HTTPException(404)
        return _answer(*files[name])

    app.add_api_route("/", page, include_in_schema=False)
    app.add_api_route("/web/{name}", page_file, include_in_schema=False)


def _answer(content: bytes, media_type: str) -> Response:
    return Response(content, media_type=media_type, headers={"Content-Security-Policy": POLICY})
