"""Training in two processes: `--devices` on one machine, `--num-nodes` as if on two."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ner_service.artifact import load_artifact
from ner_service.tagger import Tagger
from tests.server import free_port
from tests.training_runs import SAMPLE

ROOT = Path(__file__).parents[2]
EPOCHS = 12
CONFIG = f"""
name = "pair"
output = "model"
epochs = {EPOCHS}
batch_windows = 4
window_tokens = 30
window_overlap = 8
forget_word = 0.0
forget_one_hot = 0.0
word_dropout = {{dropout}}
row_dropout = {{dropout}}
state_dropout = {{dropout}}

[data]
path = "{SAMPLE.as_posix()}"

[network]
vectors = false
characters = "none"
one_hot_width = 16
word_width = 24
hidden_width = 16

[optimiser]
name = "adam"
learning_rate = 0.02
average_decay = 0.8
"""


def start_training(folder: Path, *options: str, **environment: str) -> "subprocess.Popen[str]":
    """The command as a process, in a folder of its own."""
    command = [sys.executable, "-m", "training.train", "--config", "config.toml", *options]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> str:
    """What the command has said."""
    try:
        said, _ = process.communicate(timeout=900)  # a busy machine is slow
    finally:
        process.kill()
    assert process.returncode == 0, said
    return said


def write_config(folder: Path, *, dropout: float = 0.0) -> Path:
    folder.mkdir()
    (folder / "config.toml").write_text(CONFIG.format(dropout=dropout), "utf-8")
    return folder


def curve(folder: Path, name: str) -> list[float]:
    """What a run has logged, epoch by epoch."""
    events = EventAccumulator(str(folder / "runs" / "pair-seed1")).Reload()
    return [event.value for event in events.Scalars(name)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """One process and two, without dropout, and what the two have said."""
    folder = tmp_path_factory.mktemp("runs")
    one, two = (write_config(folder / name) for name in ("one", "two"))
    finish(start_training(one))
    return one, two, finish(start_training(two, "--devices", "2"))


def test_two_processes_take_the_steps_of_one(runs):
    """Without dropout the averaged gradients of the halves are those of the whole batch."""
    one, two, _ = runs
    losses, others = (curve(folder, "train_loss_epoch") for folder in (one, two))
    assert len(losses) == len(others) == EPOCHS
    # Sums in another order; rounding grows with the steps.
    assert others[:3] == pytest.approx(losses[:3], rel=1e-3)
    norms, other_norms = (curve(folder, "gradient_norm_epoch") for folder in (one, two))
    assert other_norms[:3] == pytest.approx(norms[:3], rel=1e-2)


def test_two_processes_reach_the_score_of_one(runs):
    one, two, _ = runs
    scores = [max(curve(folder, "dev_f1")) for folder in (one, two)]
    assert scores[1] == pytest.approx(scores[0], abs=0.05)
    weights = [load_artifact(folder / "model").weights for folder in (one, two)]
    for name, tensor in weights[0].items():
        assert np.abs(weights[1][name] - tensor).max() < 0.05, name


def test_only_one_process_writes_and_tells(runs):
    _, two, said = runs
    assert Tagger.load(two / "model").tag("Lisbon").text == "Lisbon"
    assert json.loads((two / "model" / "metrics.json").read_text("utf-8"))
    folder = two / "runs" / "pair-seed1"
    assert sorted(path.name for path in folder.glob("*.ckpt")) == ["best.ckpt", "last.ckpt"]
    assert len(list(folder.glob("events.*"))) == 1
    assert len(re.findall("training windows", said)) == 1
    assert len(re.findall("written in", said)) == 1
    last = torch.load(folder / "last.ckpt", weights_only=True)
    assert last["averaging_state"]["n_averaged"] > 0


def test_two_machines_with_dropout_learn_as_well(tmp_path):
    folder = write_config(tmp_path / "nodes", dropout=0.2)
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    options = ("--num-nodes", "2", "--set", "epochs=4")
    nodes = [start_training(folder, *options, NODE_RANK=str(n), **address) for n in (0, 1)]
    try:
        for node in nodes:
            finish(node)
    finally:
        for node in nodes:
            node.kill()
    losses = curve(folder, "train_loss_epoch")
    assert losses[-1] < losses[0] / 1.5
    assert Tagger.load(folder / "model").tag("Lisbon").text == "Lisbon"


def test_a_run_of_two_processes_goes_on_where_it_stopped(runs):
    _, two, _ = runs
    before = (two / "runs" / "pair-seed1" / "last.ckpt").stat().st_mtime_ns
    finish(start_training(two, "--devices", "2", "--resume", "--set", f"epochs={EPOCHS + 1}"))
    assert (two / "runs" / "pair-seed1" / "last.ckpt").stat().st_mtime_ns > before
    last = torch.load(two / "runs" / "pair-seed1" / "last.ckpt", weights_only=True)
    assert last["epoch"] == EPOCHS
