"""The rows of a vector table that a corpus uses, as parameters."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class TrainedVectors(nn.Module):
    """Vectors of the rows that occur, some of them trainable; the rest of the table stays away.

    A table of 300,000 rows would cost the optimiser a pass over all of them at every step.
    """

    places: Tensor
    fixed_places: Tensor
    fixed: Tensor

    def __init__(
        self,
        vectors: NDArray[np.floating],
        *,
        trainable: NDArray[np.int64],
        fixed: NDArray[np.int64],
    ) -> None:
        """Keep the named rows of `vectors` (R, D); -1 is left out, trainable goes first."""
        super().__init__()
        self.rows = np.unique(trainable[trainable >= 0])
        others = np.setdiff1d(fixed[fixed >= 0], self.rows)
        table = _with_unknown(vectors, self.rows)
        self.table = nn.Embedding(len(table), table.shape[1], padding_idx=0, _weight=table)
        self.register_buffer("fixed", _with_unknown(vectors, others), persistent=False)
        self.register_buffer("places", _places(len(vectors), self.rows), persistent=False)
        self.register_buffer("fixed_places", _places(len(vectors), others), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (N,) of the whole table, -1 for none, to vectors (N, D)."""
        vectors: Tensor = self.table(self.places[rows]) + self.fixed[self.fixed_places[rows]]
        return vectors

    def trained(self) -> NDArray[np.float32]:
        """The vectors of `self.rows`."""
        array: NDArray[np.float32] = self.table.weight.detach().cpu().numpy()[1:]
        return array


def _with_unknown(vectors: NDArray[np.floating], rows: NDArray[np.int64]) -> Tensor:
    """Zero for the unknown, then the rows."""
    kept = torch.from_numpy(vectors[rows].astype(np.float32))
    return torch.cat([torch.zeros(1, vectors.shape[1]), kept])


def _places(count: int, rows: NDArray[np.int64]) -> Tensor:
    """Place of each row of the whole table among the kept ones, 0 if not kept; the last is -1's."""
    places = torch.zeros(count + 1, dtype=torch.int64)
    places[torch.from_numpy(rows)] = torch.arange(1, len(rows) + 1)
    return places
