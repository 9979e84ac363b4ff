"""Figures and plots of a model, next to it: `metrics.json`, PNGs and the model card.

Training writes those of the development set; `python -m training.report` adds the other corpora.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from datasets import DatasetDict

from ner_service.artifact.locate import resolve_model
from ner_service.artifact.store import write_manifest
from ner_service.errors import ConfigError
from ner_service.tagger import Tagger
from training import plots
from training.calibration import calibrate, fitted_metrics
from training.card import write_card
from training.config import TrainConfig, load_config
from training.corpus import Corpus, iter_documents, load_corpus
from training.curves import read_curves
from training.describe import describe_curves, describe_model, describe_training
from training.evaluation import evaluate
from training.measure import EvaluationSet, how, load_sets, measure
from training.metrics_file import (
    CONFUSION_PLOT,
    CURVE_PLOT,
    DEVELOPMENT,
    LABELS_PLOT,
    RELIABILITY_PLOT,
    TEST,
    Metrics,
    read_metrics,
    save_metrics,
)
from training.pairs import hand_written
from training.seen import load_keys, save_keys, training_keys
from training.spread import spread
from training.usage import OneLineParser, run_command

logger = logging.getLogger(__name__)

_HISTORY = ("training", "curve", "averaged", "shrunk")
"""What a model's metrics tell of how it came to be."""


def report_training(
    path: Path,
    *,
    settings: TrainConfig,
    corpus: Corpus,
    run: Path,
    config_file: Path | None = None,
    texts: Sequence[Path] = (),
    threads: int | None = None,
) -> None:
    """Calibrate a model that was just written, measure it on the development set, write its card.

    Args:
        path: the model directory.
        settings: of the training.
        corpus: with the splits train and validation.
        run: the folder with the TensorBoard log.
        config_file: where the settings came from, for the card.
        texts: files of text without gold tags that were learnt from, for the card.
        threads: of the network.
    """
    validation = replace(corpus, splits=DatasetDict(validation=corpus.splits["validation"]))
    keys = training_keys(iter_documents(corpus.splits["train"]), corpus.scheme)
    save_keys(path, keys)
    write_manifest(path)
    _, found = calibrate(path, validation, threads=threads)
    logger.info(
        "temperature %.4f: expected calibration error %.4f -> %.4f",
        found.temperature,
        found.before.expected_error,
        found.after.expected_error,
    )
    development = EvaluationSet(
        key=DEVELOPMENT,
        title="development set",
        path=corpus.source,
        conditions=("gold", "raw", "lower", "upper"),
    )
    metrics = {
        "model": describe_model(path),
        "training": describe_training(settings, corpus, config_file=config_file, texts=texts),
        "curve": describe_curves(read_curves(run)),
        **fitted_metrics(None, found),
        "sets": {DEVELOPMENT: measure(path, validation, development, keys=keys, threads=threads)},
    }
    finish(path, metrics)


def report_sets(path: Path, sets: Sequence[EvaluationSet], *, threads: int | None = None) -> None:
    """Measure a model on every set that is there, and on the hand-written sentences."""
    metrics = read_metrics(path) or {"model": describe_model(path)}
    keys = load_keys(path)
    measured = metrics.setdefault("sets", {})
    for asked in sets:
        corpus = asked.load()
        if corpus is not None:
            measured[asked.key] = measure(path, corpus, asked, keys=keys, threads=threads)
    tagger = Tagger.load(path.resolve(), backend="onnx", threads=threads)
    finish(path, metrics | hand_written(tagger))


def report_seeds(
    path: Path, models: Sequence[Path], sets: Sequence[EvaluationSet], *, threads: int | None = None
) -> None:
    """Measure models that differ by their seed alone, for the mean and its interval."""
    metrics = read_metrics(path) or {"model": describe_model(path)}
    taggers = [Tagger.load(m.resolve(), backend="onnx", threads=threads) for m in models]
    rows: Metrics = {}
    for asked in sets:
        corpus = asked.load()
        if corpus is None:
            continue
        conditions = {}
        for condition in asked.conditions:
            if condition == "int8":
                continue
            scores = []
            for tagger in taggers:
                tokens, change = how(condition)
                labels = asked.labels or None
                done = evaluate(tagger, corpus, tokens=tokens, change=change, labels=labels)
                scores.append(round(done.scores.overall.f1, 6))
            conditions[condition] = asdict(spread(scores))
            logger.info("%s, %s: f1 of each %s", asked.title, condition, scores)
        rows[asked.key] = {"title": asked.title, "conditions": conditions}
    names = [model.name for model in models]
    finish(path, metrics | {"seeds": {"models": names, "sets": rows}})


