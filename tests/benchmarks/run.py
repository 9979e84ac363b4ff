"""All benchmarks in one run: `python -m tests.benchmarks.run`, or `make bench`.

`--quick` runs everything in a few minutes at sizes that only prove that it works.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ner_service.artifact.locate import resolve_model
from tests.benchmarks.bench import DATA, QUICK, ROOT, Bench, Sizes, say
from tests.benchmarks.machine import describe, when
from tests.benchmarks.parity import TEST_SET
from tests.benchmarks.report import RESULTS, write_report
from tests.benchmarks.timing import environment

MEASURES = (
    "peers_race",
    "stages",
    "kernel",
    "http_race",
    "service",
    "growth",
    "parity",
    "training_speed",
)
_NEEDS_CORPUS = ("parity", "training_speed")
GPU = ROOT / "tests" / "benchmarks" / "gpu.json"
_OWN_THREADS = ("http_race", "service", "training_speed")  # as a user starts them


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    sizes = QUICK if options.quick else Sizes()
    if options.stories:
        sizes = Sizes(stories=options.stories)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as work:
        bench = Bench(
            model=resolve_model(options.model).absolute(),
            stories=options.texts.absolute(),
            corpus=options.corpus.absolute(),
            peers=options.peers.absolute(),
            work=Path(work),
            sizes=sizes,
            quick=options.quick,
        )
        results = run(bench, options.only or MEASURES)
    options.output.mkdir(parents=True, exist_ok=True)
    if not options.quick:
        results = with_gpu(results, GPU)
    if options.only:
        results = with_earlier(results, options.output / RESULTS)
    write_report(results, options.output)
    say(f"{options.output}/benchmarks.md written")
    return 0


def run(bench: Bench, names: tuple[str, ...] | list[str]) -> dict[str, Any]:
    """Each measure in a process of its own, one after the other; nothing else should run."""
    machine = describe(bench)
    results: dict[str, Any] = {"quick": bench.quick, "machine": machine, "measures": {}, "runs": {}}
    for name in names:
        if name in _NEEDS_CORPUS and not (bench.corpus / TEST_SET).is_file():
            say(f"{name}: left out, no {bench.corpus / TEST_SET}")
            continue
        begun = time.monotonic()
        say(name)
        results["runs"][name] = when()
        results["measures"][name] = _measure(bench, name)
        say(f"  {time.monotonic() - begun:.0f} s")
    return results


def with_gpu(results: dict[str, Any], file: Path) -> dict[str, Any]:
    """Add what was measured on a machine with a GPU, if it ever was: `tests.benchmarks.gpu`."""
    if not file.is_file():
        return results
    figures = json.loads(file.read_text(encoding="utf-8"))
    return {
        **results,
        "measures": {**results["measures"], "gpu": figures},
        "runs": {**results["runs"], "gpu": figures["run"]},
    }


def with_earlier(results: dict[str, Any], file: Path) -> dict[str, Any]:
    """Keep the parts that were measured before, of the same model on a machine of the same kind.

    Whatever is compared is compared within one part, so parts may be of different hours.
    """
    if not file.is_file():
        return results
    earlier = json.loads(file.read_text(encoding="utf-8"))
    if any(earlier[key] != results[key] for key in ("quick", "machine")):
        return results
    return {
        **results,
        **{key: {**earlier[key], **results[key]} for key in ("measures", "runs")},
    }


def _measure(bench: Bench, name: str) -> dict[str, Any]:
    work = bench.work / name
    work.mkdir()
    result = bench.work / f"{name}.json"
    settings = {**json.loads(bench.to_json()), "work": str(work)}
    subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.child", name, str(result)],
        cwd=ROOT,
        env=environment(os.cpu_count() or 1 if name in _OWN_THREADS else 1),
        input=json.dumps(settings),
        stdout=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    figures: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    shutil.rmtree(work)
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.run", description=__doc__)
    parser.add_argument("--model", default="conll2003", help="directory or name")
    parser.add_argument(
        "--texts",
        type=Path,
        default=DATA / "unlabelled" / "reuters21578.jsonl.gz",
        help="JSON lines with a field text",
    )
    parser.add_argument("--stories", type=int, help="how many of them [2000]")
    parser.add_argument(
        "--corpus", type=Path, default=DATA / "conll2003", help="folder of the CoNLL-2003 files"
    )
    parser.add_argument(
        "--peers", type=Path, default=ROOT / ".venv-bench" / "bin" / "python", help="interpreter"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "docs", help="folder of the report")
    parser.add_argument("--quick", action="store_true", help="prove that it runs; no figures")
    parser.add_argument("--only", nargs="+", choices=MEASURES, help="some parts anew")
    return parser


if __name__ == "__main__":
    sys.exit(main())
