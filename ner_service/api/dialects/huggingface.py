"""Hugging Face's token classification: `InferenceClient(model="http://host/hf/NAME")`."""

import json
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field, RootModel

from ner_service.api.edge import ErrorAnswer
from ner_service.api.exchange import all_sound, read_body, service_of, tag
from ner_service.api.openapi import TAGGING, answers, path_parameter, request_body
from ner_service.api.parsing import check_count, load_json, parse, text_item
from ner_service.api.problems import Problem
from ner_service.tagger import Document

PREFIX = "/hf/"


class _Lenient(BaseModel):
    # What we do not know is for other tasks or servers: Hugging Face ignores it, too.
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class TokenClassificationParameters(_Lenient):
    """How to answer.

    Tokens are words here, so the strategies for putting pieces of words together all give the same:
    every one but `none` answers whole entities.
    """

    aggregation_strategy: Literal["none", "simple", "first", "average", "max"] | None = None
    ignore_labels: list[str] | None = None
    stride: int | None = Field(None, description="Ignored: texts of any length are read whole.")


class TokenClassificationRequest(_Lenient):
    """A text, or several."""

    inputs: str | list[str]
    parameters: TokenClassificationParameters | None = None


class TokenClassificationElement(BaseModel):
    """An entity, or with the strategy `none` one token of it."""

    word: str
    score: float
    start: int
    end: int
    entity_group: str | None = None
    entity: str | None = None
    index: int | None = None


class TokenClassificationAnswer(
    RootModel[list[TokenClassificationElement] | list[list[TokenClassificationElement]]]
):
    """Elements of one text, or a list of them for each of several."""


class HuggingFaceError(BaseModel):
    """What went wrong."""

    error: str
    request_id: str


SCHEMAS = [TokenClassificationRequest, TokenClassificationAnswer, HuggingFaceError]


async def token_classification(request: Request) -> Response:
    """Find named entities in the way of Hugging Face's inference API."""
    service = service_of(request)
    settings = service.settings
    model = service.models.get(request.path_params["model"])
    with await read_body(request) as held:
        body = held.take()
        query = parse(TokenClassificationRequest, load_json(body))
        check_count(query.inputs, maximum=settings.max_documents, field="inputs")
        texts = [query.inputs] if isinstance(query.inputs, str) else query.inputs
        items = [
            text_item(text, max_text_length=settings.max_text_length, field="inputs")
            for text in texts
        ]
        documents = all_sound(await tag(request, items, model))
        parameters = query.parameters or TokenClassificationParameters()
        answer = await service.apart(
            len(body),
            lambda: [elements(document, parameters) for document in documents],
        )
    return Response(
        json.dumps(answer[0] if isinstance(query.inputs, str) else answer, ensure_ascii=False),
        media_type="application/json",
    )


def elements(document: Document, parameters: TokenClassificationParameters) -> list[dict[str, Any]]:
    """Write one document's entities, or their tokens. What is no entity is never listed."""
    ignored = frozenset(parameters.ignore_labels or ())
    if parameters.aggregation_strategy == "none":
        found = _token_elements(document)
    else:
        found = [
            {
                "entity_group": entity.label,
                "score": entity.score,
                "word": entity.text,
                "start": entity.start,
                "end": entity.end,
            }
            for entity in document.entities
        ]
    return [
        element
        for element in found
        if element.get("entity", element.get("entity_group")) not in ignored
    ]


def _token_elements(document: Document) -> list[dict[str, Any]]:
    """Write the tokens of entities with BIO tags, each with the score of its entity."""
    tokens = document.tokens
    found = []
    for entity in document.entities:
        own = tokens.within(entity.start, entity.end)
        for index in own:
            found.append(
                {
                    "entity": f"{'B' if index == own.start else 'I'}-{entity.label}",
                    "score": entity.score,
                    "index": index + 1,
                    "word": tokens.texts[index],
                    "start": tokens.starts[index],
                    "end": tokens.ends[index],
                }
            )
    return found


def error_style(problem: Problem, request_id: str) -> ErrorAnswer:
    """Write an error as the inference API does: an object with one message."""
    body = json.dumps({"error": problem.detail, "request_id": request_id})
    return ErrorAnswer(problem.kind.status, "application/json", body.encode(), problem.headers)


def add_routes(app: FastAPI) -> None:
    """Register the page."""
    app.add_api_route(
        f"{PREFIX}{{model:path}}",
        token_classification,
        methods=["POST"],
        responses=answers(TokenClassificationAnswer, *TAGGING, error=HuggingFaceError),
        openapi_extra=request_body({"application/json": TokenClassificationRequest})
        | path_parameter("model"),
        tags=["dialects"],
    )
