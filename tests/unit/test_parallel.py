import logging

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.utilities import rank_zero_only

from ner_service.errors import ConfigError
from tests.training_runs import materials_of, sample_settings
from training import parallel
from training.batches import Augmentation, Epoch, TrainingBatches
from training.parallel import WHOLE, Machines, Part, gathered, logging_level, part_of
from training.train import main, make_module


@given(st.lists(st.integers()), st.integers(1, 5))
def test_parts_hold_everything_once(items, of):
    parts = [Part(rank, of).take(items) for rank in range(of)]
    assert sorted(item for part in parts for item in part) == sorted(items)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.fixture(scope="module")
def materials(tmp_path_factory):
    settings = sample_settings(
        tmp_path_factory.mktemp("sample"), word_dropout=0.0, row_dropout=0.0, state_dropout=0.0
    )
    return settings, materials_of(settings)


def batches_of(materials, part: Part, *, size: int, **chances: float) -> TrainingBatches:
    _, known = materials
    epoch = Epoch(
        types=known.types,
        batch_windows=size,
        seed=1,
        number=0,
        augmentation=Augmentation(**chances),
        part=part,
    )
    return TrainingBatches(known.train, epoch)


def windows_in(batches: TrainingBatches, index: int) -> list[tuple[int, ...]]:
    batch = batches[index]
    words = batch.words.one_hot_ids[batch.positions]
    return [tuple(row[real].tolist()) for row, real in zip(words, batch.mask, strict=True)]


@pytest.mark.parametrize(("size", "of"), [(3, 2), (4, 2), (5, 5)])
def test_processes_share_the_windows_of_a_batch(materials, size, of):
    whole = batches_of(materials, WHOLE, size=size)
    parts = [batches_of(materials, Part(rank, of), size=size) for rank in range(of)]
    assert {len(part) for part in parts} <= {len(whole), len(whole) - 1}
    for index in range(len(parts[0])):
        shared = [window for part in parts for window in windows_in(part, index)]
        assert sorted(shared) == sorted(windows_in(whole, index))


def test_a_last_batch_too_small_for_all_is_left_out(materials):
    _, known = materials
    size = len(known.train) - 1
    assert len(batches_of(materials, WHOLE, size=size)) == 2
    assert len(batches_of(materials, Part(0, 2), size=size)) == 1


@pytest.mark.parametrize(("size", "of"), [(3, 2), (4, 4)])
def test_mean_gradient_of_the_processes_is_that_of_the_batch(materials, monkeypatch, size, of):
    settings, known = materials
    module = make_module(settings, known).eval()
    monkeypatch.setattr(module, "log", lambda *_, **__: None)

    def gradients(part: Part) -> torch.Tensor:
        module.zero_grad()
        module.training_step(batches_of(materials, part, size=size)[0], 0).backward()
        return torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])

    whole = gradients(WHOLE)
    mean = sum(gradients(Part(rank, of)) for rank in range(of)) / of
    torch.testing.assert_close(mean, whole, rtol=1e-4, atol=1e-5)


def test_processes_do_not_wait_for_each_other_to_log_a_step(materials, monkeypatch):
    settings, known = materials
    module = make_module(settings, known)
    logged = {}
    monkeypatch.setattr(module, "log", lambda name, _, **how: logged.update({name: how}))
    module.training_step(batches_of(materials, WHOLE, size=3)[0], 0)
    assert list(logged) == ["train_loss_step", "train_loss_epoch"]
    assert not logged["train_loss_step"].get("sync_dist", False)
    assert not logged["train_loss_step"]["on_epoch"]
    assert not logged["train_loss_epoch"]["on_step"]
    assert logged["train_loss_epoch"]["sync_dist"]


def test_processes_forget_words_of_their_own_but_recase_alike(materials):
    chances = {"lower": 0.4, "upper": 0.3, "word_dropout": 0.5}
    parts = [batches_of(materials, Part(rank, 2), size=4, **chances) for rank in (0, 1)]
    again = batches_of(materials, Part(1, 2), size=4, **chances)
    np.testing.assert_array_equal(parts[1][0].vector_rows, again[0].vector_rows)
    whole = batches_of(materials, WHOLE, size=4, **{**chances, "word_dropout": 0.0})
    shapes = {tuple(row) for row in whole[0].words.characters.numpy()}
    for part in parts:
        assert {tuple(row) for row in part[0].words.characters.numpy()} <= shapes


def test_one_process_has_all():
    assert part_of(None) is WHOLE
    assert gathered([1, 2]) == [1, 2]


def test_what_all_processes_found_is_gathered(monkeypatch):
    def gather(parts: list[list[int]], items: list[int]) -> None:
        parts[:] = [items, [3]]

    monkeypatch.setattr(parallel.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(parallel.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(parallel.distributed, "all_gather_object", gather)
    assert gathered([1, 2]) == [1, 2, 3]


@pytest.mark.parametrize(("rank", "level"), [(None, logging.INFO), (0, logging.INFO), (1, 30)])
def test_one_process_tells(monkeypatch, rank, level):
    monkeypatch.setattr(rank_zero_only, "rank", rank)
    assert logging_level() == level


@pytest.mark.parametrize(
    ("machines", "said"),
    [
        (Machines(devices=0), "--devices: expected at least 1, got 0"),
        (Machines(nodes=-1), "--num-nodes: expected at least 1, got -1"),
        (Machines(devices=2, nodes=2), "expected a window for each of 4 processes"),
    ],
)
def test_what_cannot_work_is_refused(machines, said):
    with pytest.raises(ConfigError, match=said):
        machines.check(3)


def test_missing_devices_are_told(monkeypatch):
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    def refuse(**_: object) -> None:
        raise MisconfigurationException("asked for 8, there is 1")

    monkeypatch.setattr(parallel.lightning, "Trainer", refuse)
    with pytest.raises(ConfigError, match="--devices: asked for 8"):
        Machines().trainer()


def test_command_refuses_more_processes_than_windows_and_reads_nothing(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text(
        'name = "a"\noutput = "model"\nbatch_windows = 2\n[data]\npath = "nowhere"\n'
        "[network]\nvectors = false\n",
        "utf-8",
    )
    assert main(["--config", "c.toml", "--devices", "3"]) == 2
    assert "expected a window for each of 3 processes" in capsys.readouterr().err
