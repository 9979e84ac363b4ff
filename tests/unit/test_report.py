import json
import shutil

import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image

from ner_service.artifact import load_artifact
from ner_service.artifact.store import write_manifest
from ner_service.errors import CorpusError
from tests.training_runs import SAMPLE
from training.corpus import load_corpus
from training.curves import read_curves
from training.measure import EvaluationSet, load_sets
from training.report import main, report_seeds, report_sets, report_training

PLOTS = ("learning_curve.png", "labels.png", "confusion.png", "reliability.png")
SETS = """
[[set]]
key = "test"
title = "sample test"
path = "{sample}/test.txt"
conditions = ["gold", "raw", "noise", "int8"]

[[set]]
key = "gone"
title = "a set that is not there"
path = "{sample}/gone.txt"

[[set]]
key = "people"
title = "sample people"
path = "{sample}/dev.txt"
labels = {{ PER = "PER" }}
note = "PER alone."
"""


@pytest.fixture(scope="module")
def reported(trained, tmp_path_factory):
    """The trained model with all that training leaves next to it."""
    model = shutil.copytree(trained.model, tmp_path_factory.mktemp("reported") / "model")
    corpus = load_corpus(trained.settings.data)
    report_training(model, settings=trained.settings, corpus=corpus, run=trained.folder, threads=1)
    return model


@pytest.fixture
def sets(tmp_path):
    file = tmp_path / "sets.toml"
    file.write_text(SETS.format(sample=SAMPLE.as_posix()), "utf-8")
    return file


def metrics_of(model):
    return json.loads((model / "metrics.json").read_text("utf-8"))


def test_training_leaves_figures_plots_and_card_in_a_whole_artifact(reported):
    names = {file.name for file in reported.iterdir()}
    assert {*PLOTS, "metrics.json", "README.md", "training_entities.safetensors"} <= names
    manifest = json.loads((reported / "manifest.json").read_text("utf-8"))["files"]
    assert names - {"manifest.json"} == set(manifest)
    metrics = metrics_of(reported)
    assert metrics["calibration"]["temperature"] == load_artifact(reported).config.temperature
    assert set(metrics["sets"]) == {"development"}


def test_curves_are_those_of_the_run(trained, reported):
    curve = metrics_of(reported)["curve"]
    assert len(curve["dev_f1"]) == trained.settings.epochs
    assert curve["train_loss"] == pytest.approx(trained.losses, abs=1e-4)
    assert curve["dev_f1"][curve["best_epoch"] - 1] == max(curve["dev_f1"])


def test_plots_are_images_and_equal_figures_are_equal_files(reported, tmp_path):
    for name in PLOTS:
        with Image.open(reported / name) as image:
            assert min(image.size) > 200
    again = shutil.copytree(reported, tmp_path / "again")
    report_sets(again, [])
    assert (again / PLOTS[0]).read_bytes() == (reported / PLOTS[0]).read_bytes()


def test_sets_are_added_and_missing_ones_left_out(reported, sets, tmp_path):
    model = shutil.copytree(reported, tmp_path / "model")
    assert main(["--model", str(model), "--sets", str(sets)]) == 0
    metrics = metrics_of(model)
    assert set(metrics["sets"]) == {"development", "test", "people"}
    test = metrics["sets"]["test"]
    assert set(test["conditions"]) == {"gold", "raw", "noise", "int8"}
    assert {"seen", "unseen"} == set(test["novelty"])
    assert set(metrics["sets"]["people"]["conditions"]["gold"]["per_label"]) == {"PER"}
    assert metrics["pairs"]["total"] >= 24
    assert len(metrics["sentences"]) == 6
    load_artifact(model)


def test_figures_of_other_weights_are_forgotten(reported, tmp_path):
    model = shutil.copytree(reported, tmp_path / "model")
    metrics = metrics_of(model)
    metrics["model"]["weights_sha256"] = "0" * 12
    (model / "metrics.json").write_text(json.dumps(metrics), "utf-8")
    write_manifest(model)
    report_sets(model, [])
    assert "curve" not in metrics_of(model)


def test_seeds_give_a_mean_and_an_interval(reported, trained, tmp_path):
    model = shutil.copytree(reported, tmp_path / "model")
    asked = EvaluationSet(key="test", title="sample test", path=str(SAMPLE / "test.txt"))
    report_seeds(model, [trained.model, trained.model, trained.model], [asked])
    found = metrics_of(model)["seeds"]["sets"]["test"]["conditions"]["gold"]
    assert found["values"] == [found["mean"]] * 3
    assert found["half_width"] == 0


def test_command_does_again_what_training_does(trained, reported, tmp_path):
    model = shutil.copytree(trained.model, tmp_path / "model")
    config = tmp_path / "config.toml"
    config.write_text(f'name = "x"\noutput = "{model}"\n[data]\npath = "{SAMPLE}"\n', "utf-8")
    arguments = ["--model", str(model), "--config", str(config), "--run", str(trained.folder)]
    assert main(arguments) == 0
    assert metrics_of(model)["curve"] == metrics_of(reported)["curve"]


@pytest.mark.parametrize("arguments", [[], ["--config", "x.toml"], ["--run", "runs/x"]])
def test_wrong_usage_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(["--model", "m", *arguments])
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[set]", "not TOML"),
        ('[[set]]\nkey = "a"\ntitle = "a"', "path"),
        ('[[set]]\nkey = "a"\ntitle = "a"\npath = "a"\nconditions = []', "conditions"),
        ('[[set]]\nkey = "a"\ntitle = "a"\npath = "a"\ncolour = "red"', "colour"),
    ],
)
def test_broken_file_of_sets_is_a_configuration_error(
    trained_model, tmp_path, capsys, text, message
):
    file = tmp_path / "sets.toml"
    file.write_text(text, "utf-8")
    assert main(["--model", str(trained_model), "--sets", str(file)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_sets_of_the_project_can_be_read():
    sets = load_sets(SAMPLE.parents[2] / "training" / "configs" / "sets.toml")
    assert [each.key for each in sets][:2] == ["development", "test"]


def log(folder, rows):
    """A run's log of an epoch a row: (step, F1)."""
    logger = TensorBoardLogger(folder, name="", version="")
    for step, f1 in rows:
        logger.log_metrics({"dev_f1": f1, "train_loss_epoch": 1.0 - f1}, step)
    logger.finalize("success")


def test_resumed_run_continues_its_curve_and_a_new_run_replaces_it(tmp_path):
    log(tmp_path, [(9, 0.1), (19, 0.2), (29, 0.3)])
    log(tmp_path, [(29, 0.35), (39, 0.4)])
    assert read_curves(tmp_path).dev_f1 == pytest.approx((0.1, 0.2, 0.35, 0.4))
    log(tmp_path, [(9, 0.5), (19, 0.45)])
    curves = read_curves(tmp_path)
    assert curves.dev_f1 == pytest.approx((0.5, 0.45))
    assert curves.best_epoch == 1


def test_folder_without_a_log_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="TensorBoard"):
        read_curves(tmp_path)
