"""Presidio's analyzer: `/presidio/analyze` and the pages around it."""

import json
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field, RootModel

from ner_service.api.edge import ErrorAnswer, is_request_id, request_info
from ner_service.api.exchange import all_sound, read_body, service_of, tag
from ner_service.api.faults import FieldError, FieldFault, UnsupportedLanguageError
from ner_service.api.openapi import JSON, TAGGING, answers, query_parameter, request_body
from ner_service.api.parsing import check_count, load_json, parse, text_item
from ner_service.api.problems import Problem
from ner_service.api.schemas import Probability
from ner_service.entities import Entity
from ner_service.tagger import Document

PREFIX = "/presidio/"
LANGUAGE = "en"
# Labels of ours that have a name of their own there; others keep theirs.
TYPES = {"PER": "PERSON", "LOC": "LOCATION", "ORG": "ORGANIZATION"}


class AnalyzeRequest(BaseModel):
    """What to look for, and where."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    text: str | list[str]
    language: str
    score_threshold: Probability | None = None
    entities: list[str] | None = Field(None, description="Answer with these types only.")
    allow_list: list[str] | None = Field(None, description="Texts that are no finding.")
    allow_list_match: str | None = Field(None, description="`exact` only.")
    correlation_id: str | None = Field(None, description="Used as the request id.")
    return_decision_process: bool | None = Field(None, description="There is none to return.")
    ad_hoc_recognizers: list[Any] | None = Field(None, description="Not taken.")


class RecognizerResult(BaseModel):
    """One finding."""

    entity_type: str
    start: int
    end: int
    score: float
    analysis_explanation: None = None


class AnalyzeAnswer(RootModel[list[RecognizerResult] | list[list[RecognizerResult]]]):
    """Findings in one text, or a list of them for each of several; surest first."""


class Names(RootModel[list[str]]):
    """Names of recognizers or types."""


class PresidioError(BaseModel):
    """What went wrong."""

    error: str


SCHEMAS = [AnalyzeRequest, AnalyzeAnswer, Names, PresidioError]


async def analyze(request: Request) -> Response:
    """Find named entities in the way of Presidio's analyzer."""
    service = service_of(request)
    settings = service.settings
    model = service.models.get(None)
    with await read_body(request) as held:
        body = held.take()
        query = parse(AnalyzeRequest, load_json(body))
        check(query)
        if query.correlation_id is not None and is_request_id(query.correlation_id):
            request_info(request.scope).id = query.correlation_id
        check_count(query.text, maximum=settings.max_documents, field="text")
        texts = [query.text] if isinstance(query.text, str) else query.text
        items = [text_item(text, max_text_length=settings.max_text_length) for text in texts]
        documents = all_sound(await tag(request, items, model))
        answer = await service.apart(
            len(body), lambda: [results(document, query) for document in documents]
        )
    return _json(answer[0] if isinstance(query.text, str) else answer)


async def health() -> Response:
    """Tell that the service is up."""
    return Response("ner-service is up", media_type="text/plain")


async def recognizers(request: Request) -> Response:
    """List what recognizes: the default model."""
    _check_language(request.query_params.get("language", LANGUAGE))
    return _json([service_of(request).models.get(None).info.name])


async def supported_entities(request: Request) -> Response:
    """List the types that are found."""
    _check_language(request.query_params.get("language", LANGUAGE))
    labels = service_of(request).models.get(None).info.labels
    return _json([TYPES.get(label, label) for label in labels])


def check(query: AnalyzeRequest) -> None:
    """Refuse what would change the answer and is not done here.

    Raises:
        FieldError: naming it.
    """
    _check_language(query.language)
    if query.ad_hoc_recognizers:
        raise FieldError(FieldFault("ad_hoc_recognizers", "expected none"))
    if query.allow_list_match not in (None, "exact"):
        raise FieldError(FieldFault("allow_list_match", "expected exact"))


def results(document: Document, query: AnalyzeRequest) -> list[dict[str, object]]:
    """Write the findings in one document, surest first."""
    allowed = frozenset(query.allow_list or ())
    wanted = frozenset(query.entities or ())
    threshold = query.score_threshold or 0.0
    found = [
        entity
        for entity in document.entities
        if entity.score >= threshold
        and entity.text not in allowed
        and (not wanted or _type(entity) in wanted)
    ]
    found.sort(key=lambda entity: (-entity.score, entity.start))
    return [
        {
            "analysis_explanation": None,
            "end": entity.end,
            "entity_type": _type(entity),
            "score": entity.score,
            "start": entity.start,
        }
        for entity in found
    ]


def error_style(problem: Problem, _: str) -> ErrorAnswer:
    """Write an error as Presidio does: an object with one message."""
    status = 400 if problem.kind.status == 422 else problem.kind.status
    return ErrorAnswer(
        status, JSON, json.dumps({"error": problem.detail}).encode(), problem.headers
    )


def add_routes(app: FastAPI) -> None:
    """Register the pages."""
    app.add_api_route(
        f"{PREFIX}analyze",
        analyze,
        methods=["POST"],
        responses=answers(AnalyzeAnswer, *TAGGING, error=PresidioError),
        openapi_extra=request_body({JSON: AnalyzeRequest}),
        tags=["dialects"],
    )
    app.add_api_route(
        f"{PREFIX}health",
        health,
        responses=answers(None, media_type="text/plain"),
        response_class=Response,
        tags=["dialects"],
    )
    for path, page in (("recognizers", recognizers), ("supportedentities", supported_entities)):
        app.add_api_route(
            f"{PREFIX}{path}",
            page,
            responses=answers(Names, 400, 401, 503, error=PresidioError),
            openapi_extra=query_parameter("language"),
            tags=["dialects"],
        )


def _type(entity: Entity) -> str:
    return TYPES.get(entity.label, entity.label)


def _check_language(language: str) -> None:
    if language != LANGUAGE:
        raise UnsupportedLanguageError(f"expected language {LANGUAGE}")


def _json(value: object) -> Response:
    return Response(json.dumps(value, separators=(",", ":")), media_type=JSON)
