"""One sentence over HTTP, and 64 clients at once: ours against an empty endpoint.

The empty endpoint runs on uvicorn as it comes, and once more on the HTTP parser that ours uses.
"""

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from tests.benchmarks.bench import Bench, say
from tests.benchmarks.client import ask, request
from tests.benchmarks.timing import in_turn, ratios, spread
from tests.server import REAL, running

_CLIENTS = 64
_SENTENCE_WORDS = 20
_EMPTY = {
    name: ("-m", "tests.benchmarks.empty_endpoint", parser)
    for name, parser in (("empty", "h11"), ("empty_same_parser", "httptools"))
}
_WARM_UP = 200


def measure(bench: Bench) -> dict[str, Any]:
    requests = [request(sentence) for sentence in sentences(bench)]
    sizes = bench.sizes
    with ExitStack() as stack:
        ours = stack.enter_context(running(*REAL, model=bench.model.absolute()))
        ports = {"service": ours.port}
        for name, command in _EMPTY.items():
            ports[name] = stack.enter_context(running(*command)).port
        latency: dict[str, Callable[[], float]] = {}
        load: dict[str, Callable[[], float]] = {}
        for name, port in ports.items():
            ask(port, _repeated(requests, _WARM_UP), clients=1)
            alone = _repeated(requests, sizes.latency_requests)
            together = _repeated(requests, sizes.load_requests)
            latency[name] = lambda p=port, r=alone: statistics.median(ask(p, r, clients=1)[1])
            load[name] = lambda p=port, r=together: len(r) / ask(p, r, clients=_CLIENTS)[0]
        seconds = in_turn(latency, sizes.http_rounds)
        say("  one client")
        rates = in_turn(load, sizes.http_rounds)
        say(f"  {_CLIENTS} clients")
    return {
        "sentence_words": _SENTENCE_WORDS,
        "requests": sizes.latency_requests,
        "clients": _CLIENTS,
        "load_requests": sizes.load_requests,
        "latency_seconds": {name: spread(values) for name, values in seconds.items()},
        "latency_ratio": {name: ratios(seconds["service"], seconds[name]) for name in _EMPTY},
        "requests_per_second": {name: spread(values) for name, values in rates.items()},
        "rate_ratio": {name: ratios(rates["service"], rates[name]) for name in _EMPTY},
    }


def sentences(bench: Bench) -> list[str]:
    """Stretches of 20 words, all different."""
    found = []
    for story in bench.read_stories(bench.sizes.stories):
        words = story.split()
        for begin in range(0, len(words) - _SENTENCE_WORDS + 1, _SENTENCE_WORDS):
            found.append(" ".join(words[begin : begin + _SENTENCE_WORDS]))
    return list(dict.fromkeys(found))


def _repeated(requests: list[bytes], count: int) -> list[bytes]:
    return [requests[index % len(requests)] for index in range(count)]
