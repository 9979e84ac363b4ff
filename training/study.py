"""The recurrent family compared: `python -m training.study --config training/configs/study.toml`.

Every row is trained, exported and measured in the same way. A finished run is a JSON file, so the
command goes on where it was broken off; tables, plots and figures go into the study's folder.
"""

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm  # type: ignore[import-untyped]

from ner_service.errors import ConfigError
from training.study_config import Row, StudyConfig, load_study
from training.study_report import write_report
from training.study_run import THREADS, Result, StudyRuns
from training.usage import OneLineParser, run_command

logger = logging.getLogger(__name__)


def run_study(study: StudyConfig) -> None:
    """Do what is not yet done, then write the report.

    Raises:
        ConfigError: the settings of a row are not acceptable.
        CorpusError: the corpus is missing or broken.
    """
    torch.set_num_threads(THREADS)
    runs = StudyRuns(study)
    histories = study.histories
    leading = min(study.leading, len(study.row))
    total = len(study.row) + leading * (len(study.seeds) - 1)
    total += len(histories.run) if histories else 0
    with _Progress(total) as progress:
        results = [progress.done(runs.row(row, study.seeds[0])) for row in study.row]
        results += [
            progress.done(runs.row(row, seed))
            for row in leading_rows(study.row, results, leading)
            for seed in study.seeds[1:]
        ]
        watched = []
        if histories:
            watched = [progress.done(runs.history(row, histories)) for row in histories.run]
    write_report(study, whole=runs.whole, used=runs.corpus, results=results, histories=watched)
    logger.info("%s written", study.output)


def run_rows(study: StudyConfig, keys: Sequence[str]) -> None:
    """Do some rows with the first seed, without a report: a way to share the work.

    Raises:
        ConfigError: a key is no row's.
    """
    known = {row.key: row for row in study.row}
    if unknown := set(keys) - known.keys():
        raise ConfigError(f"--only: expected some of {', '.join(known)}, got {min(unknown)}")
    torch.set_num_threads(THREADS)
    runs = StudyRuns(study)
    with _Progress(len(keys)) as progress:
        for key in keys:
            progress.done(runs.row(known[key], study.seeds[0]))


def leading_rows(rows: Sequence[Row], results: Sequence[Result], count: int) -> list[Row]:
    """The release and the rows that are best on the development set, `count` in all."""
    f1 = {
        result["row"]: result["validation"]["f1"] if result["failed"] is None else -1.0
        for result in results
    }
    return sorted(rows, key=lambda row: (row.factor != "release", -f1[row.key]))[:count]


class _Progress:
    """A bar over all runs, two lines below that of the run at work, and a line a run."""

    def __init__(self, total: int) -> None:
        # No bar where nobody sees it move.
        self._bar = tqdm(total=total, desc="study", unit="run", position=2, disable=None)
        self._total, self._count = total, 0

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def done(self, result: Result) -> Result:
        """Tell of a result and give it back."""
        self._bar.update()
        self._count += 1
        score = "watched"
        if result["failed"] is not None:
            score = result["failed"]
        elif "validation" in result:
            score = f"dev F1 {result['validation']['f1']:.4f}"
        logger.info(
            "%d of %d: %s, seed %d: %s",
            self._count,
            self._total,
            result["title"],
            result["seed"],
            score,
        )
        return result


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 2 for a wrong configuration, 1 for a failure."""
    parser = OneLineParser(prog="python -m training.study", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="TOML file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--only", nargs="+", metavar="KEY", help="do these rows, first seed, and write no report"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Its advice, once a run, would bury the lines that say how far the study is.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    study = load_study(options.config, options.set)
    if options.only is not None:
        run_rows(study, options.only)
    else:
        run_study(study)


if __name__ == "__main__":
    sys.exit(main())
