"""One model whose weights are the mean of several's: `python -m training.average`.

Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves
accuracy without increasing inference time": models that went on from the same weights lie in one
valley, and what is peculiar to each run averages out. Models that began apart do not, and their
mean is none.
"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ner_service.artifact import Artifact, VectorTable, load_artifact
from ner_service.artifact.locate import resolve_model
from ner_service.errors import ConfigError
from ner_service.inference.torch_backend import load_network
from training.corpus import load_split
from training.export import write_model
from training.metrics_file import Metrics, read_metrics, texts_behind
from training.report import report_derived
from training.start import signature
from training.usage import OneLineParser, run_command


def average(models: Sequence[Path], output: Path) -> list[str]:
    """Write the model directory of the mean; its temperature is the last one's.

    Args:
        models: model directories; what is told of a training is that of the last.
        output: the new model directory, whose name the model gets.

    Returns:
        The names of the models.

    Raises:
        ArtifactError: a model is damaged.
        ConfigError: there are fewer than two, or they differ in more than their numbers.
    """
    if len(models) < 2:
        raise ConfigError(f"models: expected at least two, got {len(models)}")
    artifacts = [load_artifact(path) for path in models]
    last = artifacts[-1]
    for path, artifact in zip(models, artifacts, strict=True):
        if not _alike(artifact, last):
            raise ConfigError(f"models: expected {path} to be built like {models[-1]}")
    states = [load_network(artifact).state_dict() for artifact in artifacts]
    network = load_network(last)
    network.load_state_dict(
        {name: torch.stack([s[name] for s in states]).mean(dim=0) for name in states[0]}
    )
    tables = zip(*(artifact.vector_tables for artifact in artifacts), strict=True)
    write_model(
        output,
        network,
        config=replace(last.config, name=output.name),
        vocabulary=last.vocabulary,
        vector_tables={
            table.name: _mean_table(own)
            for table, own in zip(last.config.vector_tables, tables, strict=True)
        },
    )
    return [artifact.config.name for artifact in artifacts]


def _alike(one: Artifact, other: Artifact) -> bool:
    """Whether two models differ in nothing but numbers that are trained or fitted."""
    return (
        signature(one.config) == signature(other.config)
        and one.vocabulary == other.vocabulary
        and all(
            np.array_equal(table.keys, own.keys) and np.array_equal(table.rows, own.rows)
            for table, own in zip(one.vector_tables, other.vector_tables, strict=True)
        )
    )


def _mean_table(tables: Sequence[VectorTable]) -> VectorTable:
    """The mean of tables of the same words; the same one, if all are, to the last bit."""
    last = tables[-1]
    if all(
        np.array_equal(table.values, last.values) and np.array_equal(table.scales, last.scales)
        for table in tables
    ):
        return last
    every = np.arange(len(last.values))
    vectors = np.zeros(last.values.shape, dtype=np.float32)
    for table in tables:
        vectors += table.gather(every) / np.float32(len(tables))
    return last.holding(vectors)


def main(arguments: list[str] | None = None) -> int:
    """Average models and fit the mean's temperature; 2 for wrong usage, 1 for a failure."""
    parser = OneLineParser(prog="python -m training.average", description=main.__doc__)
    parser.add_argument("--models", required=True, nargs="+", help="model directories or names")
    parser.add_argument("--output", type=Path, required=True, help="the new model directory")
    parser.add_argument("--corpus", required=True, help="development set: file, folder or name")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return run_command(lambda: _average(options.models, options.output, options.corpus))


def _average(models: Sequence[str], output: Path, corpus: str) -> None:
    paths = [resolve_model(model) for model in models]
    made: Metrics = {"averaged": average(paths, output)}
    told = read_metrics(paths[-1]) or {}
    if "training" in told:
        # A model that ended with gold windows alone went on from one that had learnt from texts.
        made["training"] = {**told["training"], "texts": texts_behind(paths)}
    report_derived(output, paths[-1], load_split(corpus, split="validation"), made)


if __name__ == "__main__":
    sys.exit(main())
