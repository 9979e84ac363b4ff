"""Everything that is hard on the server, and the page that tells of it.

`make soak`, or `python -m tests.soak.run [--only PART] [--seconds N] [--docs FOLDER]`.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.server import REAL, ROOT
from tests.soak.faults import run_faults
from tests.soak.fuzz import CLIENTS, fuzz
from tests.soak.load import load
from tests.soak.report import merge, write_report
from tests.soak.schema import check_schema

SCHEMA_EXAMPLES = 700
SCHEMA_CASES = 5_000
HOSTILE = 20_000
# Bytes that may be in use after the fuzz run and were not after its first tenth: an allocator does
# not give everything back.
SLACK = 16 * 2**20

Part = tuple[dict[str, Any], list[str]]


def schema(_: float) -> Part:
    """Figures and faults."""
    run = check_schema(examples=SCHEMA_EXAMPLES)
    faults = [run.report] if run.failures else []
    if run.cases < SCHEMA_CASES:
        faults.append(f"expected {SCHEMA_CASES} cases, got {run.cases}")
    if run.log or "internal_error" in run.outcomes:
        faults.append(f"failures of the server: {run.log[:3]}")
    return run.figures(), faults


def hostile(_: float) -> Part:
    """Figures and faults."""
    run = fuzz(HOSTILE, *REAL, settings={"threads": 1})
    faults = [*run.wrong, *(str(line) for line in run.log[:3])]
    if run.memory[-1] - run.memory[1] > SLACK:
        faults.append(f"memory grew: {run.memory}")
    if run.files[-1] > run.files[0]:
        faults.append(f"files stay open: {run.files}")
    return {**run.figures(), "clients": CLIENTS, "against": "the model that is shipped"}, faults


def overload(seconds: float) -> Part:
    """Figures and faults."""
    run = load(seconds)
    return {**run.figures(), "faults": run.faults}, run.faults


def faults(_: float) -> Part:
    """Figures and faults."""
    figures = run_faults()
    failed = [test["name"] for test in figures["tests"] if test["outcome"] != "passed"]
    return figures, failed


PARTS: dict[str, Callable[[float], Part]] = {
    "schema": schema,
    "fuzz": hostile,
    "load": overload,
    "faults": faults,
}


def main() -> int:
    """Run the parts, write the page, and fail if anything is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--seconds", type=float, default=120.0, help="of load")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    arguments = parser.parse_args()
    failed = False
    for name in arguments.only or PARTS:
        begin = time.monotonic()
        figures, found = PARTS[name](arguments.seconds)
        write_report(merge({name: figures}, arguments.docs), arguments.docs)
        verdict = "failed" if found else "passed"
        print(f"{name}: {verdict} in {time.monotonic() - begin:.0f} s", flush=True)  # noqa: T201
        for line in found:
            print(f"  {line}", file=sys.stderr)  # noqa: T201
        failed = failed or bool(found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
