"""The pages `/v1/redact` and `/v1/restore`."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ner_service.api.exchange import all_sound, read_body, service_of, tag
from ner_service.api.faults import FieldError, FieldFault
from ner_service.api.openapi import JSON, TAGGING, answers, request_body
from ner_service.api.parsing import LONE_SURROGATE, is_text, load_json, parse, text_item
from ner_service.api.presentation import Presentation
from ner_service.api.schemas import Mapped, ModelOut, Options, Strict, Threshold
from ner_service.errors import ConfigError
from ner_service.redaction.naming import RedactionMode
from ner_service.redaction.redacting import redact
from ner_service.redaction.restoring import restore
from ner_service.redaction.sealing import seal, unseal
from ner_service.rules import Rules
from ner_service.tagger import Document
from ner_service.text.offsets import OffsetUnit, convert_offsets

Key = Annotated[str, Field(min_length=16, max_length=1024)]
_MAPPING = "Of `/v1/redact`: names by placeholder, or sealed."


class RedactRequest(Strict):
    """A text whose names should go."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "My name is John"}]})

    text: str
    mode: RedactionMode = Field(
        "pseudonym",
        description="What a name becomes: `[PER]`, `****`, `[PER:<hash>]` or `[PER_1]`; only the "
        "last can be restored.",
    )
    key: Key | None = Field(
        None, description="A random secret: needed by `hash`, seals the mapping of `pseudonym`."
    )
    session: Mapped | None = Field(
        None, description="The mapping of an earlier text, whose names keep their placeholders."
    )
    model: str | None = Field(None, description="A name of GET /v1/models; default the first.")
    labels: list[str] | None = Field(None, description="Redact these labels only.")
    threshold: Threshold = Field(0.0, description="Leave names of a lower score in place.")
    offset_unit: OffsetUnit = Field("codepoint", description="What `start` and `end` count.")
    rules: Rules | None = Field(None, description="As for `/v1/entities`.")

    def options(self) -> Options:
        """How to tag for it."""
        return Options(
            model=self.model, labels=self.labels, threshold=self.threshold, rules=self.rules
        )


class RedactionOut(BaseModel):
    """One place that was redacted."""

    label: str
    start: int
    end: int
    replacement: str
    replacement_start: int = Field(description="In the redacted text.")
    replacement_end: int = Field(description="In the redacted text.")
    score: float | None = Field(description="null where a name found elsewhere is repeated.")


class RedactAnswer(BaseModel):
    """A text without its names."""

    model: ModelOut
    text: str
    entities: list[RedactionOut]
    mapping: Mapped = Field(description="Names by placeholder; sealed if a key came.")
    counts: dict[str, int] = Field(description="How often each placeholder was put into the text.")


