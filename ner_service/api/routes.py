"""The pages of `/v1` and the probes. They only translate."""

from functools import partial

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from ner_service.api.direct import JSONBytes
from ner_service.api.exchange import all_sound, read_body, service_of, tag
from ner_service.api.faults import NotReadyError
from ner_service.api.formats import FORMATS, answer_format
from ner_service.api.models import ServedModel
from ner_service.api.openapi import (
    JSON,
    TAGGING,
    answers,
    path_parameter,
    query_parameter,
    request_body,
)
from ner_service.api.parsing import parse_request
from ner_service.api.presentation import Presentation
from ner_service.api.schemas import (
    EntitiesRequest,
    FormattedAnswer,
    Health,
    ModelDetails,
    ModelsAnswer,
    RulesAnswer,
    RuleSetOut,
    StreamLine,
)
from ner_service.api.service import Service
from ner_service.api.stream import MEDIA_TYPE, LineStream, is_stream


async def entities(request: Request) -> Response:
    """Find the named entities of one `text` or of several `documents`.

    With `documents`, the fault of one document is told in `errors` and the others are answered. As
    `application/x-ndjson`, each line is one document with its options, and is answered by one line.
    """
    service = service_of(request)
    if is_stream(request.scope):
        return LineStream(service)
    settings = service.settings
    write = answer_format(request)
    with await read_body(request) as held:
        body = held.take()
        query, items = parse_request(
            body, max_documents=settings.max_documents, max_text_length=settings.max_text_length
        )
        options = await service.apart(len(body), lambda: service.ruling.asked(query))
        model = service.models.get(query.model)
        presentation = Presentation.of(query, model, options)
        outcomes = await tag(request, items, model, options)
        if query.text is not None:
            all_sound(outcomes)
        answer = await service.apart(len(body), lambda: write(query, items, outcomes, presentation))
    return JSONBytes(answer, then=partial(service.count_entities, presentation, outcomes))


async def list_models(request: Request) -> Response:
    """List the models that are served; the first answers requests that name none."""
    service = service_of(request)
    models = [_details(model, default=index == 0) for index, model in enumerate(service.models)]
    return _json(ModelsAnswer(models=models))


async def reload_model(request: Request) -> Response:
    """Load a model anew from where it came, and serve it; a bad one leaves the old one in place."""
    service = service_of(request)
    model = await service.models.reload(request.path_params["name"])
    await service.bring_up_to_date(model)  # with what was taught while it was loaded
    service.tell_models()
    return _json(_details(model, default=model is service.models.get(None)))


async def roll_back_model(request: Request) -> Response:
    """Serve the model from before the last reload again."""
    service = service_of(request)
    model = await service.models.rollback(request.path_params["name"])
    await service.bring_up_to_date(model)
    service.tell_models()
    return _json(_details(model, default=model is service.models.get(None)))


async def list_rules(request: Request) -> Response:
    """List the rules that meet every document."""
    return _json(_rules(service_of(request)))


async def reload_rules(request: Request) -> Response:
    """Read the files of rules again; if one is bad, the loaded rules stay."""
    service = service_of(request)
    await service.ruling.reload()
    return _json(_rules(service))


async def healthz(request: Request) -> Response:
    """Tell that the process is alive; one that is not should be started anew."""
    if not service_of(request).alive:
        raise NotReadyError("the inference thread has ended")
    return _json(Health(status="ok"))


async def readyz(request: Request) -> Response:
    """Tell whether requests should be sent here."""
    service = service_of(request)
    if service.draining:
        raise NotReadyError("the service is stopping")
    service.models.get(None)
    return _json(Health(status="ok"))


async def metrics(request: Request) -> Response:
    """Give the metrics in Prometheus' text format."""
    return Response(
        service_of(request).metrics.expose(),
        media_type="text/plain; version=0.0.4; charset=utf-8",
    )


def add_routes(app: FastAPI) -> None:
    """Register the pages."""
    tagging = answers(FormattedAnswer, *TAGGING)
    tagging[200]["content"][MEDIA_TYPE] = {}  # lines, for which there is no schema
    swap = answers(ModelDetails, 401, 403, 404, 409, 503)
    app.add_api_route(
        "/v1/entities",
        entities,
        methods=["POST"],
        responses=tagging,
        openapi_extra=request_body({JSON: EntitiesRequest, MEDIA_TYPE: StreamLine})
        | query_parameter("format", *FORMATS),
        tags=["tagging"],
    )
    app.add_api_route(
        "/v1/models", list_models, responses=answers(ModelsAnswer, 401), tags=["models"]
    )
    for action, endpoint in (("reload", reload_model), ("rollback", roll_back_model)):
        app.add_api_route(
            f"/v1/models/{{name}}/{action}",
            endpoint,
            methods=["POST"],
            responses=swap,
            openapi_extra=path_parameter("name"),
            tags=["models"],
        )
    app.add_api_route("/v1/rules", list_rules, responses=answers(RulesAnswer, 401), tags=["rules"])
    app.add_api_route(
        "/v1/rules/reload",
        reload_rules,
        methods=["POST"],
        responses=answers(RulesAnswer, 401, 403, 409),
        tags=["rules"],
    )
    app.add_api_route("/healthz", healthz, responses=answers(Health, 503), tags=["operation"])
    app.add_api_route("/readyz", readyz, responses=answers(Health, 503), tags=["operation"])
    app.add_api_route(
        "/metrics",
        metrics,
        responses=answers(None, media_type="text/plain"),
        response_class=Response,
        tags=["operation"],
    )


def _details(model: ServedModel, *, default: bool) -> ModelDetails:
    info = model.info
    return ModelDetails(
        name=info.name,
        version=info.version,
        scheme=info.scheme,
        labels=list(info.labels),
        tags=list(info.tags),
        default=default,
    )


def _rules(service: Service) -> RulesAnswer:
    return RulesAnswer(
        rules=[
            RuleSetOut(name=name, labels=list(rules.labels), prefer=rules.prefer)
            for name, rules in service.ruling.sets.items()
        ]
    )


def _json(model: BaseModel) -> Response:
    return Response(model.model_dump_json(), media_type=JSON)
