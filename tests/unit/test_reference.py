"""The oracles against definitions, finite differences, torch and ONNX Runtime."""

import math

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from ner_service.tags import Span
from tests.reference import (
    EnumeratedCRF,
    F,
    Gates,
    Vanilla,
    cross_entropies,
    gru_states,
    gru_step,
    is_well_formed,
    lstm_states,
    lstm_step,
    softmax,
    spans_by_conlleval,
    vanilla_gradients,
    vanilla_outputs,
    vanilla_states,
    well_formed_paths,
)

T, D, H, K = 6, 3, 4, 5
ACTIVATIONS: tuple[F, ...] = ("linear", "tanh", "relu")


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def loss_of(weights: Vanilla, inputs: np.ndarray, gold: np.ndarray, f: F) -> float:
    return float(cross_entropies(vanilla_outputs(weights, inputs, f), gold).sum())


def torch_loss(weights: list[torch.Tensor], inputs: np.ndarray, gold: np.ndarray, f: F):
    w_hx, w_hh, b_h, w_hy, b_y = weights
    function = {"linear": lambda z: z, "tanh": torch.tanh, "relu": torch.relu}[f]
    h, loss = torch.zeros(H, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for x, k in zip(torch.from_numpy(inputs), gold, strict=True):
        h = function(w_hx @ x + w_hh @ h + b_h)
        loss = loss - torch.log_softmax(w_hy @ h + b_y, dim=0)[k]
    return loss


@pytest.mark.parametrize("f", ACTIVATIONS)
def test_gradients_through_time_equal_finite_differences(generator, f):
    weights = Vanilla.random(generator, d=D, h=H, k=K)
    inputs, gold = generator.normal(size=(T, D)), generator.integers(K, size=T)
    gradients = vanilla_gradients(weights, inputs, gold, f)
    step = 1e-6
    for weight, gradient in zip(weights, gradients, strict=True):
        for place in np.ndindex(weight.shape):
            kept = weight[place]
            weight[place] = kept + step
            above = loss_of(weights, inputs, gold, f)
            weight[place] = kept - step
            below = loss_of(weights, inputs, gold, f)
            weight[place] = kept
            assert gradient[place] == pytest.approx((above - below) / (2 * step), abs=1e-6)


@pytest.mark.parametrize("f", ACTIVATIONS)
def test_gradients_through_time_equal_autograd(generator, f):
    weights = Vanilla.random(generator, d=D, h=H, k=K)
    inputs, gold = generator.normal(size=(T, D)), generator.integers(K, size=T)
    parameters = [torch.tensor(weight, requires_grad=True) for weight in weights]
    torch_loss(parameters, inputs, gold, f).backward()
    for gradient, parameter in zip(
        vanilla_gradients(weights, inputs, gold, f), parameters, strict=True
    ):
        np.testing.assert_allclose(gradient, parameter.grad.numpy(), atol=1e-12)


def test_output_gradient_is_the_sum_over_time_of_what_each_step_gives(generator):
    weights = Vanilla.random(generator, d=D, h=H, k=K)
    inputs, gold = generator.normal(size=(T, D)), generator.integers(K, size=T)
    states, _ = vanilla_states(weights, inputs, "tanh")
    outputs = vanilla_outputs(weights, inputs, "tanh")
    by_step = [  # dL_t/dy_t dy_t/dW_hy
        np.outer(softmax(y) - np.eye(K)[k], h)
        for y, h, k in zip(outputs, states, gold, strict=True)
    ]
    whole = vanilla_gradients(weights, inputs, gold, "tanh").w_hy
    np.testing.assert_allclose(whole, np.sum(by_step, axis=0), atol=1e-12)


def test_gradient_to_the_first_input_vanishes_or_explodes_with_the_recurrent_weights(generator):
    # dh_T/dh_1 is a product of T - 1 Jacobians: its size goes with the power of W_hh's.
    inputs = generator.normal(size=(40, D))
    sizes = []
    for factor in (0.5, 1.5):
        base = Vanilla.random(generator, d=D, h=H, k=K)
        orthogonal, _ = np.linalg.qr(base.w_hh)
        weights = Vanilla(base.w_hx, factor * orthogonal, base.b_h, base.w_hy, base.b_y)
        states, _ = vanilla_states(weights, inputs, "linear")
        moved = inputs.copy()
        moved[0] += 1e-3
        shifted, _ = vanilla_states(weights, moved, "linear")
        sizes.append(np.linalg.norm(shifted[-1] - states[-1]) / 1e-3)
    vanished, exploded = sizes
    assert vanished < 1e-9
    assert exploded > 1e5


def test_state_starts_at_zero(generator):
    weights = Vanilla.random(generator, d=D, h=H, k=K)
    inputs = generator.normal(size=(T, D))
    states, _ = vanilla_states(weights, inputs, "tanh")
    np.testing.assert_allclose(states[0], np.tanh(weights.w_hx @ inputs[0] + weights.b_h))


@pytest.mark.parametrize("f", ["tanh", "relu"])
def test_vanilla_states_equal_those_of_torch(generator, f):
    weights = Vanilla.random(generator, d=D, h=H, k=K)
    inputs = generator.normal(size=(T, D))
    cell = torch.nn.RNN(D, H, nonlinearity=f, batch_first=True).double()
    cell.load_state_dict(
        {
            "weight_ih_l0": torch.from_numpy(weights.w_hx),
            "weight_hh_l0": torch.from_numpy(weights.w_hh),
            "bias_ih_l0": torch.from_numpy(weights.b_h),
            "bias_hh_l0": torch.zeros(H, dtype=torch.float64),
        }
    )
    states, _ = vanilla_states(weights, inputs, f)
    expected = cell(torch.from_numpy(inputs)[None])[0][0].detach().numpy()
    np.testing.assert_allclose(states, expected, atol=1e-12)


@pytest.mark.parametrize("f", ACTIVATIONS)
def test_vanilla_states_equal_those_of_the_onnx_node(generator, f):
    weights = Vanilla.random(generator, d=D, h=H, k=K)
    inputs = generator.normal(size=(T, D))
    attributes = (
        {"activations": ["Affine"], "activation_alpha": [1.0], "activation_beta": [0.0]}
        if f == "linear"
        else {"activations": [f.capitalize()]}
    )
    states = run_node(
        "RNN",
        inputs,
        weights.w_hx,
        weights.w_hh,
        np.concatenate([weights.b_h, np.zeros(H)]),
        attributes,
    )
    np.testing.assert_allclose(vanilla_states(weights, inputs, f)[0], states, atol=1e-5)


def random_gates(generator: np.random.Generator, count: int) -> Gates:
    shapes = (count * H, D), (count * H, H), (count * H,), (count * H,)
    return Gates(*(generator.normal(size=shape) for shape in shapes))


def fill(cell: torch.nn.RNNBase, gates: Gates) -> torch.nn.RNNBase:
    for parameter, array in zip(
        cell.parameters(), (gates.w_x, gates.w_h, gates.b_x, gates.b_h), strict=True
    ):
        parameter.data = torch.from_numpy(array)
    return cell


def test_lstm_states_equal_those_of_torch_and_of_the_onnx_node(generator):
    gates, inputs = random_gates(generator, 4), generator.normal(size=(T, D))
    states = lstm_states(gates, inputs)
    cell = fill(torch.nn.LSTM(D, H, batch_first=True).double(), gates)
    expected = cell(torch.from_numpy(inputs)[None])[0][0].detach().numpy()
    np.testing.assert_allclose(states, expected, atol=1e-12)
    w, r, b_x, b_h = (
        np.concatenate([np.split(array, 4)[gate] for gate in (0, 3, 1, 2)])  # i o f c
        for array in (gates.w_x, gates.w_h, gates.b_x, gates.b_h)
    )
    by_node = run_node("LSTM", inputs, w, r, np.concatenate([b_x, b_h]), {})
    np.testing.assert_allclose(states, by_node, atol=1e-5)


def test_gru_states_equal_those_of_torch_and_of_the_onnx_node(generator):
    gates, inputs = random_gates(generator, 3), generator.normal(size=(T, D))
    states = gru_states(gates, inputs)
    cell = fill(torch.nn.GRU(D, H, batch_first=True).double(), gates)
    expected = cell(torch.from_numpy(inputs)[None])[0][0].detach().numpy()
    np.testing.assert_allclose(states, expected, atol=1e-12)
    w, r, b_x, b_h = (
        np.concatenate([np.split(array, 3)[gate] for gate in (1, 0, 2)])  # z r h
        for array in (gates.w_x, gates.w_h, gates.b_x, gates.b_h)
    )
    by_node = run_node("GRU", inputs, w, r, np.concatenate([b_x, b_h]), {"linear_before_reset": 1})
    np.testing.assert_allclose(states, by_node, atol=1e-5)


def run_node(operator, inputs, w, r, b, attributes) -> np.ndarray:
    """States (T, H) of one recurrent node in ONNX Runtime."""
    node = helper.make_node(operator, ["X", "W", "R", "B"], ["Y"], hidden_size=H, **attributes)
    arrays = {
        name: np.ascontiguousarray(array[None] if name != "X" else array[:, None], dtype=np.float32)
        for name, array in (("X", inputs), ("W", w), ("R", r), ("B", b))
    }
    infos = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
        for name, array in arrays.items()
    ]
    output = helper.make_tensor_value_info("Y", TensorProto.FLOAT, [len(inputs), 1, 1, H])
    model = helper.make_model(
        helper.make_graph([node], "node", infos, [output]),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    model.ir_version = 9
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["Y"], arrays)[0][:, 0, 0]


