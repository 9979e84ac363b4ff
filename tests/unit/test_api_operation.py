"""Probes, metrics, logs, documents and what stands around the pages."""

import io
import json
import re
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI

from ner_service.api.app import create_app
from ner_service.api.logs import RequestLog, make_logger
from ner_service.api.settings import Settings
from tests.fakes import FakeTagger, call, make_app, post


def test_probes():
    app = make_app()
    for path in ("/healthz", "/readyz"):
        assert call(app, "GET", path).json() == {"status": "ok"}


def test_draining_fails_readiness_only():
    app = make_app()
    app.state.service.draining = True
    response = call(app, "GET", "/readyz")
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert call(app, "GET", "/healthz").status_code == 200
    tagged = post(app, {"text": "Bob"})
    assert tagged.status_code == 200
    assert tagged.headers["connection"] == "close"


def test_before_a_model_is_loaded_nothing_is_ready():
    app = create_app(Settings(log_level="error"))
    assert call(app, "GET", "/readyz").status_code == 503
    response = post(app, {"text": "Bob"})
    assert response.status_code == 503
    assert "retry-after" in response.headers


def test_a_dead_inference_thread_fails_the_health_probe():
    class Dead:
        def is_alive(self) -> bool:
            return False

    app = make_app()
    app.state.service._batcher._worker._thread = Dead()
    assert call(app, "GET", "/healthz").status_code == 503


def metric(app: FastAPI, line: str) -> float:
    text = call(app, "GET", "/metrics").text
    found = re.search(rf"^{re.escape(line)} (.+)$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1])


def test_requests_are_counted_by_outcome():
    app = make_app()
    post(app, {"text": "Bob left Paris"})
    post(app, {"text": 5})
    post(app, {"text": 5})
    call(app, "GET", "/nope/SECRET")
    line = 'ner_requests_total{{outcome="{}",route="{}"}}'
    assert metric(app, line.format("ok", "/v1/entities")) == 1
    assert metric(app, line.format("invalid_request", "/v1/entities")) == 2
    assert metric(app, line.format("not_found", "(none)")) == 1
    assert metric(app, 'ner_entities_total{label="PER",model="fake"}') == 1
    assert metric(app, 'ner_entities_total{label="LOC",model="fake"}') == 1
    assert "SECRET" not in call(app, "GET", "/metrics").text


@pytest.mark.parametrize(
    "name",
    [
        "ner_batch_documents_count",
        "ner_batch_tokens_count",
        "ner_inference_seconds_count",
        "ner_queue_documents",
        "ner_queue_tokens",
        "ner_queue_seconds_count",
        "process_resident_memory_bytes",
        'ner_model_info{name="fake",scheme="IOBES",version="0123456789ab"}',
    ],
)
def test_metrics_hold(name: str):
    app = make_app()
    post(app, {"text": "Bob"})
    assert metric(app, name) >= 0


def log_of(monkeypatch, *requests: tuple[object, dict[str, str]]) -> list[dict]:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("ner_service.api.logs.GATHER_SECONDS", 0)
    tagger = FakeTagger()
    tagger.poison = "Poison"
    app = make_app(tagger, log_level="info")
    for body, headers in requests:
        post(app, body, headers=headers)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_request_is_one_json_line_without_its_text(monkeypatch):
    (line,) = log_of(monkeypatch, ({"text": "SECRET"}, {"x-request-id": "abc"}))
    assert line["event"] == "request"
    assert line["request_id"] == "abc"
    assert line["route"] == "/v1/entities"
    assert (line["status"], line["outcome"]) == (200, "ok")
    assert line["milliseconds"] >= 0
    assert "SECRET" not in json.dumps(line)


def test_a_failure_is_logged_with_its_trace(monkeypatch):
    failure, line = log_of(monkeypatch, ({"text": "Poison"}, {}))
    assert failure["event"] == "failure"
    assert "RuntimeError" in failure["exception"]
    assert failure["request_id"] == line["request_id"]
    assert (line["status"], line["outcome"]) == (500, "internal_error")


def test_the_line_of_a_request_is_the_one_that_the_logger_would_write():
    fields = {
        "request_id": 'a"b',
        "method": "POST",
        "route": "/v1/entities/{name}",
        "status": 200,
        "outcome": "ok",
        "milliseconds": 0.125,
    }
    ours, theirs = io.StringIO(), io.StringIO()
    RequestLog("info", ours).write(**fields)
    make_logger("info", theirs).info("request", **fields)
    lines = [json.loads(stream.getvalue()) for stream in (ours, theirs)]
    times = [datetime.fromisoformat(line.pop("timestamp")) for line in lines]
    assert lines[0] == lines[1]
    assert list(lines[0]) == list(lines[1])
    assert abs(times[1] - times[0]) < timedelta(seconds=10)


def test_no_line_is_written_where_only_worse_is_wanted():
    stream = io.StringIO()
    log = RequestLog("warning", stream)
    log.write(request_id="", method="", route="", status=200, outcome="ok", milliseconds=1.0)
    assert stream.getvalue() == ""


class FullDisk(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_for_logs_is_survived():
    make_logger("info", FullDisk()).info("request")


def test_the_page_of_documents_needs_no_other_host():
    response = call(make_app(), "GET", "/docs")
    assert response.status_code == 200
    assert "POST /v1/entities" in response.text
    assert "EntitiesRequest" in response.text
    assert not re.search(r"(src|href)=.?(https?:)?//", response.text)
    assert "<script" not in response.text


def references(node: object) -> set[str]:
    if isinstance(node, dict):
        found = {node["$ref"]} if "$ref" in node else set()
        return found.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_the_openapi_document_is_complete():
    document = call(make_app(), "GET", "/openapi.json").json()
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= known
    operation = document["paths"]["/v1/entities"]["post"]
    assert set(operation["responses"]) >= {"200", "400", "401", "404", "413", "422", "429", "503"}
    assert "application/problem+json" in operation["responses"]["422"]["content"]
    assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith(
        "/EntitiesRequest"
    )


def test_cors_is_off_unless_an_origin_is_named():
    headers = {"origin": "https://a.example", "access-control-request-method": "POST"}
    closed = call(make_app(), "OPTIONS", "/v1/entities", headers=headers)
    assert "access-control-allow-origin" not in closed.headers
    app = make_app(cors_origins="https://a.example", api_keys="key")
    opened = call(app, "OPTIONS", "/v1/entities", headers=headers)
    assert opened.headers["access-control-allow-origin"] == "https://a.example"
    other = call(app, "OPTIONS", "/v1/entities", headers=headers | {"origin": "https://b.example"})
    assert "access-control-allow-origin" not in other.headers
    refused = post(app, {"text": "a"}, headers={"origin": "https://a.example"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://a.example"


def test_large_blocks_are_given_back_whatever_was_freed_before():
    """glibc alone would take the second block from the heap, and keep it there."""
    program = """
import ctypes, sys
from ner_service.api.server import OWN_BLOCK_BYTES, give_large_blocks_back
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                 "uordblks", "fordblks", "keepcost")]
libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
if sys.argv[1] == "yes":
    give_large_blocks_back()
size = 128 * OWN_BLOCK_BYTES  # larger than any hole that the imports left in the heap
libc.free(libc.malloc(size))
before = libc.mallinfo2().hblks
libc.malloc(size)
print(libc.mallinfo2().hblks - before)
"""
    given_back = [
        int(
            subprocess.run(
                [sys.executable, "-c", program, asked], capture_output=True, text=True, check=True
            ).stdout
        )
        for asked in ("no", "yes")
    ]
    assert given_back == [0, 1]