class RestoreRequest(Strict):
    """A redacted text, perhaps translated."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"text": "Ich heisse [PER_1]", "mapping": {"[PER_1]": "John"}}]
        }
    )

    text: str
    mapping: Mapped = Field(description=_MAPPING)
    counts: dict[str, Annotated[int, Field(ge=0)]] | None = Field(
        None, description="Of `/v1/redact`; without it every placeholder is expected once."
    )
    key: Key | None = Field(None, description="Opens a sealed mapping.")


class RestoreAnswer(BaseModel):
    """A text with its names back in place."""

    text: str
    lost: list[str] = Field(description="Placeholders that stood there less often than expected.")
    doubled: list[str] = Field(description="Those that stood there more often.")


async def redact_text(request: Request) -> Response:
    """Take the names out of a text; nothing else in it changes."""
    service = service_of(request)
    with await read_body(request) as held:
        body = held.take()
        query = parse(RedactRequest, load_json(body))
        item = text_item(query.text, max_text_length=service.settings.max_text_length)
        options = await service.apart(len(body), partial(service.ruling.asked, query.options()))
        model = service.models.get(query.model)
        presentation = Presentation.of(query.options(), model, options)
        outcomes = await tag(request, [item], model, options)
        (document,) = all_sound(outcomes)
        answer = await service.apart(len(body), lambda: _redacted(document, query, presentation))
    service.count_entities(presentation, outcomes)
    return _json(answer)


async def restore_text(request: Request) -> Response:
    """Put names back where their placeholders stand, whatever happened to the text between."""
    service = service_of(request)
    with await read_body(request) as held:
        body = held.take()
        query = parse(RestoreRequest, load_json(body))
        text_item(query.text, max_text_length=service.settings.max_text_length)
        answer = await service.apart(len(body), lambda: _restored(query))
    return _json(answer)


def _redacted(
    document: Document, query: RedactRequest, presentation: Presentation
) -> dict[str, Any]:
    key = None if query.key is None else query.key.encode()
    session = None if query.session is None else _opened(query.session, key, field="session")
    kept = presentation.shown(document)
    try:
        found = redact(
            kept,
            mode=query.mode,
            key=key,
            session=session,
            labels=presentation.model.info.labels,
        )
        is_sealed = key is not None and query.mode == "pseudonym"
        mapping = seal(found.mapping, key) if is_sealed and key else found.mapping
    except ConfigError as error:
        raise FieldError(_fault(error, default="session")) from None
    unit = query.offset_unit
    before = convert_offsets(
        query.text, [p for e in found.entities for p in (e.start, e.end)], unit
    )
    behind = convert_offsets(
        found.text,
        [p for e in found.entities for p in (e.replacement_start, e.replacement_end)],
        unit,
    )
    return {
        "model": json.loads(presentation.model.identity_json),
        "text": found.text,
        "entities": [
            {
                "label": redaction.label,
                "start": before[2 * index],
                "end": before[2 * index + 1],
                "replacement": redaction.replacement,
                "replacement_start": behind[2 * index],
                "replacement_end": behind[2 * index + 1],
                "score": redaction.score,
            }
            for index, redaction in enumerate(found.entities)
        ],
        "mapping": mapping,
        "counts": found.counts,
    }


def _restored(query: RestoreRequest) -> dict[str, Any]:
    key = None if query.key is None else query.key.encode()
    mapping = _opened(query.mapping, key, field="mapping")
    try:
        found = restore(query.text, mapping, counts=query.counts)
    except ConfigError as error:
        raise FieldError(_fault(error, default="mapping")) from None
    return {"text": found.text, "lost": found.lost, "doubled": found.doubled}


def _opened(mapping: Mapped, key: bytes | None, *, field: str) -> Mapping[str, str]:
    if isinstance(mapping, str):
        if key is None:
            raise FieldError(FieldFault("key", f"is needed to open a sealed {field}"))
        try:
            return unseal(mapping, key)
        except ConfigError as error:
            raise FieldError(_fault(error, default=field)) from None
    if not all(map(is_text, [*mapping, *mapping.values()])):
        raise FieldError(FieldFault(field, LONE_SURROGATE))
    return mapping


def _fault(error: ConfigError, *, default: str) -> FieldFault:
    """Tell an error of redaction under the request's name for what is wrong."""
    name, _, message = str(error).partition(": ")
    return FieldFault("key" if name == "key" else default, message)


def _json(answer: dict[str, Any]) -> Response:
    # In ASCII: what a client names a placeholder is written whatever it is.
    return Response(json.dumps(answer, separators=(",", ":")), media_type=JSON)


SCHEMAS: tuple[type[BaseModel], ...] = (RedactRequest, RedactAnswer, RestoreRequest, RestoreAnswer)


def add_routes(app: FastAPI) -> None:
    """Register the pages."""
    app.add_api_route(
        "/v1/redact",
        redact_text,
        methods=["POST"],
        responses=answers(RedactAnswer, *TAGGING),
        openapi_extra=request_body({JSON: RedactRequest}),
        tags=["redaction"],
    )
    app.add_api_route(
        "/v1/restore",
        restore_text,
        methods=["POST"],
        responses=answers(RestoreAnswer, 400, 401, 408, 413, 422, 429, 503),
        openapi_extra=request_body({JSON: RestoreRequest}),
        tags=["redaction"],
    )
