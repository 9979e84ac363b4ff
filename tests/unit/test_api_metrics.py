"""What the event loop counts without locks, beside prometheus_client's own."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from ner_service.api.metrics import SECONDS, Distribution, Metrics, Tally

LABELS = st.sampled_from(["a", 'quoted "b"', "new\nline"])


def lines(registry: CollectorRegistry) -> list[str]:
    """All but the times at which prometheus_client's own began."""
    text = generate_latest(registry).decode()
    return [line for line in text.splitlines() if "_created" not in line]


@given(st.lists(st.tuples(LABELS, LABELS, st.integers(0, 5))))
def test_a_tally_is_a_counter(counted):
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = Tally("ner_things", "Things.", ("one", "other"))
    ours.register(tally)
    counter = Counter("ner_things", "Things.", ("one", "other"), registry=theirs)
    for one, other, amount in counted:
        tally.add((one, other), amount)
        counter.labels(one, other).inc(amount)
    assert sorted(lines(ours)) == sorted(lines(theirs))


@given(st.lists(st.tuples(LABELS, st.sampled_from([*SECONDS, 0.0, 0.003, 100.0]))))
def test_a_distribution_is_a_histogram(observed):
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    distribution = Distribution("ner_seconds", "Seconds.", ("route",), bounds=SECONDS)
    ours.register(distribution)
    histogram = Histogram("ner_seconds", "Seconds.", ("route",), buckets=SECONDS, registry=theirs)
    for route, seconds in observed:
        distribution.observe((route,), seconds)
        histogram.labels(route).observe(seconds)
    assert sorted(lines(ours)) == sorted(lines(theirs))


def test_without_labels_it_is_there_before_the_first_value():
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    ours.register(Distribution("ner_seconds", "Seconds.", (), bounds=SECONDS))
    Histogram("ner_seconds", "Seconds.", buckets=SECONDS, registry=theirs)
    assert lines(ours) == lines(theirs)


def test_every_metric_is_told():
    metrics = Metrics()
    metrics.count_request("/v1/entities", "ok", 0.002)
    metrics.count_wait(0.001)
    metrics.count_tokens("m", 7)
    metrics.count_entities("m", ["PER", "LOC", "PER"])
    text = metrics.expose().decode()
    for line in (
        'ner_requests_total{outcome="ok",route="/v1/entities"} 1.0',
        'ner_request_seconds_bucket{le="0.0025",route="/v1/entities"} 1.0',
        "ner_queue_seconds_sum 0.001",
        'ner_tokens_total{model="m"} 7.0',
        'ner_entities_total{label="PER",model="m"} 2.0',
    ):
        assert line in text.splitlines()
