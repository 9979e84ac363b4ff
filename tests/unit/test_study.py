import json
from dataclasses import replace
from pathlib import Path

import pytest

from ner_service.errors import ConfigError
from training import study_run
from training.recorder import Recorder
from training.study import leading_rows, main, run_study
from training.study_config import Row, digest_of, load_study, settings_of
from training.study_run import StudyRuns, first_documents

ROOT = Path(__file__).parents[2]
STUDY = """
base = "{root}/training/configs/smoke.toml"
set = ["data.path='{root}/tests/data/conll'"]
output = "{folder}/out"
runs = "{folder}/runs"
epochs = 2
seeds = [1, 2]
leading = 2
gradient_steps = 12

[[row]]
key = "release"
title = "LSTM"
factor = "release"

[[row]]
key = "rnn_tanh-1"
title = "RNN tanh, one direction"
set = ["network.cell=rnn_tanh", "network.bidirectional=false"]

[[row]]
key = "wild"
title = "a rate of 1e30"
factor = "optimiser"
set = ["optimiser.name=sgd", "optimiser.learning_rate=1e30"]

[histories]
documents = 2
epochs = 2

[[histories.run]]
key = "relu-free"
title = "relu, not clipped"
set = ["network.cell=rnn_relu", "optimiser.name=sgd", "optimiser.clip_norm=inf"]
"""


