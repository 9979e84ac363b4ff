import numpy as np
import torch

from training.vector_rows import TrainedVectors

VECTORS = np.arange(24, dtype=np.float16).reshape(8, 3)


def test_named_rows_give_their_vectors_and_unknown_ones_zero():
    kept = TrainedVectors(VECTORS, trainable=np.array([5, 2, 2, -1]), fixed=np.array([2, 7, -1]))
    found = kept(torch.tensor([5, -1, 7, 2, 5])).detach().numpy()
    np.testing.assert_array_equal(
        found, [VECTORS[5], np.zeros(3), VECTORS[7], VECTORS[2], VECTORS[5]]
    )
    assert found.dtype == np.float32
    np.testing.assert_array_equal(kept.rows, [2, 5])
    np.testing.assert_array_equal(kept.trained(), VECTORS[[2, 5]])


def test_only_trainable_rows_that_were_used_get_gradients():
    kept = TrainedVectors(VECTORS, trainable=np.array([2, 5]), fixed=np.array([7]))
    kept(torch.tensor([5, 7, -1])).sum().backward()
    gradient = kept.table.weight.grad.abs().sum(dim=1)
    assert (gradient > 0).tolist() == [False, False, True]  # unknown, 2, 5


def test_unknown_stays_zero_while_others_are_trained():
    kept = TrainedVectors(VECTORS, trainable=np.array([2, 5]), fixed=np.array([7]))
    optimiser = torch.optim.SGD(kept.parameters(), lr=1.0)
    kept(torch.tensor([-1, 2])).sum().backward()
    optimiser.step()
    assert not kept(torch.tensor([-1])).any()
    np.testing.assert_array_equal(kept.trained(), [VECTORS[2] - 1, VECTORS[5]])


def test_nothing_trainable_leaves_nothing_to_save():
    kept = TrainedVectors(VECTORS, trainable=np.array([], dtype=np.int64), fixed=np.array([1, 0]))
    np.testing.assert_array_equal(kept(torch.tensor([0, 1])).detach().numpy(), VECTORS[:2])
    assert not len(kept.rows)
    assert kept.trained().shape == (0, 3)


def test_big_table_is_not_among_the_parameters():
    vectors = np.zeros((10_000, 3), dtype=np.float16)
    kept = TrainedVectors(vectors, trainable=np.array([17]), fixed=np.array([18]))
    assert sum(parameter.numel() for parameter in kept.parameters()) == 2 * 3
