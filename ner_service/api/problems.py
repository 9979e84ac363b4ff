"""The one table from errors to answers, and their form: RFC 9457 problem details."""

import json
from dataclasses import dataclass

from starlette.exceptions import HTTPException

from ner_service.api.faults import (
    BodyTimeoutError,
    ClientGoneError,
    ConflictError,
    DeadlineError,
    FieldError,
    FieldFault,
    ForbiddenError,
    InvalidJsonError,
    LimitError,
    NotReadyError,
    QueueFullError,
    UnauthorizedError,
    UnsupportedLanguageError,
)
from ner_service.errors import ModelNotFoundError, NerError, TextError, TooLongError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:ner-service:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the table: how one sort of error is answered."""

    status: int
    code: str
    title: str
    retry_after: int | None = None


KINDS: dict[type[NerError], Kind] = {
    InvalidJsonError: Kind(400, "invalid_json", "The body is not JSON in UTF-8"),
    UnauthorizedError: Kind(401, "unauthorized", "A valid key is needed"),
    ForbiddenError: Kind(403, "forbidden", "Administration is switched off"),
    ModelNotFoundError: Kind(404, "unknown_model", "No such model"),
    BodyTimeoutError: Kind(408, "body_timeout", "The body arrived too slowly"),
    ConflictError: Kind(409, "conflict", "Nothing was changed"),
    LimitError: Kind(413, "too_large", "The request is over a limit"),
    TooLongError: Kind(413, "text_too_long", "The text is over the limit"),
    FieldError: Kind(422, "invalid_request", "The request has the wrong shape"),
    TextError: Kind(422, "invalid_text", "The text cannot be tagged"),
    UnsupportedLanguageError: Kind(422, "unsupported_language", "The language is not known"),
    QueueFullError: Kind(429, "queue_full", "Too many requests are waiting"),
    ClientGoneError: Kind(499, "client_gone", "The client closed the connection"),
    NotReadyError: Kind(503, "not_ready", "The service is not ready", retry_after=2),
    DeadlineError: Kind(504, "deadline_exceeded", "The answer was not ready in time"),
}
HTTP_KINDS = {
    404: Kind(404, "not_found", "No such page"),
    405: Kind(405, "method_not_allowed", "This page does not take that method"),
}
# A fault of ours. The detail says nothing: the log has it.
INTERNAL = Kind(500, "internal_error", "The service failed")


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer to a request that failed.

    Attributes:
        kind: status, code and title.
        detail: what is wrong with this request.
        faults: the fields at fault, if any.
        headers: further header lines.
    """

    kind: Kind
    detail: str
    faults: tuple[FieldFault, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    def body(self, request_id: str) -> bytes:
        """The problem as JSON."""
        members: dict[str, object] = {
            "type": TYPE_PREFIX + self.kind.code,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "code": self.kind.code,
            "request_id": request_id,
        }
        if self.faults:
            members["errors"] = [
                {"field": fault.field, "message": fault.message} for fault in self.faults
            ]
        return json.dumps(members, ensure_ascii=True, separators=(",", ":")).encode()


def problem_for(error: Exception) -> Problem:
    """Look an error up in the table."""
    if isinstance(error, HTTPException):
        kind = HTTP_KINDS.get(error.status_code)
        if kind is None:
            kind = Kind(error.status_code, "http_error", "The request was refused")
        return Problem(kind, kind.title, headers=tuple((error.headers or {}).items()))
    kind = kind_of(error)
    if kind is INTERNAL:
        return Problem(kind, "the failure is logged under the request id")
    headers: list[tuple[str, str]] = []
    retry_after = error.retry_after if isinstance(error, QueueFullError) else kind.retry_after
    if retry_after is not None:
        headers.append(("Retry-After", str(retry_after)))
    if isinstance(error, UnauthorizedError):
        headers.append(("WWW-Authenticate", "Bearer"))
    faults = error.faults if isinstance(error, FieldError) else ()
    return Problem(kind, str(error), faults, tuple(headers))


def kind_of(error: Exception) -> Kind:
    """Return the row of the nearest ancestor that has one."""
    for ancestor in type(error).__mro__:
        kind = KINDS.get(ancestor)
        if kind is not None:
            return kind
    return INTERNAL
