import numpy as np
import pytest

from ner_service.memory import vectors as vectors_module
from ner_service.memory.electorate import unit
from ner_service.memory.vectors import VectorIndex


def random_units(count: int, width: int, seed: int = 1) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32))


def nearest(vectors: np.ndarray, queries: np.ndarray, count: int) -> list[list[int]]:
    return np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :count].tolist()


def test_exact_search_finds_the_nearest() -> None:
    vectors, queries = random_units(300, 12), random_units(20, 12, seed=2)
    index = VectorIndex(12)
    numbers = np.concatenate([index.add(vectors[:200]), index.add(vectors[200:])])
    assert numbers.tolist() == list(range(300))
    found, cosines = index.search(queries, 5)
    assert found.tolist() == nearest(vectors, queries, 5)
    np.testing.assert_allclose(cosines[:, 0], (queries @ vectors.T).max(axis=1), rtol=1e-5)


@pytest.mark.parametrize("exact_up_to", [1000, 10])
def test_removed_vectors_are_not_found(exact_up_to: int) -> None:
    vectors = random_units(60, 8)
    index = VectorIndex(8, exact_up_to=exact_up_to)
    index.add(vectors)
    index.remove(np.arange(50))
    assert len(index) == 10
    found, _ = index.search(vectors[:5], 3)
    assert (found >= 50).all()


def test_graph_search_finds_itself_and_most_of_the_nearest() -> None:
    vectors = random_units(3000, 32)
    index = VectorIndex(32, exact_up_to=1000)
    index.add(vectors[:2000])
    index.add(vectors[2000:])
    assert index._graph is not None
    found, cosines = index.search(vectors[::100], 8)
    assert found[:, 0].tolist() == list(range(0, 3000, 100))
    np.testing.assert_allclose(cosines[:, 0], 1.0, atol=1e-5)
    exact = nearest(vectors, vectors[::100], 8)
    shared = [len({*a} & {*b}) for a, b in zip(found.tolist(), exact, strict=True)]
    assert np.mean(shared) > 6


def test_graph_that_holds_fewer_than_asked_says_so() -> None:
    index = VectorIndex(8, exact_up_to=2)
    index.add(random_units(6, 8))
    index.remove(np.array([0, 1, 2, 3]))
    found, cosines = index.search(random_units(2, 8, seed=3), 5)
    assert (found[:, 2:] == -1).all()
    assert (cosines[:, 2:] == -1).all()
    assert {*found[:, :2].ravel().tolist()} == {4, 5}


def test_search_stays_exact_where_usearch_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors_module, "find_spec", lambda _: None)
    index = VectorIndex(8, exact_up_to=2)
    index.add(random_units(6, 8))
    assert index._graph is None
    assert index.search(random_units(6, 8), 1)[0].ravel().tolist() == list(range(6))
