"""Learning curves out of a run's TensorBoard log."""

import math
from dataclasses import dataclass
from pathlib import Path

from ner_service.errors import CorpusError

_NAMES = {
    "dev_f1": "dev_f1",
    "train_loss": "train_loss_epoch",
    "gradient_norm": "gradient_norm_epoch",
}


@dataclass(frozen=True, slots=True)
class Curves:
    """What was logged once an epoch, from the first epoch on; NaN where nothing was.

    Attributes:
        dev_f1: entity-level F1 on the development set.
        train_loss: mean loss of the epoch's steps.
        gradient_norm: mean norm of the gradient before clipping.
        seconds: from the first entry of the run to the last.
    """

    dev_f1: tuple[float, ...]
    train_loss: tuple[float, ...]
    gradient_norm: tuple[float, ...]
    seconds: float

    @property
    def best_epoch(self) -> int:
        """The epoch with the best development F1, counted from 1; 0 if there is none."""
        known = [(f1, -epoch) for epoch, f1 in enumerate(self.dev_f1, start=1) if f1 == f1]
        return -max(known)[1] if known else 0


def read_curves(folder: Path) -> Curves:
    """Read a run's curves.

    A folder may hold the logs of several runs, and of one that was broken off and resumed: what was
    written later replaces what it overlaps.

    Raises:
        CorpusError: there is no log.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    files = sorted(folder.glob("events.out.tfevents.*"))
    if not files:
        raise CorpusError(f"{folder}: expected a TensorBoard log, found none")
    by_step: dict[int, dict[str, float]] = {}
    times: list[float] = []
    logs = [EventAccumulator(str(file)).Reload() for file in files]
    for log in sorted(logs, key=lambda log: log.FirstEventTimestamp()):
        present = log.Tags()["scalars"]
        events = {name: log.Scalars(tag) for name, tag in _NAMES.items() if tag in present}
        steps = [event.step for entries in events.values() for event in entries]
        if not steps:
            continue
        by_step = {step: row for step, row in by_step.items() if step < min(steps)}
        for name, entries in events.items():
            for event in entries:
                by_step.setdefault(event.step, {})[name] = float(event.value)
        stamps = [event.wall_time for tag in present for event in log.Scalars(tag)]
        times.append(max(stamps) - min(stamps))
    rows = [by_step[step] for step in sorted(by_step)]
    columns = {name: tuple(row.get(name, math.nan) for row in rows) for name in _NAMES}
    return Curves(**columns, seconds=sum(times))
