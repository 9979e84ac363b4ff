"""The pages `/v1/examples` and `/v1/feedback`: what the memory holds, and corrections."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from ner_service.api.exchange import read_body, service_of
from ner_service.api.faults import ConflictError, FieldError, FieldFault, LimitError
from ner_service.api.models import ServedModel
from ner_service.api.openapi import JSON, answers, path_parameter, query_parameter, request_body
from ner_service.api.parsing import LONE_SURROGATE, check_count, is_text, load_json, parse
from ner_service.api.schemas import Strict
from ner_service.api.service import Service
from ner_service.errors import ConfigError
from ner_service.memory import Example, Taught, make_example
from ner_service.memory.conll import write_conll
from ner_service.teaching.lessons import Shelf, tokens_in
from ner_service.text.offsets import OffsetUnit, convert_offsets

PAGE_SIZE = 100
_READ = (401, 404, 409, 422)
_WRITE = (400, 401, 403, 404, 408, 409, 413, 422, 429, 503)
_EXAMPLE: JsonDict = {
    "text": "We met Zorblax.",
    "entities": [{"start": 7, "end": 14, "label": "PER"}],
}


class TaughtIn(Strict):
    """One entity as it should be."""

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]
    label: str = Field(description="Of the model, or a new one.")


class ExampleIn(Strict):
    """A text with all the entities that it has; everything else is none."""

    text: str
    entities: list[TaughtIn]


class _Lessons(Strict):
    model: str | None = Field(None, description="A name of GET /v1/models; default the first.")
    offset_unit: OffsetUnit = Field("codepoint", description="What `start` and `end` count.")


class ExamplesRequest(_Lessons):
    """Texts to remember."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"examples": [_EXAMPLE]}]})

    examples: list[ExampleIn]


