"""The Lightning module: loss, optimiser, schedule and development F1."""

import math
from collections.abc import Sequence
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.optimizer import ParamsT

from ner_service.artifact.config import ArtifactConfig
from ner_service.artifact.vocabulary import Vocabulary
from ner_service.inference.decoding import DecodingWeights, viterbi
from ner_service.network import TaggerNetwork, WordInputs
from ner_service.network.crf import force_boundaries
from ner_service.tags import spans_from_tags
from training.config import OptimiserConfig, TrainConfig
from training.data import Batch
from training.losses import window_losses
from training.metrics import score_spans
from training.parallel import gathered
from training.vector_rows import TrainedVectors


class TaggerModule(lightning.LightningModule):
    """Trains a `TaggerNetwork` and the vectors that are trainable."""

    def __init__(
        self,
        settings: TrainConfig,
        config: ArtifactConfig,
        vocabulary: Vocabulary,
        vectors: Sequence[TrainedVectors],
    ) -> None:
        """Fresh weights; vectors come one set a table."""
        super().__init__()
        self.settings = settings
        self.config = config
        self.network = TaggerNetwork(
            config,
            vocabulary,
            word_dropout=settings.word_dropout,
            row_dropout=settings.row_dropout,
            state_dropout=settings.state_dropout,
        )
        self.vectors = nn.ModuleList(vectors)
        self._found: list[tuple[list[str], list[str]]] = []

    def forward(self, batch: Batch) -> Tensor:
        """A batch to emissions (B, T, K)."""
        emissions: Tensor = self.network(self.words_of(batch), batch.positions, batch.mask)
        return emissions

    def words_of(self, batch: Batch) -> WordInputs:
        """A batch's N words with their vectors."""
        parts = [table(batch.vector_rows[:, i]) for i, table in enumerate(self.vectors)]
        vectors = torch.cat(parts, dim=1) if parts else batch.words.vectors
        return batch.words._replace(vectors=vectors)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Make dropout a function of seed, epoch, batch and process: a resumed run drops the same.

        Process 0 drops what a process that trains alone drops.
        """
        del batch
        key = np.random.SeedSequence(
            (self.settings.seed, self.current_epoch, batch_idx, self.global_rank)
        )
        torch.manual_seed(int(key.generate_state(1)[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Negative log-likelihood, or cross-entropy summed over time, mean over windows.

        Raises:
            FloatingPointError: the loss is not finite; names the step.
        """
        emissions = self(batch)
        output = self.config.network.output
        losses = window_losses(self.network.crf, emissions, batch, output=output)
        loss = losses.mean() * batch.weight
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"step {self.global_step} (batch {batch_idx}): expected a finite loss, "
                f"got {loss.item()}; try a smaller optimiser.learning_rate"
            )
        # Two entries: processes that train together would wait for each other to log a step.
        self.log("train_loss_step", loss, prog_bar=True, on_step=True, on_epoch=False)
        self.log(
            "train_loss_epoch",
            loss,
            prog_bar=True,
            on_step=False,
            on_epoch=True,
            batch_size=1,
            sync_dist=True,
        )
        return loss

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by norm, if asked to, and log the norm before."""
        del optimizer, gradient_clip_algorithm
        limit = math.inf if gradient_clip_val is None else gradient_clip_val
        norm = torch.nn.utils.clip_grad_norm_(self.parameters(), limit)
        self.log("gradient_norm", norm, on_step=True, on_epoch=True, batch_size=1)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep gold and predicted tags of every sentence."""
        del batch_idx
        emissions = self(batch)
        paths = decode_batch(self.network, emissions, batch)
        tags = self.config.tags
        gold_ids = batch.tag_ids.cpu().numpy()
        real = (batch.mask & ~batch.boundaries).cpu().numpy()
        for row in range(len(gold_ids)):
            gold = [tags[i] for i in gold_ids[row][real[row]]]
            predicted = [tags[i] for i in paths[row][real[row]]]
            self._found.append((gold, predicted))

    def on_validation_epoch_end(self) -> None:
        """Log the development F1, over what all processes have found."""
        scheme = self.config.scheme
        found = gathered(self._found)
        scores = score_spans(
            (spans_from_tags(gold, scheme) for gold, _ in found),
            (spans_from_tags(predicted, scheme) for _, predicted in found),
        )
        self._found.clear()
        self.log("dev_f1", scores.overall.f1, prog_bar=True, sync_dist=True)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The network's parameters, and the vectors with their own learning rate."""
        settings = self.settings.optimiser
        rate_of_vectors = settings.learning_rate * settings.vectors_rate
        return [
            {"params": list(self.network.parameters())},
            {"params": list(self.vectors.parameters()), "lr": rate_of_vectors},
        ]

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The configured optimiser; warm-up, then a cosine, by step."""
        settings = self.settings.optimiser
        optimiser = make_optimiser(self.parameter_groups(), settings)
        total = int(self.trainer.estimated_stepping_batches)
        rise = max(1, round(settings.warmup * total))

        def rate(step: int) -> float:
            if step < rise:
                return (step + 1) / rise
            progress = min(1.0, (step - rise) / max(1, total - rise))
            return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def make_optimiser(parameters: ParamsT, settings: OptimiserConfig) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, Adam or RMSprop, over parameters or groups of them."""
    common: dict[str, Any] = {
        "lr": settings.learning_rate,
        "weight_decay": settings.weight_decay,
    }
    if settings.name == "adam":
        return torch.optim.Adam(parameters, **common)
    if settings.name == "rmsprop":
        return torch.optim.RMSprop(parameters, momentum=settings.momentum, **common)
    nesterov = settings.momentum > 0
    # Fused: one pass over the large tables of words instead of five.
    return torch.optim.SGD(
        parameters, momentum=settings.momentum, nesterov=nesterov, fused=True, **common
    )


def decode_batch(network: TaggerNetwork, emissions: Tensor, batch: Batch) -> NDArray[Any]:
    """Best legal paths (B, T), by the decoder that serves."""
    weights = DecodingWeights(*(w.detach().cpu().numpy() for w in network.crf.legal_weights()))
    lengths = batch.mask.sum(dim=1)
    order = torch.argsort(lengths, descending=True, stable=True)
    forced = force_boundaries(emissions.detach(), batch.boundaries)
    scores = forced[order].transpose(0, 1).contiguous().cpu().numpy()
    paths = viterbi(scores, lengths[order].cpu().numpy(), weights).T
    restored = paths.copy()
    restored[order.cpu().numpy()] = paths
    return restored
