from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ner_service.artifact import NetworkConfig, load_artifact
from ner_service.tagger import Tagger
from tests.training_runs import (
    SAMPLE,
    loss_of,
    materials_of,
    same_weights,
    sample_settings,
    train,
)
from training.config import OptimiserConfig
from training.module import TaggerModule
from training.train import main, make_module


def test_loss_falls(trained):
    assert trained.losses[-1] < trained.losses[0] / 4
    fresh = make_module(trained.settings, trained.materials)
    assert loss_of(trained.module, trained.materials) < loss_of(fresh, trained.materials) / 10


def test_artifact_finds_what_was_learnt(trained):
    document = Tagger.load(trained.model).tag("Spain beat Portugal 2-1 in Lisbon on Friday.")
    found = {(entity.text, entity.label) for entity in document.entities}
    assert found == {("Spain", "LOC"), ("Portugal", "LOC"), ("Lisbon", "LOC")}


def test_both_backends_find_the_same_with_learnt_weights(trained):
    text = (SAMPLE / "test.txt").read_text("utf-8")
    by_onnx, by_torch = (Tagger.load(trained.model, backend=b).tag(text) for b in ("onnx", "torch"))
    assert by_onnx.tag_ids.tolist() == by_torch.tag_ids.tolist()
    for ours, theirs in zip(by_onnx.entities, by_torch.entities, strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=1e-5)


def test_artifact_holds_the_weights_of_the_best_epoch(trained):
    weights = load_artifact(trained.model).weights
    for name, tensor in trained.module.network.state_dict().items():
        assert torch.equal(torch.from_numpy(weights[name].copy()), tensor)


def test_vectors_of_words_not_trained_on_stay_what_they_were(trained):
    (table,) = load_artifact(trained.model).vector_tables
    before = trained.materials.tables["glove"]
    # "0-0" stands for the score 2-1, too.
    rows = before.find(["zebra", "lisbon", "0-0"])
    moved = abs(table.gather(rows) - before.gather(rows)).max(axis=1)
    assert moved[0] == 0
    assert all(moved[1:] > 0.01)


def test_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    settings = sample_settings(tmp_path, epochs=2)
    first, second = (train(settings, tmp_path / name) for name in ("first", "second"))
    assert same_weights(first.module, second.module)
    assert load_artifact(first.model).version == load_artifact(second.model).version
    other = train(replace(settings, seed=2), tmp_path / "other")
    assert not same_weights(first.module, other.module)


class KilledError(Exception):
    """Stands for a machine that goes away."""


@pytest.mark.parametrize(("average_decay", "batch_killed"), [(0.0, 0), (0.8, 3)])
def test_resumed_run_equals_the_uninterrupted_one(
    tmp_path, monkeypatch, average_decay, batch_killed
):
    settings = sample_settings(tmp_path, epochs=4)
    optimiser = replace(settings.optimiser, average_decay=average_decay)
    settings = replace(settings, optimiser=optimiser)
    whole = train(settings, tmp_path / "whole")

    plain_step = TaggerModule.training_step

    def killed_step(module, batch, batch_idx):
        if module.current_epoch == 2 and batch_idx == batch_killed:
            raise KilledError
        return plain_step(module, batch, batch_idx)

    monkeypatch.setattr(TaggerModule, "training_step", killed_step)
    with pytest.raises(KilledError):
        train(settings, tmp_path / "broken")
    monkeypatch.setattr(TaggerModule, "training_step", plain_step)
    torch.rand(5)  # another process has drawn other numbers by then
    resumed = train(settings, tmp_path / "broken", resume=True)
    assert len(resumed.losses) == 2
    assert resumed.losses == pytest.approx(whole.losses[2:])
    assert same_weights(resumed.module, whole.module)


def test_resuming_a_finished_run_gives_its_model_again(tmp_path):
    settings = sample_settings(tmp_path, epochs=2)
    whole = train(settings, tmp_path)
    again = train(settings, tmp_path, resume=True)
    assert not again.losses
    assert same_weights(whole.module, again.module)


def test_resuming_nothing_begins_from_the_start(tmp_path):
    settings = sample_settings(tmp_path, epochs=1)
    assert same_weights(
        train(settings, tmp_path / "a", resume=True).module, train(settings, tmp_path / "b").module
    )


@pytest.mark.parametrize("cell", ["gru", "rnn_tanh", "rnn_relu", "none"])
@pytest.mark.parametrize("output", ["crf", "softmax"])
def test_every_cell_and_output_layer_learns(tmp_path, cell, output):
    settings = sample_settings(tmp_path, epochs=2, vectors=())
    network = replace(settings.network, cell=cell, output=output, characters="none")
    settings = replace(settings, network=network)
    run = train(settings, tmp_path)
    fresh = make_module(settings, run.materials)
    assert loss_of(run.module, run.materials) < loss_of(fresh, run.materials)
    assert Tagger.load(run.model).tag("Marta Oliveira left Lisbon.").text


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_every_optimiser_learns(tmp_path, name, clip_norm):
    rate = {"sgd": 0.02, "adam": 0.01, "rmsprop": 0.002}[name]
    optimiser = OptimiserConfig(
        name=name, learning_rate=rate, clip_norm=clip_norm, average_decay=0.0
    )
    settings = sample_settings(tmp_path, epochs=2, vectors=(), optimiser=optimiser)
    settings = replace(settings, network=replace(settings.network, characters="none"))
    run = train(settings, tmp_path)
    fresh = make_module(settings, run.materials)
    assert loss_of(run.module, run.materials) < loss_of(fresh, run.materials)


