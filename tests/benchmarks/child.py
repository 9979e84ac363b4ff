"""Run one measure in a process of its own: `python -m tests.benchmarks.child NAME FILE`.

The settings come as JSON at standard input, the figures go as JSON to the file.
"""

import importlib
import json
import sys
from pathlib import Path

from tests.benchmarks.bench import Bench


def main() -> None:
    _, name, result = sys.argv
    measure = importlib.import_module(f"tests.benchmarks.{name}").measure
    figures = measure(Bench.from_json(sys.stdin.read()))
    Path(result).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
