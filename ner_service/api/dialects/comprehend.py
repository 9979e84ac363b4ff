"""Amazon Comprehend: `boto3.client("comprehend", endpoint_url="http://host/aws")`.

AWS JSON 1.1: every operation is a POST to one page, named by the header X-Amz-Target.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field, RootModel

from ner_service.api.body import header
from ner_service.api.edge import ErrorAnswer
from ner_service.api.exchange import all_sound, read_body, service_of, tag
from ner_service.api.faults import FieldError, FieldFault, UnsupportedLanguageError
from ner_service.api.openapi import TAGGING, answers, header_parameter, request_body
from ner_service.api.parsing import check_count, document_item, load_json, parse, text_item
from ner_service.api.problems import Problem, kind_of
from ner_service.api.schemas import DocumentIn
from ner_service.errors import NerError
from ner_service.tagger import Document

PREFIX = "/aws"
MEDIA_TYPE = "application/x-amz-json-1.1"
TARGET = "Comprehend_20171127."
LANGUAGE = "en"
TYPES = {"PER": "PERSON", "LOC": "LOCATION", "ORG": "ORGANIZATION"}
OTHER = "OTHER"
# The names of our problems there; 5xx and 429 are what its clients try again after.
ERRORS: dict[str, tuple[int, str]] = {
    "invalid_json": (400, "SerializationException"),
    "unauthorized": (401, "UnrecognizedClientException"),
    "unknown_model": (404, "ResourceUnavailableException"),
    "not_found": (404, "UnknownOperationException"),
    "method_not_allowed": (405, "UnknownOperationException"),
    "body_timeout": (408, "RequestTimeoutException"),
    "text_too_long": (400, "TextSizeLimitExceededException"),
    "too_large": (400, "BatchSizeLimitExceededException"),
    "invalid_request": (400, "InvalidRequestException"),
    "invalid_text": (400, "InvalidRequestException"),
    "unsupported_language": (400, "UnsupportedLanguageException"),
    "queue_full": (429, "TooManyRequestsException"),
    "not_ready": (503, "ServiceUnavailableException"),
    "deadline_exceeded": (504, "ServiceUnavailableException"),
}
INTERNAL = (500, "InternalServerException")


class _Lenient(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class DetectEntitiesRequest(_Lenient):
    """One text."""

    Text: str
    LanguageCode: str | None = None
    EndpointArn: str | None = Field(None, description="Its last part names one of our models.")


class BatchDetectEntitiesRequest(_Lenient):
    """Several texts."""

    TextList: list[str]
    LanguageCode: str


class ComprehendRequest(RootModel[DetectEntitiesRequest | BatchDetectEntitiesRequest]):
    """The body of the operation that X-Amz-Target names."""


class ComprehendEntity(BaseModel):
    """A named thing in the text."""

    Score: float
    Type: str
    Text: str
    BeginOffset: int
    EndOffset: int


class DetectEntitiesAnswer(BaseModel):
    """What one text holds."""

    Entities: list[ComprehendEntity]


class BatchItem(DetectEntitiesAnswer):
    """What one of several texts holds."""

    Index: int


class BatchItemError(BaseModel):
    """A text that could not be tagged."""

    Index: int
    ErrorCode: str
    ErrorMessage: str


class BatchDetectEntitiesAnswer(BaseModel):
    """What several texts hold."""

    ResultList: list[BatchItem]
    ErrorList: list[BatchItemError]


class ComprehendAnswer(RootModel[DetectEntitiesAnswer | BatchDetectEntitiesAnswer]):
    """The answer of the operation that X-Amz-Target names."""


class ComprehendError(BaseModel):
    """What went wrong."""

    type: str = Field(alias="__type")
    Message: str


SCHEMAS = [ComprehendRequest, ComprehendAnswer, ComprehendError]


async def comprehend(request: Request) -> Response:
    """Run the operation that X-Amz-Target names: DetectEntities or BatchDetectEntities."""
    target = header(request.scope, b"x-amz-target") or ""
    operation = OPERATIONS.get(target.removeprefix(TARGET))
    if operation is None or not target.startswith(TARGET):
        known = ", ".join(TARGET + name for name in OPERATIONS)
        raise FieldError(FieldFault("X-Amz-Target", f"expected one of {known}"))
    with await read_body(request) as held:
        body = held.take()
        answer = await operation(request, load_json(body))
    return Response(json.dumps(answer, ensure_ascii=False), media_type=MEDIA_TYPE)


async def detect_entities(request: Request, data: Any) -> dict[str, Any]:
    """Answer DetectEntities."""
    service = service_of(request)
    query = parse(DetectEntitiesRequest, data)
    name = None
    if query.EndpointArn is not None:
        name = query.EndpointArn.rpartition("/")[2]
    else:
        _check_language(query.LanguageCode)
    maximum = service.settings.max_text_length
    item = text_item(query.Text, max_text_length=maximum, field="Text")
    outcomes = await tag(request, [item], service.models.get(name))
    return {"Entities": _entities(all_sound(outcomes)[0])}


async def batch_detect_entities(request: Request, data: Any) -> dict[str, Any]:
    """Answer BatchDetectEntities; what is wrong with one text goes into its ErrorList."""
    service = service_of(request)
    settings = service.settings
    query = parse(BatchDetectEntitiesRequest, data)
    _check_language(query.LanguageCode)
    check_count(query.TextList, maximum=settings.max_documents, field="TextList")
    items = [
        document_item(DocumentIn(text=text), place="", max_text_length=settings.max_text_length)
        for text in query.TextList
    ]
    outcomes = await tag(request, items, service.models.get(None))
    found, errors = [], []
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, NerError):
            _, code = ERRORS.get(kind_of(outcome).code, INTERNAL)
            errors.append({"Index": index, "ErrorCode": code, "ErrorMessage": str(outcome)})
        else:
            found.append({"Index": index, "Entities": _entities(outcome)})
    return {"ResultList": found, "ErrorList": errors}


Operation = Callable[[Request, Any], Coroutine[Any, Any, dict[str, Any]]]
OPERATIONS: dict[str, Operation] = {
    "DetectEntities": detect_entities,
    "BatchDetectEntities": batch_detect_entities,
}


def error_style(problem: Problem, request_id: str) -> ErrorAnswer:
    """Write an error as AWS does: its name in `__type`, the status mostly 400."""
    status, name = ERRORS.get(problem.kind.code, INTERNAL)
    body = json.dumps({"__type": name, "Message": problem.detail})
    headers = (("x-amzn-RequestId", request_id), ("x-amzn-ErrorType", name), *problem.headers)
    return ErrorAnswer(status, MEDIA_TYPE, body.encode(), headers)


def add_routes(app: FastAPI) -> None:
    """Register the page under both of its spellings."""
    for path in (PREFIX, f"{PREFIX}/"):
        app.add_api_route(
            path,
            comprehend,
            methods=["POST"],
            responses=answers(
                ComprehendAnswer, *TAGGING, media_type=MEDIA_TYPE, error=ComprehendError
            ),
            openapi_extra=request_body({MEDIA_TYPE: ComprehendRequest})
            | header_parameter("X-Amz-Target", *(TARGET + name for name in OPERATIONS)),
            include_in_schema=path == PREFIX,
            tags=["dialects"],
        )


def _entities(document: Document) -> list[dict[str, Any]]:
    return [
        {
            "Score": entity.score,
            "Type": TYPES.get(entity.label, OTHER),
            "Text": entity.text,
            "BeginOffset": entity.start,
            "EndOffset": entity.end,
        }
        for entity in document.entities
    ]


def _check_language(language: str | None) -> None:
    if language is None:
        raise FieldError(FieldFault("LanguageCode", "expected a language"))
    if language != LANGUAGE:
        raise UnsupportedLanguageError(f"expected LanguageCode {LANGUAGE}")
