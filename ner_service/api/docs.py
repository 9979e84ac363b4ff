"""The OpenAPI document as one plain page: no script and nothing from another host."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import FastAPI, Request, Response

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color-scheme:light dark}
h2{margin-top:2.5rem}code,pre{font:14px/1.4 ui-monospace,monospace}
pre{overflow:auto;padding:1rem;border:1px solid #8886;border-radius:.4rem}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1rem .2rem 0;
vertical-align:top}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


async def docs(request: Request) -> Response:
    """Give the page."""
    return Response(
        page(request.app.openapi()),
        media_type="text/html",
        headers={"Content-Security-Policy": POLICY},
    )


def page(document: dict[str, Any]) -> str:
    """Write an OpenAPI document as HTML."""
    title = escape(document["info"]["title"])
    return "".join(
        [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>',
            '<meta name="viewport" content="width=device-width">',
            f"<style>{STYLE}</style><h1>{title} {escape(document['info']['version'])}</h1>",
            f"<p>{escape(document['info'].get('description', ''))} ",
            'The same for programs: <a href="openapi.json">openapi.json</a>.</p>',
            *_operations(document),
            "<h1>Schemas</h1>",
            *_schemas(document),
        ]
    )


def add_docs(app: FastAPI) -> None:
    """Register the page."""
    app.add_api_route("/docs", docs, include_in_schema=False)


def _operations(document: dict[str, Any]) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation.get('description', ''))}</p>"
            body = operation.get("requestBody", {}).get("content", {})
            for media_type, content in body.items():
                yield f"<p>Reads {_link(content)} as <code>{escape(media_type)}</code>.</p>"
            yield "<table>"
            for status, answer in operation["responses"].items():
                kinds = ", ".join(map(_link, answer.get("content", {}).values()))
                yield f"<tr><th>{status}<td>{escape(answer['description'])}<td>{kinds}"
            yield "</table>"


def _schemas(document: dict[str, Any]) -> Iterator[str]:
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        text = escape(json.dumps(schema, indent=2, ensure_ascii=False))
        yield f'<h2 id="{escape(name)}">{escape(name)}</h2><pre>{text}</pre>'


def _link(content: dict[str, Any]) -> str:
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return f'<a href="#{escape(name)}">{escape(name)}</a>' if name else ""
