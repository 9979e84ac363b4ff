"""Keeps what happens in a run, step by step and epoch by epoch."""

import time
from typing import Any, Literal

import lightning
from lightning.pytorch.callbacks import Callback

Series = Literal["losses", "gradient_norms", "dev_f1", "seconds", "cpu_seconds"]


class Recorder(Callback):
    """An observer for `training.train.fit`; goes into checkpoints, so a resumed run has it all.

    Attributes:
        series: by step, the loss and the norm of the gradient before clipping; by epoch, the
            development F1 and how long the steps took, on the clock and of the processor.
    """

    def __init__(self) -> None:
        """Nothing happened yet."""
        self.series: dict[Series, list[float]] = {
            "losses": [],
            "gradient_norms": [],
            "dev_f1": [],
            "seconds": [],
            "cpu_seconds": [],
        }
        self._begun = (0.0, 0.0)

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Start the clocks."""
        del trainer, pl_module
        self._begun = (time.perf_counter(), time.process_time())

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: Any
    ) -> None:
        """Keep loss and gradient norm of the step."""
        del pl_module
        found = trainer.callback_metrics
        self.series["losses"].append(float(found["train_loss_step"]))
        self.series["gradient_norms"].append(float(found["gradient_norm_step"]))

    def on_validation_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Stop the clocks: the steps of the epoch are done."""
        del trainer, pl_module
        self.series["seconds"].append(time.perf_counter() - self._begun[0])
        self.series["cpu_seconds"].append(time.process_time() - self._begun[1])

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Keep the development F1."""
        del pl_module
        self.series["dev_f1"].append(float(trainer.callback_metrics["dev_f1"]))

    def state_dict(self) -> dict[str, Any]:
        """What was seen up to a checkpoint."""
        return {name: list(values) for name, values in self.series.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for name, values in self.series.items():
            values[:] = state_dict[name]
