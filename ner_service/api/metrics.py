"""What Prometheus sees. One registry an application, so that several can live in a process."""

from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
DOCUMENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TOKENS = (16, 64, 256, 1024, 2048, 4096, 8192, 16384)


class Tally(Collector):
    """A counter for the event loop alone: without locks, for what every request counts."""

    def __init__(self, name: str, help_text: str, labels: Sequence[str]) -> None:
        """Start at nothing."""
        self._name, self._help, self._labels = name, help_text, labels
        self._counts: Counts[tuple[str, ...]] = Counts()

    def add(self, labels: tuple[str, ...], amount: int = 1) -> None:
        """Count under one value for each label."""
        self._counts[labels] += amount

    def collect(self) -> Iterator[Metric]:
        """Give what was counted to Prometheus."""
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for labels, count in self._counts.items():
            family.add_metric(labels, count)
        yield family


class Distribution(Collector):
    """A histogram for the event loop alone: likewise."""

    def __init__(
        self, name: str, help_text: str, labels: Sequence[str], *, bounds: Sequence[float]
    ) -> None:
        """Start at nothing; `bounds` are the greatest values of the buckets, rising."""
        self._name, self._help, self._labels = name, help_text, labels
        self._bounds = bounds
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}
        if not labels:  # what has no labels is there before the first value
            self._begin(())

    def observe(self, labels: tuple[str, ...], value: float) -> None:
        """Count a value."""
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._begin(labels)
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def _begin(self, labels: tuple[str, ...]) -> list[int]:
        counts = self._counts[labels] = [0] * (len(self._bounds) + 1)
        self._sums[labels] = 0.0
        return counts

    def collect(self) -> Iterator[Metric]:
        """Give what was counted to Prometheus."""
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        for labels, counts in self._counts.items():
            buckets = list(zip(names, accumulate(counts), strict=True))
            family.add_metric(labels, buckets, self._sums[labels])
        yield family


class Metrics:
    """Counters, gauges and histograms of the service; no text ever gets into a label."""

    def __init__(self) -> None:
        """Register everything anew."""
        registry = CollectorRegistry()
        self.registry = registry
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._requests = Tally("ner_requests", "Requests by outcome.", ("route", "outcome"))
        self._request_seconds = Distribution(
            "ner_request_seconds",
            "From the head of the request to the end of the answer.",
            ("route",),
            bounds=SECONDS,
        )
        self._queue_seconds = Distribution(
            "ner_queue_seconds", "From admission to the first batch.", (), bounds=SECONDS
        )
        self._tokens = Tally("ner_tokens", "Tokens tagged.", ("model",))
        self._entities = Tally("ner_entities", "Entities answered by label.", ("model", "label"))
        self._batch_documents = Distribution(
            "ner_batch_documents",
            "Documents, or parts of long ones, in a batch.",
            (),
            bounds=DOCUMENTS,
        )
        self._batch_tokens = Distribution(
            "ner_batch_tokens", "Tokens in a batch.", (), bounds=TOKENS
        )
        self._inference_seconds = Distribution(
            "ner_inference_seconds", "Tagging one batch.", (), bounds=SECONDS
        )
        for collector in (
            self._requests,
            self._request_seconds,
            self._queue_seconds,
            self._batch_documents,
            self._batch_tokens,
            self._inference_seconds,
            self._tokens,
            self._entities,
        ):
            registry.register(collector)
        self.queue_documents = Gauge(
            "ner_queue_documents", "Documents admitted and unfinished.", registry=registry
        )
        self.queue_tokens = Gauge(
            "ner_queue_tokens", "Tokens admitted and unfinished, estimated.", registry=registry
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

    def watch_queue(self, documents: Callable[[], int], tokens: Callable[[], int]) -> None:
        """Read the length of the queue from these whenever somebody asks."""
        self.queue_documents.set_function(documents)
        self.queue_tokens.set_function(tokens)

    def count_request(self, route: str, outcome: str, seconds: float) -> None:
        """Count one answered request."""
        self._requests.add((route, outcome))
        self._request_seconds.observe((route,), seconds)

    def count_wait(self, seconds: float) -> None:
        """Count one request that got into its first batch."""
        self._queue_seconds.observe((), seconds)

    def count_batch(self, documents: int, tokens: int, seconds: float) -> None:
        """Count one batch that was tagged."""
        self._batch_documents.observe((), documents)
        self._batch_tokens.observe((), tokens)
        self._inference_seconds.observe((), seconds)

    def count_tokens(self, model: str, tokens: int) -> None:
        """Count tokens that were tagged."""
        self._tokens.add((model,), tokens)

    def count_entities(self, model: str, labels: Iterable[str]) -> None:
        """Count entities that were answered, given the label of each."""
        for label in labels:
            self._entities.add((model, label))

    def expose(self) -> bytes:
        """Write the text format."""
        return generate_latest(self.registry)