def write_study(folder: Path) -> Path:
    file = folder / "study.toml"
    file.write_text(STUDY.format(root=ROOT.as_posix(), folder=folder.as_posix()), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished study's folder."""
    folder = tmp_path_factory.mktemp("study")
    assert main(["--config", str(write_study(folder))]) == 0
    return folder


def results_of(folder: Path) -> dict:
    found = json.loads((folder / "out/results.json").read_text("utf-8"))
    return {row["key"]: row for row in found["rows"]}


def test_every_row_is_measured_with_its_seed(done):
    release = results_of(done)["release"]
    assert [run["seed"] for run in release["runs"]] == [1, 2]
    for run in release["runs"]:
        assert 0 <= run["validation"]["f1"] <= 1
        assert 0 <= run["test"]["f1"] <= 1
        assert run["parameters"] > 0
        assert run["tokens_per_second"] > 0
        assert len(run["dev_f1_by_epoch"]) == 2
    mean = sum(run["test"]["f1"] for run in release["runs"]) / 2
    assert release["mean"]["test"]["f1"] == pytest.approx(mean, abs=1e-6)


def test_development_f1_as_served_is_that_of_the_best_epoch(done):
    for row in results_of(done).values():
        for run in row["runs"]:
            if run["failed"] is None:
                best = max(run["dev_f1_by_epoch"])
                assert run["validation"]["f1"] == pytest.approx(best, abs=1e-5)


def test_diverged_row_is_told_not_dropped(done):
    (run,) = results_of(done)["wild"]["runs"]
    assert "expected a finite loss" in run["failed"]
    assert "| a rate of 1e30 | diverged |" in (done / "out/README.md").read_text("utf-8")


def test_gradients_are_followed_in_one_direction_and_step_by_step(done):
    found = json.loads((done / "out/gradients.json").read_text("utf-8"))
    assert list(found["by_distance"]) == ["rnn_tanh-1"]
    assert len(found["by_distance"]["rnn_tanh-1"]["trained"]["median"]) == 12
    (history,) = found["histories"]
    assert history["clip_norm"] is None
    assert len(history["gradient_norms"]) == len(history["losses"]) == 2


def test_page_shows_every_plot_and_the_budget(done):
    page = (done / "out/README.md").read_text("utf-8")
    plots = sorted(path.name for path in (done / "out").glob("*.png"))
    assert plots == [
        "curves.png",
        "f1.png",
        "gradient-distance.png",
        "gradient-history.png",
        "speed.png",
    ]
    assert all(f"]({name})" in page for name in plots)
    assert "2 epochs" in page
    assert "LSTM" in page


def test_finished_runs_are_not_done_again_and_leave_only_their_results(done, monkeypatch):
    def no_more(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(study_run, "fit", no_more)
    before = (done / "out/results.json").read_bytes()
    run_study(load_study(done / "study.toml"))
    assert (done / "out/results.json").read_bytes() == before
    assert all(path.suffix == ".json" for path in (done / "runs").iterdir())


def test_broken_run_goes_on_and_has_seen_every_epoch(tmp_path, monkeypatch):
    study = replace(load_study(write_study(tmp_path)), epochs=3)
    row = study.row[1]
    whole = StudyRuns(replace(study, runs=str(tmp_path / "whole"))).row(row, 1)

    class MachineGoneError(Exception):
        pass

    plain_start = Recorder.on_train_epoch_start

    def killed_start(recorder, trainer, module):
        if trainer.current_epoch == 2:
            raise MachineGoneError
        plain_start(recorder, trainer, module)

    runs = StudyRuns(study)
    monkeypatch.setattr(Recorder, "on_train_epoch_start", killed_start)
    with pytest.raises(MachineGoneError):
        runs.row(row, 1)
    monkeypatch.setattr(Recorder, "on_train_epoch_start", plain_start)
    resumed = runs.row(row, 1)
    for name in ("dev_f1_by_epoch", "steps", "gradient_norm_max", "validation", "test"):
        assert resumed[name] == whole[name]


def test_some_rows_can_be_done_alone(tmp_path):
    file = write_study(tmp_path)
    assert main(["--config", str(file), "--only", "rnn_tanh-1"]) == 0
    assert [path.name[:10] for path in (tmp_path / "runs").iterdir()] == ["rnn_tanh-1"]
    assert not (tmp_path / "out").exists()


def test_leading_rows_are_the_release_and_the_best():
    rows = [Row(key=key, title=key) for key in ("a", "b", "c", "d")]
    rows[3] = replace(rows[3], factor="release")
    scores = {"a": 0.5, "b": None, "c": 0.7, "d": 0.1}
    results = [
        {"row": key, "failed": None, "validation": {"f1": f1}}
        if f1 is not None
        else {"row": key, "failed": "step 3"}
        for key, f1 in scores.items()
    ]
    assert [row.key for row in leading_rows(rows, results, 3)] == ["d", "c", "a"]


def test_other_settings_are_other_runs(tmp_path):
    study = load_study(write_study(tmp_path))
    plain, tanh, _ = (settings_of(study, row, seed=1, epochs=2) for row in study.row)
    digests = [
        digest_of(plain, None),
        digest_of(plain, 10),
        digest_of(tanh, None),
        digest_of(replace(plain, epochs=3), None),
        digest_of(replace(plain, seed=2), None),
    ]
    assert len(set(digests)) == len(digests)


def test_vectors_that_no_input_reads_are_not_trained():
    study = load_study(ROOT / "training/configs/study.toml")
    one_hot = next(row for row in study.row if row.key == "one-hot")
    assert not settings_of(study, one_hot, seed=1, epochs=1).vectors


def test_published_study_covers_the_family(monkeypatch):
    monkeypatch.chdir(ROOT)
    study = load_study(Path("training/configs/study.toml"))
    found = [settings_of(study, row, seed=1, epochs=study.epochs) for row in study.row]
    networks = [settings.network for settings in found]
    cells = {(network.cell, network.bidirectional) for network in networks}
    names = ("rnn_tanh", "rnn_relu", "gru", "lstm")
    assert {(cell, two) for cell in names for two in (False, True)} <= cells
    assert "none" in {network.cell for network in networks}
    assert {network.output for network in networks} == {"crf", "softmax"}
    assert {network.characters for network in networks} == {"cnn", "bilstm", "none"}
    assert {settings.optimiser.name for settings in found} == {"sgd", "adam", "rmsprop"}
    assert {settings.epochs for settings in found} == {study.epochs}
    assert len(study.seeds) >= 3
    assert study.histories is not None
    for run in study.histories.run:
        settings_of(study, run, seed=1, epochs=1)


def test_first_documents_keep_whole_documents(tmp_path):
    runs = StudyRuns(load_study(write_study(tmp_path)))
    part = first_documents(runs.whole, train=2)
    assert set(part.splits["train"]["document_id"]) == {0, 1}
    assert len(part.splits["validation"]) == len(runs.whole.splits["validation"])
    assert len(runs.corpus.splits["train"]) == len(runs.whole.splits["train"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs=0", "epochs: Input should be greater"),
        ("colour=1", "colour: Unexpected keyword argument"),
        ("row.1.key=release", "row.key: expected each once, got release"),
        ("row.1.factor=release", "row: expected one row with the factor release, got 2"),
        ("row.1.factor=size", "row.1.factor: Input should be"),
        ('row.1.set=["data.streaming=true"]', "data.streaming: expected false in a study"),
    ],
)
def test_unacceptable_study_is_told_in_one_line(tmp_path, capsys, override, message):
    assert main(["--config", str(write_study(tmp_path)), "--set", override]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_unknown_row_and_unknown_setting_are_told_before_training(tmp_path, capsys):
    file = write_study(tmp_path)
    assert main(["--config", str(file), "--only", "nothing"]) == 2
    assert "--only: expected some of release, rnn_tanh-1, wild" in capsys.readouterr().err
    study = load_study(file)
    bad = replace(study, row=(*study.row, Row(key="x", title="x", set=("network.colour=1",))))
    with pytest.raises(ConfigError, match="network"):
        StudyRuns(bad)
    elsewhere = Row(key="x", title="x", set=("data.path=elsewhere",))
    with pytest.raises(ConfigError, match="same data for every row"):
        StudyRuns(replace(study, row=(*study.row, elsewhere)))


def test_missing_file_is_told(tmp_path, capsys):
    assert main(["--config", str(tmp_path / "nothing.toml")]) == 2
    assert "expected a TOML file, found none" in capsys.readouterr().err