def test_shut_forget_gate_empties_the_memory_and_an_open_one_keeps_it():
    zeros, x, h = np.zeros((4 * H, D)), np.zeros(D), np.zeros(H)
    memory = np.full(H, 0.7)
    for bias, kept in ((-100.0, 0.0), (100.0, 0.7)):
        bias_x = np.zeros(4 * H)
        bias_x[H : 2 * H] = bias  # forget
        gates = Gates(zeros, np.zeros((4 * H, H)), bias_x, np.zeros(4 * H))
        _, after = lstm_step(gates, x, h, memory)
        np.testing.assert_allclose(after, kept, atol=1e-12)


def test_open_update_gate_carries_the_state_over():
    bias_x = np.zeros(3 * H)
    bias_x[H : 2 * H] = 100.0
    gates = Gates(np.zeros((3 * H, D)), np.zeros((3 * H, H)), bias_x, np.zeros(3 * H))
    state = np.linspace(-1, 1, H)
    np.testing.assert_allclose(gru_step(gates, np.zeros(D), state), state, atol=1e-12)


def test_cross_entropy_of_even_outputs_is_the_logarithm_of_their_number():
    np.testing.assert_allclose(cross_entropies(np.zeros((T, K)), [0] * T), math.log(K))


def test_enumeration_by_hand():
    # Two tokens, tags O, B-X, I-X in BIO: of nine paths I first and O then I are no sequences.
    crf = EnumeratedCRF(("O", "B-X", "I-X"), "BIO", np.zeros((3, 3)), np.zeros(3), np.zeros(3))
    assert len(well_formed_paths(crf.tags, "BIO", 2)) == 5
    emissions = np.zeros((2, 3))
    assert crf.log_partition(emissions) == pytest.approx(math.log(5))
    assert crf.span_probability(emissions, Span(0, 2, "X")) == pytest.approx(1 / 5)
    assert crf.span_probability(emissions, Span(0, 1, "X")) == pytest.approx(2 / 5)
    np.testing.assert_allclose(crf.marginals(emissions)[1], [2 / 5, 2 / 5, 1 / 5])
    at_end = np.array([False, True])
    assert crf.log_partition(emissions, at_end) == pytest.approx(math.log(2))
    emissions[0, 1] = 1.0
    paths, scores = crf.n_best(emissions, 3)
    assert paths[0].tolist() == [1, 0]
    assert scores.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("tags", "scheme", "well_formed"),
    [
        ("O B-X I-X O", "BIO", True),
        ("O I-X", "BIO", False),
        ("B-X I-Y", "BIO", False),
        ("B-X B-X", "BIO", True),
        ("S-X B-X I-X E-X O", "IOBES", True),
        ("B-X", "IOBES", False),
        ("B-X E-Y", "IOBES", False),
        ("E-X", "IOBES", False),
        ("B-X S-X", "IOBES", False),
        ("B-X E-X E-X", "IOBES", False),
    ],
)
def test_well_formed_by_hand(tags, scheme, well_formed):
    assert is_well_formed(tags.split(), scheme) is well_formed


def test_conlleval_reading_by_hand():
    assert spans_by_conlleval(["I-X", "I-X", "B-X", "I-Y", "O"]) == [
        Span(0, 2, "X"),
        Span(2, 3, "X"),
        Span(3, 4, "Y"),
    ]
    assert spans_by_conlleval(["B-X", "E-X", "S-X", "E-X"]) == [
        Span(0, 2, "X"),
        Span(2, 3, "X"),
        Span(3, 4, "X"),
    ]