def test_patience_ends_a_run_that_no_longer_gets_better(tmp_path):
    settings = sample_settings(tmp_path, epochs=40, patience=1)
    optimiser = OptimiserConfig(name="sgd", learning_rate=1e-9, average_decay=0.0)
    run = train(replace(settings, optimiser=optimiser), tmp_path)
    assert len(run.losses) == 2


def test_training_into_the_same_folder_again_leaves_a_sound_model(tmp_path):
    settings = sample_settings(tmp_path, epochs=1)
    train(settings, tmp_path)
    train(replace(settings, seed=2), tmp_path)
    assert Tagger.load(settings.output, precision="int8").tag("Lisbon").text
    gru = replace(settings, network=replace(settings.network, cell="gru"))
    train(gru, tmp_path)
    assert Tagger.load(settings.output).tag("Lisbon").text


# The command


def config_file(folder: Path, **changes: str) -> Path:
    lines = {
        "name": '"sample"',
        "output": f'"{(folder / "model").as_posix()}"',
        "epochs": "1",
        "data.path": f'"{SAMPLE.as_posix()}"',
        "network.vectors": "false",
        "network.characters": '"none"',
        "network.word_width": "8",
        "network.hidden_width": "8",
        "optimiser.average_decay": "0.0",
        **changes,
    }
    file = folder / "config.toml"
    file.write_text("".join(f"{key} = {value}\n" for key, value in lines.items()), "utf-8")
    return file


def test_command_trains_and_overrides_reach_the_run(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO")
    arguments = ["--config", str(config_file(tmp_path)), "--set", "network.hidden_width=5"]
    assert main([*arguments, "--set", "labels_unused=1"]) == 2
    assert main([*arguments, "--set", "name=other", "--set", "seed=3"]) == 0
    artifact = load_artifact(tmp_path / "model")
    assert artifact.config.name == "other"
    assert artifact.config.network.hidden_width == 5
    assert (tmp_path / "runs" / "other-seed3" / "last.ckpt").is_file()
    assert any("written in" in record.message for record in caplog.records)
    assert main([*arguments, "--set", "name=other", "--set", "seed=3", "--resume"]) == 0


@pytest.mark.parametrize(
    ("overrides", "status", "said"),
    [
        (["optimiser.learning_rate=0"], 2, "optimiser.learning_rate"),
        (["network.cell=transformer"], 2, "network.cell"),
        (["epochs"], 2, "expected key=value"),
        (["window_overlap=100"], 2, "window_overlap"),
        (["data.path=nowhere"], 1, "nowhere"),
        (["network.one_hot=false", "network.shape=false"], 2, "at least one of"),
        (["optimiser.learning_rate=1e30", "epochs=3"], 1, "expected a finite loss"),
    ],
)
def test_command_tells_failures_in_one_line(tmp_path, monkeypatch, capsys, overrides, status, said):
    monkeypatch.chdir(tmp_path)
    arguments = ["--config", str(config_file(tmp_path))]
    for override in overrides:
        arguments += ["--set", override]
    assert main(arguments) == status
    (line,) = [line for line in capsys.readouterr().err.splitlines() if said in line]
    assert "Traceback" not in line


def test_missing_configuration_is_told(tmp_path, capsys):
    assert main(["--config", str(tmp_path / "no.toml")]) == 2
    assert "no.toml: expected a TOML file, found none" in capsys.readouterr().err


def test_wrong_usage_ends_with_status_two():
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2


def test_split_that_is_missing_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "train.txt").write_bytes((SAMPLE / "train.txt").read_bytes())
    assert main(["--config", str(config_file(tmp_path)), "--set", f"data.path={folder}"]) == 2
    assert "expected a validation split" in capsys.readouterr().err


def test_corpus_without_document_marks_is_told_in_the_log(tmp_path, caplog):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ("train.txt", "dev.txt"):
        lines = (SAMPLE / name).read_text("utf-8").splitlines()
        kept = [line for line in lines if not line.startswith("-DOCSTART-")]
        (folder / name).write_text("\n".join(kept) + "\n", "utf-8")
    settings = sample_settings(tmp_path)
    materials_of(replace(settings, data=replace(settings.data, path=str(folder))))
    assert any("marks no documents" in record.message for record in caplog.records)


def test_vectors_are_left_out_where_there_are_none(tmp_path):
    settings = sample_settings(tmp_path, vectors=())
    assert settings.network == replace(
        NetworkConfig(),
        **{name: getattr(settings.network, name) for name in settings.network.__slots__},
    )
    materials = materials_of(settings)
    assert materials.config.network.vectors is False
    assert materials.config.vector_tables == ()
