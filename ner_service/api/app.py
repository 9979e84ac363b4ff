"""The application: `create_app(settings)` puts the parts together; nothing happens at import."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Route

from ner_service.api import redaction, teaching
from ner_service.api.auth import Guard, KeyRing
from ner_service.api.dialects import comprehend, huggingface, presidio
from ner_service.api.direct import DirectRoute, ShortWay
from ner_service.api.docs import add_docs
from ner_service.api.edge import Edge
from ner_service.api.logs import make_logger
from ner_service.api.openapi import describe
from ner_service.api.routes import add_routes
from ner_service.api.service import Service
from ner_service.api.settings import Settings
from ner_service.api.web import add_page
from ner_service.tagger import Tagger

DIALECTS = (huggingface, comprehend, presidio)
STYLES = {dialect.PREFIX: dialect.error_style for dialect in DIALECTS}
MOST_THREADS = 4
DESCRIPTION = "Finds names in texts, with exact offsets and probabilities."


def create_app(settings: Settings | None = None, tagger: Tagger | None = None) -> FastAPI:
    """Build the application.

    Args:
        settings: from the environment if None.
        tagger: serves this one at once; without it the models of the settings are loaded when the
            application starts, and until then it is not ready.

    Raises:
        ConfigError: a key file cannot be read.
    """
    settings = settings or Settings()
    logger = make_logger(settings.log_level)
    service = Service(settings, loader(settings), logger)
    if tagger is not None:
        if service.lessons is not None:
            service.lessons.teach(tagger)
        service.models.add(tagger, source=tagger.info.name)
        service.tell_models()
    guard = Guard(
        keys=KeyRing(settings.api_keys, settings.api_keys_file),
        admin_keys=KeyRing(settings.admin_keys, settings.admin_keys_file),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.ruling.load()
        if not service.models:
            service.load_models()
        if guard.is_open:
            logger.warning("open", detail="no API keys are set: everybody may tag texts")
        yield
        service.close()

    app = FastAPI(
        title="ner-service",
        version=_version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # With OTEL_EXPORTER_OTLP_ENDPOINT set and the extra installed, spans and metrics are sent
        # there. Logs are not: they have a way of their own.
        telemetry=_telemetry(),
        # A redirect would be built from the Host header, which anyone can set.
        redirect_slashes=False,
    )
    app.state.service = service
    app.router.route_class = DirectRoute
    add_routes(app)
    redaction.add_routes(app)
    teaching.add_routes(app)
    for dialect in DIALECTS:
        dialect.add_routes(app)
    add_docs(app)
    add_page(app)
    extra = [*redaction.SCHEMAS, *teaching.SCHEMAS]
    extra += [*(model for dialect in DIALECTS for model in dialect.SCHEMAS)]
    describe(app, extra)
    # Everything that fails is answered by the edge, in one place.
    app.add_exception_handler(HTTPException, _pass_on)
    app.add_exception_handler(RequestValidationError, _pass_on)
    # The last one added is the outermost.
    app.add_middleware(ShortWay, routes=app.routes)
    app.add_middleware(Edge, service=service, guard=guard, styles=STYLES)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    return app


def loader(settings: Settings) -> Callable[[str], Tagger]:
    """Give the function that loads a model the way the settings ask for."""

    def load(source: str) -> Tagger:
        return Tagger.load(
            source,
            backend=settings.backend,
            precision=settings.precision,
            threads=settings.threads or _spare_cores(),
        )

    return load


def _spare_cores() -> int:
    """Leave one core to HTTP and JSON; a recurrent network gains little beyond a few."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, min(cores - 1, MOST_THREADS))


def _telemetry() -> TelemetryConfig:
    # Where nothing is said of it, FastAPI would look for an exporter with every request.
    wanted = any(name.startswith("OTEL_") for name in os.environ)
    return {"auto_configure": wanted, "tracing": wanted, "metrics": wanted, "logs": False}


async def _pass_on(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # Starlette names the methods of the path's first route alone.
        matching = [
            route.methods or set()
            for route in request.app.routes
            if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
        ]
        error.headers = {"Allow": ", ".join(sorted(set[str]().union(*matching)))}
    raise error


def _version() -> str:
    try:
        return version("ner-service")
    except PackageNotFoundError:  # run from a checkout
        return "0"
