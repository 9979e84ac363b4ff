"""The OpenAPI document: pages validate and write JSON themselves, so they tell here what it is."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ner_service.api import schemas
from ner_service.api.problems import MEDIA_TYPE

JSON = "application/json"
REFERENCE = "#/components/schemas/{model}"
DESCRIPTIONS = {
    400: "The body is not JSON in UTF-8.",
    401: "Keys are set, and the request has none or a wrong one.",
    403: "Administration is switched off: no admin key is set.",
    404: "There is no such model.",
    408: "The body arrived too slowly.",
    409: "Nothing was changed; what is loaded serves on.",
    413: "The body, the document or their number is over the limit; the detail names it.",
    422: "The request has the wrong shape; the fields at fault are named.",
    429: "Too much is waiting; Retry-After tells when to return.",
    503: "The service is starting or stopping; Retry-After tells when to return.",
    504: "The deadline passed.",
}
# What every page that tags texts may answer instead.
TAGGING = (400, 401, 404, 408, 413, 422, 429, 503, 504)
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_EXTRA_MODELS: list[type[BaseModel]] = [
    schemas.EntitiesRequest,
    schemas.StreamLine,
    schemas.FormattedAnswer,
    schemas.ModelsAnswer,
    schemas.ModelDetails,
    schemas.RulesAnswer,
    schemas.ProblemOut,
    schemas.Health,
]


def request_body(content: dict[str, type[BaseModel]], *, required: bool = True) -> dict[str, Any]:
    """Tell what a page reads, by media type."""
    return {"requestBody": {"required": required, "content": _content(content)}}


def path_parameter(name: str) -> dict[str, Any]:
    """Tell that a part of a page's path is a parameter."""
    parameter = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    return {"parameters": [parameter]}


def header_parameter(name: str, *values: str) -> dict[str, Any]:
    """Tell that a page needs a header line with one of certain values."""
    schema = {"type": "string", "enum": list(values)}
    return {"parameters": [{"name": name, "in": "header", "required": True, "schema": schema}]}


def query_parameter(name: str, *values: str) -> dict[str, Any]:
    """Tell that a page has a parameter behind its path, with certain values if they are given."""
    schema = {"type": "string"} | ({"enum": list(values)} if values else {})
    return {"parameters": [{"name": name, "in": "query", "required": False, "schema": schema}]}


def answers(
    model: type[BaseModel] | None,
    *problems: int,
    media_type: str = JSON,
    error: type[BaseModel] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """Tell what a page answers.

    Args:
        model: what is answered when all is well, None for what has no schema.
        problems: the status codes of what may go wrong.
        media_type: of the good answer.
        error: the form of errors in a dialect; problem details if None.
    """
    errors = _content({media_type: error} if error else {MEDIA_TYPE: schemas.ProblemOut})
    content = {media_type: {}} if model is None else _content({media_type: model})
    found: dict[int | str, dict[str, Any]] = {200: {"description": "Done.", "content": content}}
    for status in problems:
        found[status] = {
            "description": DESCRIPTIONS[status],
            "content": errors,
        }
        if status in (429, 503):
            found[status]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return found


def describe(app: FastAPI, models: Sequence[type[BaseModel]] = ()) -> None:
    """Let the application's document include the schemas that its pages refer to."""
    plain = app.openapi

    def with_schemas() -> dict[str, Any]:
        document = plain()
        components = document.setdefault("components", {})
        if "securitySchemes" not in components:
            _, definitions = models_json_schema(
                [(model, "validation") for model in (*_EXTRA_MODELS, *models)],
                ref_template=REFERENCE,
            )
            components.setdefault("schemas", {}).update(definitions["$defs"])
            components["securitySchemes"] = SECURITY
            document["security"] = [{}, *({name: []} for name in SECURITY)]
        return document

    app.openapi = with_schemas  # type: ignore[method-assign]


def _content(models: dict[str, type[BaseModel]]) -> dict[str, Any]:
    return {
        media_type: {"schema": {"$ref": REFERENCE.format(model=model.__name__)}}
        for media_type, model in models.items()
    }
