"""Small training runs on the sample of tests/data, for fixtures and for runs of a test's own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from ner_service.artifact import NetworkConfig
from training.config import OptimiserConfig, TrainConfig, VectorsConfig
from training.corpus import DataConfig, load_corpus
from training.data import make_batch
from training.module import TaggerModule
from training.train import Materials, fit, prepare, write_artifact

SAMPLE = Path(__file__).parent / "data" / "conll"
_VECTOR_WORDS = (
    "lisbon",
    "spain",
    "portugal",
    "costa",
    "bank",
    "in",
    "the",
    ".",
    "Friday",
    "0-0",
    "zebra",
)


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A finished run.

    Attributes:
        settings: of the run.
        materials: what it learnt from.
        module: with its best weights.
        folder: of its checkpoints.
        model: the artifact.
        losses: by epoch, of the training set as it is seen in training.
    """

    settings: TrainConfig
    materials: Materials
    module: TaggerModule
    folder: Path
    model: Path
    losses: list[float]


class LossCurve(Callback):
    """Keeps the mean training loss of each epoch."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        del pl_module
        self.losses.append(float(trainer.callback_metrics["train_loss_epoch"]))


def sample_settings(folder: Path, **changes) -> TrainConfig:
    """A run of seconds over all parts of the network, vectors among them."""
    vectors = folder / "vectors"
    if not vectors.is_dir():
        vectors.mkdir(parents=True)
        (vectors / "words.txt").write_text("\n".join(_VECTOR_WORDS) + "\n", encoding="utf-8")
        generator = np.random.default_rng(3)
        np.save(vectors / "vectors.npy", generator.normal(size=(len(_VECTOR_WORDS), 5)))
    settings = TrainConfig(
        name="sample",
        output=str(folder / "model"),
        data=DataConfig(path=str(SAMPLE)),
        vectors=(VectorsConfig(name="glove", path=str(vectors), trainable=True),),
        network=NetworkConfig(
            one_hot_width=8,
            character_width=6,
            character_filters=8,
            shape_width=4,
            word_width=24,
            hidden_width=16,
        ),
        optimiser=OptimiserConfig(name="adam", learning_rate=0.02, average_decay=0.8),
        epochs=4,
        batch_windows=2,
        window_tokens=30,
        window_overlap=8,
        word_dropout=0.1,
        row_dropout=0.2,
        state_dropout=0.2,
        lower=0.1,
        upper=0.1,
        title=0.1,
    )
    return replace(settings, **changes)


def materials_of(settings: TrainConfig) -> Materials:
    return prepare(settings, load_corpus(settings.data))


def train(settings: TrainConfig, folder: Path, *, resume: bool = False) -> TrainedRun:
    """Train, and write the artifact."""
    curve = LossCurve()
    materials = materials_of(settings)
    module, _ = fit(settings, materials, resume=resume, folder=folder / "run", observers=[curve])
    write_artifact(module, materials, Path(settings.output))
    return TrainedRun(
        settings, materials, module, folder / "run", Path(settings.output), curve.losses
    )


def loss_of(module: TaggerModule, materials: Materials) -> float:
    """Mean loss a training window, nothing dropped."""
    batch = make_batch(materials.train, materials.types)
    module.eval()
    with torch.no_grad(), patch.object(module, "log"):
        return module.training_step(batch, 0).item()


def same_weights(one: TaggerModule, other: TaggerModule) -> bool:
    states: Sequence[dict[str, torch.Tensor]] = (one.state_dict(), other.state_dict())
    return all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
