"""The service as a process: how soon it is ready, and its memory before and after much work."""

import http.client
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.bench import ROOT, Bench, say
from tests.benchmarks.client import ask, request
from tests.benchmarks.http_race import sentences
from tests.benchmarks.timing import spread
from tests.server import REAL, free_port, running

_CLIENTS = 64
_POLL_SECONDS = 0.005
_REQUESTS_A_CALL = 10_000


def measure(bench: Bench) -> dict[str, Any]:
    ready = [_seconds_to_ready(bench) for _ in range(bench.sizes.rounds)]
    say("  ready")
    texts = sentences(bench)
    asked = 0
    with running(*REAL, model=bench.model.absolute()) as server:
        process = server.process.pid
        loaded = memory_of(process)
        while asked < bench.sizes.lifetime_requests:
            count = min(_REQUESTS_A_CALL, bench.sizes.lifetime_requests - asked)
            batch = [request(texts[(asked + index) % len(texts)]) for index in range(count)]
            ask(server.port, batch, clients=_CLIENTS)
            asked += count
            say(f"  {asked} requests, {memory_of(process)['resident'] / 2**20:.0f} MiB")
        after = memory_of(process)
    return {
        "seconds_to_ready": spread(ready),
        "requests": asked,
        "different_texts": min(asked, len(texts)),
        "loaded": loaded,
        "after": after,
    }


def memory_of(process: int) -> dict[str, int]:
    """Resident bytes of a process; of these, pages of files, which processes share; the peak."""
    fields = {}
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        fields[name] = value.split()[0] if value.split() else ""
    names = {"resident": "VmRSS", "files": "RssFile", "peak": "VmHWM"}
    return {key: int(fields[name]) * 1024 for key, name in names.items()}


def _seconds_to_ready(bench: Bench) -> float:
    """From the start of the process to the first 200 of /readyz."""
    port = free_port()
    environ = {**os.environ, "NER_MODEL": str(bench.model.absolute()), "NER_PORT": str(port)}
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *REAL],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _is_ready(port):
            if process.poll() is not None or time.perf_counter() - begun > 120:
                raise RuntimeError("the service did not become ready")
            time.sleep(_POLL_SECONDS)
        return time.perf_counter() - begun
    finally:
        process.kill()
        process.wait()


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
