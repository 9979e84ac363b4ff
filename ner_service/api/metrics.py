"""What Prometheus sees. One registry an application, so that several can live in a process."""

from collections.abc import Callable, Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
DOCUMENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TOKENS = (16, 64, 256, 1024, 2048, 4096, 8192, 16384)


class Metrics:
    """Counters, gauges and histograms of the service; no text ever gets into a label.

    Finding the child of a label set costs more than counting, so children are kept.
    """

    def __init__(self) -> None:
        """Register everything anew."""
        registry = CollectorRegistry()
        self.registry = registry
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.requests = Counter(
            "ner_requests", "Requests by outcome.", ("route", "outcome"), registry=registry
        )
        self.request_seconds = Histogram(
            "ner_request_seconds",
            "From the head of the request to the end of the answer.",
            ("route",),
            buckets=SECONDS,
            registry=registry,
        )
        self.queue_documents = Gauge(
            "ner_queue_documents", "Documents admitted and unfinished.", registry=registry
        )
        self.queue_tokens = Gauge(
            "ner_queue_tokens", "Tokens admitted and unfinished, estimated.", registry=registry
        )
        self.queue_seconds = Histogram(
            "ner_queue_seconds",
            "From admission to the first batch.",
            buckets=SECONDS,
            registry=registry,
        )
        self.batch_documents = Histogram(
            "ner_batch_documents",
            "Documents, or parts of long ones, in a batch.",
            buckets=DOCUMENTS,
            registry=registry,
        )
        self.batch_tokens = Histogram(
            "ner_batch_tokens", "Tokens in a batch.", buckets=TOKENS, registry=registry
        )
        self.inference_seconds = Histogram(
            "ner_inference_seconds", "Tagging one batch.", buckets=SECONDS, registry=registry
        )
        self.tokens = Counter("ner_tokens", "Tokens tagged.", ("model",), registry=registry)
        self.entities = Counter(
            "ner_entities", "Entities answered by label.", ("model", "label"), registry=registry
        )
        self.model_info = Gauge(
            "ner_model_info",
            "1 for each model that is served.",
            ("name", "version", "scheme"),
            registry=registry,
        )
        self.abandoned = Counter(
            "ner_abandoned", "Requests dropped: the client left or time was up.", registry=registry
        )

        self._by_outcome: dict[tuple[str, str], Counter] = {}
        self._by_route: dict[str, Histogram] = {}
        self._by_model: dict[str, Counter] = {}
        self._by_label: dict[tuple[str, str], Counter] = {}

    def watch_queue(self, documents: Callable[[], int], tokens: Callable[[], int]) -> None:
        """Read the length of the queue from these whenever somebody asks."""
        self.queue_documents.set_function(documents)
        self.queue_tokens.set_function(tokens)

    def count_request(self, route: str, outcome: str, seconds: float) -> None:
        """Count one answered request."""
        counter = self._by_outcome.get((route, outcome))
        if counter is None:
            counter = self.requests.labels(route, outcome)
            self._by_outcome[route, outcome] = counter
        counter.inc()
        histogram = self._by_route.get(route)
        if histogram is None:
            histogram = self._by_route[route] = self.request_seconds.labels(route)
        histogram.observe(seconds)

    def count_tokens(self, model: str, tokens: int) -> None:
        """Count tokens that were tagged."""
        counter = self._by_model.get(model)
        if counter is None:
            counter = self._by_model[model] = self.tokens.labels(model)
        counter.inc(tokens)

    def count_entities(self, model: str, labels: Iterable[str]) -> None:
        """Count entities that were answered, given the label of each."""
        for label in labels:
            counter = self._by_label.get((model, label))
            if counter is None:
                counter = self._by_label[model, label] = self.entities.labels(model, label)
            counter.inc()

    def expose(self) -> bytes:
        """Write the text format."""
        return generate_latest(self.registry)
