"""Nearest neighbours among unit vectors: exact while they are few, by a graph when they are many.

The graph is HNSW (Malkov and Yashunin 2018) by usearch, over a random projection of the vectors
(Johnson and Lindenstrauss 1984): what it finds is put into order by the whole vectors. Without
usearch the search stays exact, and takes time in proportion to what is stored.
"""

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT_UP_TO = 4096
"""So many vectors are compared one by one: quicker than a graph, and nothing is missed."""
PROJECTED_WIDTH = 96
_OVERSAMPLE = 2
_SEARCHED = 32
_GROWTH = 1024

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class VectorIndex:
    """Unit vectors by number, 0 and up; removed ones keep their number and are never found."""

    def __init__(self, width: int, *, exact_up_to: int = EXACT_UP_TO) -> None:
        """Start empty, for vectors of that width."""
        self._vectors = np.zeros((0, width), dtype=np.float32)
        projected = min(width, PROJECTED_WIDTH)
        # One seed for good: the same vectors are found by every process.
        generator = np.random.default_rng(0)
        directions = np.linalg.qr(generator.normal(size=(width, projected)))[0]
        self._projection: Floats = directions.astype(np.float32)
        self._projected = np.zeros((0, projected), dtype=np.float32)
        self._alive = np.zeros(0, dtype=bool)
        self._exact_up_to = exact_up_to
        self._graph: Any = None
        self.count = 0

    @property
    def vectors(self) -> Floats:
        """(N, width), removed ones included."""
        return self._vectors[: self.count]

    def __len__(self) -> int:
        """How many can be found."""
        return int(self._alive[: self.count].sum())

    def add(self, vectors: Floats) -> Ints:
        """Add vectors (N, width); gives their numbers."""
        first, self.count = self.count, self.count + len(vectors)
        if self.count > len(self._vectors):
            room = max(_GROWTH, 2 * self.count) - len(self._vectors)
            self._vectors = np.pad(self._vectors, ((0, room), (0, 0)))
            self._projected = np.pad(self._projected, ((0, room), (0, 0)))
            self._alive = np.pad(self._alive, (0, room))
        numbers = np.arange(first, self.count)
        self._vectors[numbers] = vectors
        self._projected[numbers] = self.projected(vectors)
        self._alive[numbers] = True
        if self._graph is not None:
            self._graph.add(numbers, self._projected[numbers], threads=1)
        elif len(self) > self._exact_up_to and find_spec("usearch") is not None:
            self._make_graph()
        return numbers

    def remove(self, numbers: Ints) -> None:
        """Let vectors be found no more."""
        self._alive[numbers] = False
        if self._graph is not None:
            self._graph.remove(numbers)

    def projected(self, vectors: Floats) -> Floats:
        """Vectors (N, width) of any length as vectors of length 1 in fewer dimensions."""
        result: Floats = vectors @ self._projection
        result /= np.maximum(np.linalg.norm(result, axis=1, keepdims=True), np.float32(1e-12))
        return result

    def near_cosines(self, numbers: Ints, queries: Floats, rows: Ints) -> Floats:
        """About the cosine of each of N vectors and of the query in its row.

        Args:
            numbers: (N,) of the vectors.
            queries: (Q, projected width).
            rows: (N,) the query for each.
        """
        cosines: Floats = np.einsum("nd,nd->n", self._projected[numbers], queries[rows])
        return cosines

    def search(self, queries: Floats, count: int) -> tuple[Ints, Floats]:
        """The nearest to each of Q unit vectors: numbers and cosines (Q, count), best first.

        Where there are fewer, the number is -1 and the cosine -1.
        """
        count = min(count, max(1, self.count))
        if self._graph is None:
            numbers = np.flatnonzero(self._alive[: self.count])
            cosines = queries @ self._vectors[numbers].T
            numbers = np.broadcast_to(numbers, cosines.shape)
        else:
            numbers = self._graph_search(queries, count * _OVERSAMPLE)
            cosines = np.einsum("qkd,qd->qk", self._vectors[numbers], queries)
            cosines[numbers < 0] = -1.0
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(numbers, order, 1), np.take_along_axis(cosines, order, 1)

    def _graph_search(self, queries: Floats, count: int) -> Ints:
        found = self._graph.search(self.projected(queries), count, threads=1)
        keys = np.asarray(found.keys).reshape(len(queries), -1)
        counts = np.atleast_1d(np.asarray(getattr(found, "counts", len(found))))
        real = np.arange(keys.shape[1]) < counts[:, None]
        numbers: Ints = np.where(real, keys, 0).astype(np.int64)
        numbers[~real] = -1
        return numbers

    def _make_graph(self) -> None:
        from usearch.index import Index

        self._graph = Index(ndim=self._projected.shape[1], metric="cos", dtype="f16")
        # Neighbours beyond those asked for are seen on the way: twice as many take twice as long.
        self._graph.expansion_search = _SEARCHED
        numbers = np.flatnonzero(self._alive[: self.count])
        self._graph.add(numbers, self._projected[numbers], threads=1)