def report_derived(path: Path, source: Path, development: Corpus, made: Metrics) -> None:
    """Fit the temperature of a model that was made from trained ones, and write its card.

    Args:
        path: the model directory.
        source: the model whose training is told of, and whose entities are known from training.
        development: what the temperature is fitted on.
        made: how it was made, for the card; goes before what `source` tells.
    """
    keys = load_keys(source)
    if keys is not None:
        save_keys(path, keys)
        write_manifest(path)
    _, found = calibrate(path, development)
    logger.info("temperature %.4f", found.temperature)
    told = read_metrics(source) or {}
    kept = {name: told[name] for name in _HISTORY if name in told}
    finish(path, kept | {"model": describe_model(path), **fitted_metrics(None, found)} | made)


def finish(path: Path, metrics: Metrics) -> None:
    """Write metrics, plots, card and manifest."""
    save_metrics(path, metrics)
    for name, data in draw(metrics).items():
        (path / name).write_bytes(data)
    write_card(path, metrics)
    write_manifest(path)


def draw(metrics: Mapping[str, Any]) -> dict[str, bytes]:
    """The plots that the metrics allow, by file name."""
    drawn = {}
    sets = metrics.get("sets", {})
    if metrics.get("curve", {}).get("dev_f1"):
        drawn[CURVE_PLOT] = plots.learning_curve(metrics["curve"])
    chosen = sets.get(TEST) or sets.get(DEVELOPMENT)
    if chosen:
        first = next(iter(chosen["conditions"].values()))
        title = chosen["title"]
        drawn[LABELS_PLOT] = plots.label_scores(first["per_label"], title)
        table = chosen["confusion"]
        drawn[CONFUSION_PLOT] = plots.confusion_matrix(table["labels"], table["counts"], title)
    tables = {}
    if "calibration" in metrics:
        calibration = metrics["calibration"]
        tables = {"before": calibration["before"], "fitted": calibration["after"]}
    if chosen and (not tables or TEST in sets):
        tables[chosen["title"]] = chosen["reliability"]
    if tables:
        drawn[RELIABILITY_PLOT] = plots.reliability_diagram(tables)
    return {name: plots.png(figure) for name, figure in drawn.items()}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 2 for wrong usage, 1 for a failure."""
    parser = OneLineParser(prog="python -m training.report", description=__doc__)
    parser.add_argument("--model", required=True, help="model directory or name")
    parser.add_argument("--sets", type=Path, metavar="FILE", help="TOML: measure on these corpora")
    parser.add_argument(
        "--seeds", type=Path, nargs="+", metavar="DIR", help="models of other seeds, for --sets"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML: do what training with it does at its end"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--run", type=Path, metavar="DIR", help="the run's folder, for --config")
    options = parser.parse_args(arguments)
    if (options.config is None) != (options.run is None):
        parser.error("--config and --run go together")
    if options.config is None and options.sets is None:
        parser.error("expected --sets, or --config with --run")
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    def work() -> None:
        path = resolve_model(options.model)
        sets = [] if options.sets is None else load_sets(options.sets)
        if options.config is not None:
            settings = load_config(options.config, options.set)
            corpus = load_corpus(settings.data)
            if not {"train", "validation"} <= corpus.splits.keys():
                raise ConfigError(f"{corpus.source}: expected splits train and validation")
            report_training(
                path,
                settings=settings,
                corpus=corpus,
                run=options.run,
                config_file=options.config,
            )
        if sets:
            report_sets(path, sets)
        if options.seeds:
            report_seeds(path, options.seeds, sets)

    return run_command(work)


if __name__ == "__main__":
    sys.exit(main())
