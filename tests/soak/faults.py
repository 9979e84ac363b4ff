"""The tests of faults, run as they stand; their names and outcomes are the figures."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.server import ROOT

FILES = (
    "tests/integration/test_faults.py",
    "tests/integration/test_server_lifecycle.py",
    "tests/integration/test_server_sockets.py",
)
SINGLE = (
    "tests/integration/test_server_model.py"
    "::test_a_reload_with_a_corrupt_artifact_under_load_changes_nothing",
)


def run_faults() -> dict[str, Any]:
    """Run them; a test that fails is told, not raised."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *FILES, *SINGLE]
        subprocess.run(command, cwd=ROOT, check=False, timeout=1_800)
        cases = ElementTree.parse(report).iter("testcase")
        tests = [
            {"name": _words(case.get("name", "")), "outcome": _outcome(case)} for case in cases
        ]
    return {"tests": tests, "passed": sum(test["outcome"] == "passed" for test in tests)}


def _words(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ").replace("|", "\\|")


def _outcome(case: ElementTree.Element) -> str:
    for tag in ("failure", "error", "skipped"):
        if case.find(tag) is not None:
            return tag
    return "passed"
