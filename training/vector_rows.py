"""The rows of a vector table that a corpus uses, as parameters."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class TrainedVectors(nn.Module):
    """Vectors of the rows that occur, trainable or not; every other row of the table stays away.

    A table of 300,000 rows would cost the optimiser a pass over all of them at every step.
    """

    places: Tensor

    def __init__(
        self, vectors: NDArray[np.floating], rows: NDArray[np.int64], *, trainable: bool
    ) -> None:
        """Keep `vectors[rows]`; `rows` are of the whole table, -1 is left out."""
        super().__init__()
        self.rows = np.unique(rows[rows >= 0])
        kept = torch.from_numpy(vectors[self.rows].astype(np.float32))
        unknown = torch.zeros(1, vectors.shape[1])
        table = torch.cat([unknown, kept])
        self.table = nn.Embedding(len(table), table.shape[1], padding_idx=0, _weight=table)
        self.table.weight.requires_grad_(trainable)
        places = torch.zeros(len(vectors) + 1, dtype=torch.int64)  # the last is for row -1
        places[torch.from_numpy(self.rows)] = torch.arange(1, len(self.rows) + 1)
        self.register_buffer("places", places, persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (N,) of the whole table, -1 for none, to vectors (N, D)."""
        vectors: Tensor = self.table(self.places[rows])
        return vectors

    def trained(self) -> NDArray[np.float32]:
        """The vectors of `self.rows`, (R, D)."""
        array: NDArray[np.float32] = self.table.weight.detach().cpu().numpy()[1:]
        return array
