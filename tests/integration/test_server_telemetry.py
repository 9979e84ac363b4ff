"""OpenTelemetry by FastAPI's own extra: spans and metrics are sent, texts are not."""

import gzip
import http.server
import threading
from collections.abc import Iterator

import pytest

from tests.server import running


class Collector(http.server.ThreadingHTTPServer):
    """Keeps what is exported to it, by path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.received: dict[str, bytes] = {}


class Receiver(http.server.BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        received = self.server.received
        received[self.path] = received.get(self.path, b"") + body
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


def test_spans_and_metrics_are_exported_without_texts(collector: Collector, monkeypatch):
    endpoint = f"http://127.0.0.1:{collector.server_port}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    with running() as server:
        url = f"{server.url}/v1/entities"
        assert server.http.post(url, json={"text": "SECRET Bob"}).status_code == 200
        assert server.http.post(url, json={"text": "SECRET", "x": 1}).status_code == 422
        server.signal()
        assert server.wait() == 0
    assert set(collector.received) == {"/v1/traces", "/v1/metrics"}
    for body in collector.received.values():
        assert b"/v1/entities" in body
        assert b"SECRET" not in body
