"""Training, a few batches of it: tokens/s of the shipped model's configuration."""

import logging
import os
import time
from contextlib import suppress
from typing import Any

import lightning
import torch

from tests.benchmarks.bench import ROOT, Bench
from tests.benchmarks.timing import spread
from training.config import load_config
from training.corpus import load_corpus
from training.data import Batch
from training.train import fit, prepare

_CONFIG = ROOT / "training" / "configs" / "conll2003.toml"
_WARM_UP = 10


class _EnoughError(Exception):
    """Ends a training that has been measured."""


class _Clock(lightning.Callback):
    """Counts tokens and seconds of one round of batches after the other."""

    def __init__(self, *, batches: int, rounds: int, warm_up: int) -> None:
        self.speeds: list[float] = []
        self._batches = batches
        self._rounds = rounds
        self._left = warm_up
        self._tokens = 0
        self._begun = 0.0

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        del trainer, pl_module, outputs, batch_idx
        self._tokens += int(batch.mask.sum())
        self._left -= 1
        if self._left:
            return
        now = time.perf_counter()
        if self._begun:
            self.speeds.append(self._tokens / (now - self._begun))
        if len(self.speeds) == self._rounds:
            raise _EnoughError
        self._left, self._tokens, self._begun = self._batches, 0, now


def measure(bench: Bench) -> dict[str, Any]:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    settings = load_config(_CONFIG, [f'data.path="{bench.corpus}"'])
    materials = prepare(settings, load_corpus(settings.data))
    clock = _Clock(
        batches=bench.sizes.training_batches,
        rounds=bench.sizes.rounds,
        warm_up=2 if bench.quick else _WARM_UP,
    )
    with suppress(_EnoughError):
        fit(settings, materials, folder=bench.work / "training", observers=[clock])
    return {
        "configuration": _CONFIG.relative_to(ROOT).as_posix(),
        "threads": threads,
        "device": "GPU" if torch.cuda.is_available() else "CPU",
        "windows_a_batch": settings.batch_windows,
        "tokens_per_second": spread(clock.speeds),
    }
