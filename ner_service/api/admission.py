"""The gate in front of all work: how much may be admitted and unfinished at the same time."""

import math

from ner_service.api.faults import NotReadyError, QueueFullError
from ner_service.api.metrics import Metrics
from ner_service.inference.analysis import Wanted

# Code points a token in ordinary text; before tokenising, lengths are all there is to count.
CODE_POINTS_A_TOKEN = 5
# What is asked beside the entities costs so many times as much as they do (tests/benchmarks hold
# the rate of plain tagging): readings and marginals; labellings; each labelling more.
READINGS, LABELLINGS, EACH_LABELLING = 0.5, 2.0, 0.25
# Tokens a second before anything was measured, and seconds of work in which a measure fades to a
# third: batches in work side by side end at uneven moments, and how much is let in must not swing
# with each of them.
INITIAL_RATE = 20_000.0
FADING_SECONDS = 5.0
LONGEST_RETRY = 60
# Batches of fewer tokens are mostly overhead and tell nothing of the speed under load.
TELLING_BATCH = 512


def effort_of(wanted: Wanted | None) -> float:
    """Cost of a token in plain tokens, given what is asked of it."""
    if wanted is None:
        return 1.0
    effort = 1.0
    if wanted.least is not None or wanted.marginals:
        effort += READINGS
    if wanted.nbest:
        effort += LABELLINGS + EACH_LABELLING * wanted.nbest
    return effort


class _Admitted:
    """Room that is held until its `with` block is left."""

    def __init__(self, admission: "Admission", documents: int, tokens: int) -> None:
        self._admission, self._documents, self._tokens = admission, documents, tokens

    def __enter__(self) -> None:
        self._admission.count(self._documents, self._tokens)

    def __exit__(self, *_: object) -> None:
        self._admission.count(-self._documents, -self._tokens)


class Admission:
    """Counts documents and estimated tokens; what does not fit is refused at once."""

    def __init__(
        self, *, max_documents: int, max_tokens: int, longest_wait: float, metrics: Metrics
    ) -> None:
        """Set the limits; a request over them is still admitted while nothing else is.

        Args:
            max_documents: documents that are admitted and unfinished.
            max_tokens: likewise tokens.
            longest_wait: seconds of work, at the measured speed, that may be admitted. More would
                only be waited for until the deadline, and in vain.
            metrics: where the queue is shown.
        """
        self._max_documents = max_documents
        self._max_tokens = max_tokens
        self._longest_wait = longest_wait
        self._worked_tokens, self._worked_seconds = INITIAL_RATE, 1.0
        self.documents = 0
        self.tokens = 0
        self.closed = False
        metrics.watch_queue(lambda: self.documents, lambda: self.tokens)

    def admit(self, *, documents: int, code_points: int, effort: float = 1.0) -> _Admitted:
        """Hold room for a request while it is worked on.

        Args:
            documents: how many.
            code_points: of all of them.
            effort: how much more than plain tagging is asked.

        Raises:
            NotReadyError: the service is stopping.
            QueueFullError: there is no room; it tells when there should be.
        """
        if self.closed:
            raise NotReadyError("the service is stopping")
        tokens = int((documents + code_points // CODE_POINTS_A_TOKEN) * effort)
        if not self.has_room(documents=documents, tokens=tokens):
            raise QueueFullError(
                f"{self.documents} documents are waiting", retry_after=self._retry_after()
            )
        return _Admitted(self, documents, tokens)

    def has_room(self, *, documents: int, tokens: int) -> bool:
        """Say whether so much more would be admitted."""
        if self.documents == 0:
            return True
        most_tokens = min(self._max_tokens, self._rate * self._longest_wait)
        return (
            self.documents + documents <= self._max_documents
            and self.tokens + tokens <= most_tokens
        )

    def observe(self, tokens: int, seconds: float) -> None:
        """Follow the speed of the network: it tells how much can wait, and for how long."""
        if tokens >= TELLING_BATCH and seconds > 0:
            kept = math.exp(-seconds / FADING_SECONDS)
            self._worked_tokens = kept * self._worked_tokens + tokens
            self._worked_seconds = kept * self._worked_seconds + seconds

    @property
    def _rate(self) -> float:
        """Tokens a second; of sums, since a mean of the batches' rates is above it."""
        return self._worked_tokens / self._worked_seconds

    def _retry_after(self) -> int:
        return min(max(math.ceil(self.tokens / self._rate), 1), LONGEST_RETRY)

    def count(self, documents: int, tokens: int) -> None:
        """Count so much more, or less, as admitted and unfinished."""
        self.documents += documents
        self.tokens += tokens
