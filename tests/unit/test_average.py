"""The mean of several models' weights."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ner_service.artifact import load_artifact
from ner_service.artifact.store import write_manifest
from ner_service.tagger import Tagger
from tests.training_runs import SAMPLE, materials_of, sample_settings
from training.average import main
from training.corpus import iter_documents, load_corpus
from training.describe import describe_model, describe_training
from training.metrics_file import read_metrics, save_metrics
from training.seen import load_keys, save_keys, training_keys
from training.train import make_module, write_artifact

# How many files without gold tags a model learnt from; the others from none.
TEXTS_OF = {"one": 1, "two": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three models of one build, `one` to `three`, and `wider`."""
    folder = tmp_path_factory.mktemp("average")
    for seed, name in enumerate(("one", "two", "three"), start=1):
        write_model(folder, name, seed=seed)
    settings = sample_settings(folder)
    network = replace(settings.network, hidden_width=settings.network.hidden_width + 1)
    write_model(folder, "wider", seed=1, network=network)
    return folder


def write_model(folder: Path, name: str, **changes) -> None:
    settings = sample_settings(folder, output=str(folder / name), name=name, **changes)
    materials = materials_of(settings)
    torch.manual_seed(settings.seed)
    module = make_module(settings, materials)
    with torch.no_grad():
        module.vectors[0].table.weight[1:] = torch.rand_like(module.vectors[0].table.weight[1:])
    write_artifact(module, materials, folder / name)
    corpus = load_corpus(settings.data)
    documents = iter_documents(corpus.splits["train"])
    save_keys(folder / name, training_keys(documents, corpus.scheme))
    told = {
        "model": describe_model(folder / name),
        "training": describe_training(
            settings,
            corpus,
            config_file=Path("sample.toml"),
            texts=[Path(f"{number}.jsonl.gz") for number in range(TEXTS_OF.get(name, 0))],
        ),
    }
    save_metrics(folder / name, told)
    write_manifest(folder / name)


def average(folder: Path, output: str, *models: str) -> int:
    names = [str(folder / model) for model in models]
    arguments = ["--models", *names, "--output", str(folder / output), "--corpus", str(SAMPLE)]
    return main(arguments)


def test_every_number_is_the_mean_and_what_is_served_has_it(folder):
    assert average(folder, "mean", "one", "two", "three") == 0
    parts = [load_artifact(folder / name) for name in ("one", "two", "three")]
    mean = load_artifact(folder / "mean")
    assert mean.config.name == "mean"
    assert set(mean.weights) == set(parts[0].weights)
    for name, weights in mean.weights.items():
        expected = np.mean([part.weights[name] for part in parts], axis=0)
        np.testing.assert_allclose(weights, expected, atol=1e-6)
    rows = np.arange(len(mean.vector_tables[0].values))
    for index, table in enumerate(mean.vector_tables):
        expected = np.mean([part.vector_tables[index].gather(rows) for part in parts], axis=0)
        # Vectors are kept in 8 bits.
        np.testing.assert_allclose(table.gather(rows), expected, atol=1 / 250)
    text = "Ines Costa flew from Lisbon to Northwind Bank in Spain."
    tags = [
        Tagger.load(folder / "mean", backend=backend).tag(text).tag_ids.tolist()
        for backend in ("onnx", "torch")
    ]
    assert tags[0] == tags[1]


def test_the_card_tells_whose_mean_it_is(folder):
    assert average(folder, "told", "two", "three") == 0
    metrics = read_metrics(folder / "told")
    config = load_artifact(folder / "told").config
    assert metrics["averaged"] == ["two", "three"]
    texts = ["0.jsonl.gz", "1.jsonl.gz"]
    assert metrics["training"] == {**read_metrics(folder / "three")["training"], "texts": texts}
    assert metrics["calibration"]["temperature"] == config.temperature
    card = (folder / "told" / "README.md").read_text("utf-8")
    assert "the mean of those of `two`, `three`" in card
    assert load_keys(folder / "told").tolist() == load_keys(folder / "three").tolist()


def test_the_mean_of_equals_is_the_same(folder):
    assert average(folder, "same", "one", "one") == 0
    one, same = load_artifact(folder / "one"), load_artifact(folder / "same")
    for name, weights in same.weights.items():
        np.testing.assert_array_equal(weights, one.weights[name])
    for own, table in zip(one.vector_tables, same.vector_tables, strict=True):
        np.testing.assert_array_equal(table.values, own.values)
        np.testing.assert_array_equal(table.scales, own.scales)


@pytest.mark.parametrize(
    ("models", "told"),
    [(["one"], "at least two, got 1"), (["one", "wider"], "one to be built like .*wider")],
)
def test_models_that_have_no_mean_are_refused(folder, capsys, models, told):
    assert average(folder, "none", *models) == 2
    error = capsys.readouterr().err
    assert re.search(told, error)
    assert not (folder / "none").exists()
