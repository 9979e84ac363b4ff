"""Schemathesis over the OpenAPI document, in all its phases and with data that no schema allows."""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass

from tests.server import FAKE, ROOT, running
from tests.soak.observe import failures_in, outcomes_of

PHASES = ("examples", "coverage", "fuzzing", "stateful")
# Left out: that whatever fits the schema is answered with 2xx. A request has either `text` or
# `documents`, labels are those of the model, and a model has to exist; no schema says so.
EXCLUDED = "positive_data_acceptance"
_CASES = re.compile(r"(\d+) generated")


@dataclass(frozen=True, slots=True)
class SchemaRun:
    """What came of it.

    Attributes:
        cases: requests that were generated.
        outcomes: answers by outcome, from the server's own metrics.
        failures: what Schemathesis found.
        report: all that it wrote, for people.
        log: lines of the server that tell of a failure.
    """

    cases: int
    phases: tuple[str, ...]
    outcomes: dict[str, int]
    failures: int
    report: str
    log: list[dict]

    def figures(self) -> dict:
        """Everything but the texts."""
        figures = asdict(self)
        del figures["report"]
        figures["log"] = len(self.log)
        return figures


def check_schema(*, examples: int, seed: int = 1, seconds: int = 3600) -> SchemaRun:
    """Try every page with at most so many examples a phase, against the fake tagger."""
    settings = {"admin_keys": "admin", "body_timeout_seconds": 5}
    with running(*FAKE, **settings) as server, tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"),
                *("--phases", ",".join(PHASES), "--mode", "all", "--checks", "all"),
                *("--exclude-checks", EXCLUDED, "--continue-on-failure", "--warnings", "off"),
                *("--max-examples", str(examples), "--seed", str(seed), "--no-color"),
                *("--suppress-health-check", "all", "--request-timeout", "30", "--no-shrink"),
                *("--header", "X-API-Key: admin"),
            ],
            cwd=folder,  # it leaves its example database where it runs
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "SCHEMATHESIS_HOOKS": "tests.soak.schema_hooks",
            },
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        outcomes = outcomes_of(server)
        log = failures_in(server)
    found = _CASES.search(result.stdout)
    return SchemaRun(
        cases=int(found[1]) if found else 0,
        phases=PHASES,
        outcomes=outcomes,
        failures=int(result.returncode != 0),
        report=result.stdout + result.stderr,
        log=log,
    )
