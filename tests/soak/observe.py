"""What can be seen of a server from outside: its metrics, its memory, its log."""

import re
from collections import Counter
from pathlib import Path

from tests.server import Server

_REQUESTS = re.compile(r'^ner_requests_total\{outcome="([^"]*)",route="[^"]*"\} (\S+)', re.M)


def outcomes_of(server: Server) -> dict[str, int]:
    """Answers by outcome."""
    counts: Counter[str] = Counter()
    for outcome, count in _REQUESTS.findall(server.http.get(f"{server.url}/metrics").text):
        counts[outcome] += int(float(count))
    return dict(sorted(counts.items()))


def failures_in(server: Server) -> list[dict]:
    """Log lines that tell of a fault of ours; what is no JSON was not meant to be printed."""
    return [
        line
        for line in server.lines
        if line.get("level") in ("error", "critical") or line["event"] == "(not json)"
    ]


def memory_of(process: int) -> int:
    """Resident bytes that belong to the process alone."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no RssAnon: not Linux?")


def files_of(process: int) -> int:
    """Open files and sockets."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))