class FeedbackRequest(_Lessons):
    """Corrected texts for the next training."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"feedback": [_EXAMPLE]}]})

    feedback: list[ExampleIn]


class TaughtOut(BaseModel):
    """One taught entity, in code points."""

    start: int
    end: int
    label: str


class ExampleOut(BaseModel):
    """An example in memory."""

    id: str
    at: str = Field(description="When it was taught, ISO 8601, UTC.")
    text: str
    entities: list[TaughtOut]
    tokens: list[str] | None = Field(None, description="If it was taught with tokens of its own.")


class ExamplesAnswer(BaseModel):
    """Examples in memory."""

    model: str
    examples: list[ExampleOut]
    total: int = Field(description="How many the memory holds.")
    tokens: int = Field(description="Of how many tokens.")


class FeedbackAnswer(BaseModel):
    """Feedback that was stored."""

    model: str
    stored: int


async def teach(request: Request) -> Response:
    """Remember examples: their names are found from now on, without training.

    All of them or none. What is answered is on the disk.
    """
    service = service_of(request)
    with await read_body(request) as held:
        body = held.take()
        data = load_json(body)
        query = parse(ExamplesRequest, _counted(data, service, "examples"))
        model, shelf = _shelf(service, query.model)
        work = partial(_examples, query.examples, query.offset_unit, "examples", service)
        examples, tokens = await service.apart(len(body), work)
    most = service.settings.max_memory_tokens
    if len(model.tagger.memory) + tokens > most:
        raise LimitError(f"expected at most {most} tokens in memory")
    await _written(shelf.examples.add, examples)
    await service.bring_up_to_date(model)
    return _answer(model, shelf, examples)


async def list_examples(request: Request) -> Response:
    """List what the memory holds, in the order in which it was taught, or all of it as CoNLL."""
    service = service_of(request)
    parameters = request.query_params
    model, shelf = _shelf(service, parameters.get("model"))
    form = parameters.get("format", "json")
    if form not in ("json", "conll"):
        raise FieldError(FieldFault("format", "expected json or conll"))
    if form == "conll":
        text = await asyncio.to_thread(write_conll, shelf.examples)
        return Response(text, media_type="text/plain; charset=utf-8")
    after = parameters.get("after")
    listed = iter(shelf.examples)
    if after is not None:
        if shelf.examples.get(after) is None:
            raise FieldError(FieldFault("after", "expected the id of an example"))
        for example in listed:
            if example.id == after:
                break
    return _answer(model, shelf, list(islice(listed, PAGE_SIZE)))


async def forget(request: Request) -> Response:
    """Forget one example."""
    service = service_of(request)
    model, shelf = _shelf(service, request.query_params.get("model"))
    deleted = await _written(shelf.examples.delete, [request.path_params["id"]])
    if not deleted:
        raise FieldError(FieldFault("id", "expected the id of an example"))
    await service.bring_up_to_date(model)
    return _answer(model, shelf, deleted)


async def give_feedback(request: Request) -> Response:
    """Store corrections; `ner-service feedback export` makes a corpus of them."""
    service = service_of(request)
    with await read_body(request) as held:
        body = held.take()
        query = parse(FeedbackRequest, _counted(load_json(body), service, "feedback"))
        model, shelf = _shelf(service, query.model)
        work = partial(_examples, query.feedback, query.offset_unit, "feedback", service)
        examples, _ = await service.apart(len(body), work)
    records = [{"add": e.to_json(), "version": model.info.version} for e in examples]
    await _written(shelf.feedback.append, records)
    return _json({"model": model.info.name, "stored": len(examples)})


def _counted(data: Any, service: Service, field: str) -> Any:
    if isinstance(data, dict):
        check_count(data.get(field), maximum=service.settings.max_documents, field=field)
    return data


def _shelf(service: Service, name: str | None) -> tuple[ServedModel, Shelf]:
    model = service.models.get(name)
    if service.lessons is None:
        raise ConflictError("this service has no memory: it is started without --memory")
    return model, service.lessons.shelf(model.info.name)


def _examples(
    given: Sequence[ExampleIn],
    unit: OffsetUnit,
    field: str,
    service: Service,
) -> tuple[list[Example], int]:
    """The examples of a request, and how many tokens they have."""
    examples = []
    most = service.settings.max_text_length
    for index, example in enumerate(given):
        place = f"{field}.{index}"
        if len(example.text) > most:
            raise LimitError(f"{place}: expected at most {most} code points")
        if not is_text(example.text):
            raise FieldError(FieldFault(f"{place}.text", LONE_SURROGATE))
        try:
            taught = _in_code_points(example, unit, place)
            examples.append(make_example(example.text, taught))
        except ConfigError as error:
            raise _fault(f"{place}.{error}") from None
    try:
        return examples, tokens_in(examples)
    except ConfigError as error:
        raise _fault(f"{field}.{error}") from None


def _in_code_points(example: ExampleIn, unit: OffsetUnit, place: str) -> list[Taught]:
    if unit == "codepoint":
        return [Taught(e.start, e.end, e.label) for e in example.entities]
    offsets = convert_offsets(example.text, range(len(example.text) + 1), unit)
    points = {offset: point for point, offset in enumerate(offsets)}
    taught = []
    for index, entity in enumerate(example.entities):
        start, end = points.get(entity.start), points.get(entity.end)
        if start is None or end is None:
            raise _fault(f"{place}.entities.{index}: expected offsets between characters")
        taught.append(Taught(start, end, entity.label))
    return taught


def _fault(message: str) -> FieldError:
    field, _, detail = message.partition(": ")
    return FieldError(FieldFault(field, detail))


async def _written(work: Any, argument: Any) -> Any:
    """Write to the disk, off the event loop."""
    try:
        return await asyncio.to_thread(work, argument)
    except ConfigError as error:
        raise ConflictError(str(error)) from error


def _answer(model: ServedModel, shelf: Shelf, examples: Sequence[Example]) -> Response:
    return _json(
        {
            "model": model.info.name,
            "examples": [example.to_json() for example in examples],
            "total": len(shelf.examples),
            "tokens": len(model.tagger.memory),
        }
    )


def _json(answer: dict[str, Any]) -> Response:
    return Response(json.dumps(answer, ensure_ascii=False), media_type=JSON)


SCHEMAS: tuple[type[BaseModel], ...] = (
    ExamplesRequest,
    ExamplesAnswer,
    FeedbackRequest,
    FeedbackAnswer,
)


def add_routes(app: FastAPI) -> None:
    """Register the pages."""
    of_model = query_parameter("model")["parameters"]
    listing = of_model + query_parameter("after")["parameters"]
    listing += query_parameter("format", "json", "conll")["parameters"]
    listed = answers(ExamplesAnswer, *_READ)
    listed[200]["content"]["text/plain"] = {}
    app.add_api_route(
        "/v1/examples",
        list_examples,
        responses=listed,
        openapi_extra={"parameters": listing},
        tags=["memory"],
    )
    app.add_api_route(
        "/v1/examples",
        teach,
        methods=["POST"],
        responses=answers(ExamplesAnswer, *_WRITE),
        openapi_extra=request_body({JSON: ExamplesRequest}),
        tags=["memory"],
    )
    app.add_api_route(
        "/v1/examples/{id}",
        forget,
        methods=["DELETE"],
        responses=answers(ExamplesAnswer, 401, 403, 404, 409, 422),
        openapi_extra={"parameters": path_parameter("id")["parameters"] + of_model},
        tags=["memory"],
    )
    app.add_api_route(
        "/v1/feedback",
        give_feedback,
        methods=["POST"],
        responses=answers(FeedbackAnswer, *_WRITE),
        openapi_extra=request_body({JSON: FeedbackRequest}),
        tags=["memory"],
    )
