"""What every tagging page does around its own translation: read the body, ask the service."""

from collections.abc import Sequence

from fastapi import Request

from ner_service.api.body import HeldBody
from ner_service.api.edge import request_info
from ner_service.api.models import ServedModel
from ner_service.api.parsing import Item
from ner_service.api.presentation import Outcome
from ner_service.api.service import Service
from ner_service.errors import NerError
from ner_service.tagger import Document, TagOptions


def service_of(request: Request) -> Service:
    """Give the service that the application was built around."""
    return request_info(request.scope).service


async def read_body(request: Request) -> HeldBody:
    """Read the body; its size counts as held memory until its `with` block is left."""
    return await service_of(request).bodies.read(request.scope, request.receive)


async def tag(
    request: Request, items: Sequence[Item], model: ServedModel, options: TagOptions | None = None
) -> list[Outcome]:
    """Tag the documents of a request; faults of single documents are among the outcomes."""
    return await service_of(request).tag(
        items,
        model,
        options=options,
        arrived=request_info(request.scope).arrived,
        receive=request.receive,
    )


def all_sound(outcomes: Sequence[Outcome]) -> list[Document]:
    """Give the documents, for forms that have no place for the fault of one of them.

    Raises:
        NerError: the first fault.
    """
    documents = []
    for outcome in outcomes:
        if isinstance(outcome, NerError):
            raise outcome
        documents.append(outcome)
    return documents
