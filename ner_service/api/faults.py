"""What can go wrong between a request and its answer. No HTTP here: `problems` holds the table."""

from dataclasses import dataclass

from ner_service.errors import NerError


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One field of a request that is not as expected.

    Attributes:
        field: its path, such as `documents.3.text`.
        message: what was expected; never the value that came.
    """

    field: str
    message: str


class FieldError(NerError):
    """A request has the wrong shape; every faulty field is named."""

    def __init__(self, *faults: FieldFault) -> None:
        """Keep the faults; the message lists them all."""
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))
        self.faults = faults


class UnsupportedLanguageError(NerError):
    """Texts in this language are not taken."""


class InvalidJsonError(NerError):
    """A body is not JSON in UTF-8."""


class LimitError(NerError):
    """A body or batch is over a limit; the message names the limit."""


class BodyTimeoutError(NerError):
    """A body arrives too slowly."""


class ClientGoneError(NerError):
    """The client has closed the connection; nobody waits for the answer."""


class UnauthorizedError(NerError):
    """No key, or one that is not known."""


class ForbiddenError(NerError):
    """Administration is asked for and no admin key is set."""


class ConflictError(NerError):
    """A model cannot be swapped; the one that served goes on serving."""


class QueueFullError(NerError):
    """Too much is admitted already."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        """Keep the number of seconds after which there should be room."""
        super().__init__(message)
        self.retry_after = retry_after


class NotReadyError(NerError):
    """The service is starting or stopping."""


class DeadlineError(NerError):
    """The answer was not ready in time."""
