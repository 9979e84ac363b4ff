"""Training in several processes, on one machine or many: Lightning and DDP, each batch split.

DDP (Li et al. 2020, "PyTorch Distributed: Experiences on Accelerating Data Parallel Training")
keeps a copy of the model in every process and averages their gradients at each step.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities import rank_zero_only
from torch import distributed

from ner_service.errors import ConfigError

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Part:
    """The share of one process.

    Attributes:
        rank: of the process, from 0.
        of: how many there are.
    """

    rank: int
    of: int

    def take(self, items: Sequence[Item]) -> Sequence[Item]:
        """Every `of`-th item; nothing is in two parts, and nothing in none."""
        return items[self.rank :: self.of]


WHOLE = Part(rank=0, of=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """What trains.

    Attributes:
        devices: processes a machine, each with a GPU of its own where there are any.
        nodes: machines.
    """

    devices: int = 1
    nodes: int = 1

    def check(self, batch_windows: int) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: a number below 1, or more processes than windows in a batch.
        """
        for name, number in (("--devices", self.devices), ("--num-nodes", self.nodes)):
            if number < 1:
                raise ConfigError(f"{name}: expected at least 1, got {number}")
        if self.devices * self.nodes > batch_windows:
            raise ConfigError(
                f"batch_windows: expected a window for each of {self.devices * self.nodes} "
                f"processes at least, got {batch_windows}"
            )

    def trainer(self, **settings: Any) -> lightning.Trainer:
        """Make the trainer.

        Raises:
            ConfigError: the machine has fewer devices than asked for.
        """
        alone = self.devices * self.nodes == 1
        try:
            return lightning.Trainer(
                accelerator="auto",
                devices=self.devices,
                num_nodes=self.nodes,
                # All buffers are constants, some of them large: sending them around at each step
                # would cost more than the gradients.
                strategy="auto" if alone else DDPStrategy(broadcast_buffers=False),
                use_distributed_sampler=False,  # it repeats batches until all have equally many
                **settings,
            )
        except MisconfigurationException as error:
            raise ConfigError(f"--devices: {error}") from None


ONE_PROCESS = Machines()


def part_of(trainer: lightning.Trainer | None) -> Part:
    """The share of this process."""
    return WHOLE if trainer is None else Part(trainer.global_rank, trainer.world_size)


def gathered(items: list[Item]) -> list[Item]:
    """What all processes hold, in each of them."""
    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return items
    parts: list[list[Item]] = [[] for _ in range(distributed.get_world_size())]
    distributed.all_gather_object(parts, items)
    return [item for part in parts for item in part]


def logging_level() -> int:
    """One process tells how far the run has come; the others tell only what is wrong."""
    return logging.WARNING if getattr(rank_zero_only, "rank", 0) else logging.INFO
