"""A trained network to ONNX: two graphs, written node by node.

Written by hand rather than traced, since tracing stumbles over packed sequences. Recurrent nodes
are time-major and take the windows' lengths, so the backward direction starts at each window's
own end. Gate orders differ: torch's LSTM has i f g o, ONNX's i o f c; torch's GRU r z n, ONNX's
z r h.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from ner_service.artifact.config import ArtifactConfig, Cell
from ner_service.artifact.store import (
    SENTENCE_ENCODER,
    SENTENCE_ENCODER_INT8,
    WORD_ENCODER,
    save_artifact,
    write_manifest,
)
from ner_service.artifact.vocabulary import VectorTable, Vocabulary
from ner_service.network import TaggerNetwork
from ner_service.network.encoders import CharacterBiLSTM, CharacterCNN, Recurrence

OPSET = 17
IR_VERSION = 9
_MASKED = -1e4
_GATE_ORDER: dict[Cell, tuple[int, ...]] = {
    "lstm": (0, 3, 1, 2),
    "gru": (1, 0, 2),
    "rnn_tanh": (0,),
    "rnn_relu": (0,),
}
_OPERATORS: dict[Cell, str] = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN", "rnn_relu": "RNN"}


class _Graph:
    """Collects nodes and constants under names of its own."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def build(
        self,
        name: str,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
    ) -> bytes:
        graph = helper.make_graph(self.nodes, name, list(inputs), list(outputs), self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString()
        return data


def export_graphs(network: TaggerNetwork, config: ArtifactConfig) -> dict[str, bytes]:
    """The two graphs by file name."""
    return {
        WORD_ENCODER: word_encoder_graph(network, config),
        SENTENCE_ENCODER: sentence_encoder_graph(network, config),
    }


def write_model(
    path: Path,
    network: TaggerNetwork,
    *,
    config: ArtifactConfig,
    vocabulary: Vocabulary,
    vector_tables: Mapping[str, VectorTable],
) -> None:
    """Write a network on the processor as a model directory, its int8 form included."""
    save_artifact(
        path,
        config=config,
        vocabulary=vocabulary,
        weights={name: tensor.numpy() for name, tensor in network.state_dict().items()},
        vector_tables=vector_tables,
        graphs=export_graphs(network, config),
    )
    quantize_sentence_encoder(path)


def quantize_sentence_encoder(path: Path) -> None:
    """Write the int8 sentence encoder beside the full one, if its cell can be quantised.

    The quantiser leaves GRU and RNN nodes in full precision: for those nothing is written. The
    manifest is written anew.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    target = path / SENTENCE_ENCODER_INT8
    quantize_dynamic(
        path / SENTENCE_ENCODER,
        target,
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["LSTM"],
    )
    operators = {node.op_type for node in onnx.load(target).graph.node}
    if "DynamicQuantizeLSTM" not in operators:
        target.unlink()
    write_manifest(path)


def word_encoder_graph(network: TaggerNetwork, config: ArtifactConfig) -> bytes:
    """Columns of N words to `rows` (N, word_width)."""
    encoder, settings = network.word_encoder, config.network
    graph = _Graph()
    parts: list[str] = []
    integer, real = TensorProto.INT64, TensorProto.FLOAT
    inputs = []
    if encoder.one_hot is not None:
        inputs.append(helper.make_tensor_value_info("one_hot_ids", integer, ["N"]))
        table = graph.constant("one_hot.weight", _array(encoder.one_hot.weight))
        parts.append(graph.add("Gather", [table, "one_hot_ids"], "one_hot"))
    if encoder.use_vectors:
        width = settings.vectors_width
        inputs.append(helper.make_tensor_value_info("vectors", real, ["N", width]))
        parts.append("vectors")
    if encoder.characters is not None:
        # As wide as the longest word of a batch: what is padding for all of them is left out.
        inputs.append(helper.make_tensor_value_info("characters", integer, ["N", "C"]))
        if isinstance(encoder.characters, CharacterCNN):
            parts.append(_character_cnn(graph, encoder.characters, settings.character_kernel))
        else:
            parts.append(_character_bilstm(graph, encoder.characters))
    if encoder.shape is not None:
        inputs.append(helper.make_tensor_value_info("shapes", integer, ["N"]))
        table = graph.constant("shape.weight", _array(encoder.shape.weight))
        parts.append(graph.add("Gather", [table, "shapes"], "shape"))
    if encoder.projection is None:
        graph.add("Concat", parts, "rows", axis=1)
    else:
        joined = graph.add("Concat", parts, "inputs", axis=1)
        _linear(graph, encoder.projection, joined, "rows", "projection")
    rows = helper.make_tensor_value_info("rows", real, ["N", settings.word_width])
    return graph.build("word_encoder", inputs, [rows])


def sentence_encoder_graph(network: TaggerNetwork, config: ArtifactConfig) -> bytes:
    """Time-major `rows` (T, B, W) and `lengths` (B,) to `states` and `emissions`."""
    encoder, settings = network.sentence_encoder, config.network
    graph = _Graph()
    if encoder.recurrence is None:
        states = graph.add("Identity", ["rows"], "states")
    else:
        states = _recurrence(graph, encoder.recurrence, settings.cell, "rows", "lengths", "states")
    weight = graph.constant("output.weight", _array(encoder.output.weight).T)
    bias = graph.constant("output.bias", _array(encoder.output.bias))
    product = graph.add("MatMul", [states, weight], "output.product")
    graph.add("Add", [product, bias], "emissions")
    real = TensorProto.FLOAT
    return graph.build(
        "sentence_encoder",
        [
            helper.make_tensor_value_info("rows", real, ["T", "B", settings.word_width]),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, ["B"]),
        ],
        [
            helper.make_tensor_value_info("states", real, ["T", "B", settings.state_width]),
            helper.make_tensor_value_info("emissions", real, ["T", "B", len(config.tags)]),
        ],
    )


def _character_cnn(graph: _Graph, encoder: CharacterCNN, kernel: int) -> str:
    left = kernel // 2
    # One channel more tells padding from characters and the filters pass it on where they stand on
    # padding: the mask costs next to nothing, while a Where over all of it costs half of the time.
    embedding, filters = _array(encoder.embedding.weight), _array(encoder.convolution.weight)
    embedding = np.pad(embedding, ((0, 0), (0, 1)))
    embedding[0, -1] = _MASKED
    filters = np.pad(filters, ((0, 0), (0, 1), (0, 0)))
    filters[:, -1, left] = 1.0
    table = graph.constant("characters.embedding", embedding)
    embedded = graph.add("Gather", [table, "characters"], "characters.embedded")
    channels = graph.add("Transpose", [embedded], "characters.channels", perm=[0, 2, 1])
    weight = graph.constant("characters.weight", filters)
    bias = graph.constant("characters.bias", _array(encoder.convolution.bias))
    filtered = graph.add(
        "Conv",
        [channels, weight, bias],
        "characters.filtered",
        kernel_shape=[kernel],
        pads=[left, kernel - 1 - left],
    )
    greatest = graph.add("ReduceMax", [filtered], "characters.greatest", axes=[2], keepdims=0)
    bounded = graph.add("Tanh", [greatest], "characters.bounded")
    return graph.add("Mul", [bounded, _has_characters(graph)], "characters.encoded")


def _character_bilstm(graph: _Graph, encoder: CharacterBiLSTM) -> str:
    table = graph.constant("characters.embedding", _array(encoder.embedding.weight))
    embedded = graph.add("Gather", [table, "characters"], "characters.embedded")
    steps = graph.add("Transpose", [embedded], "characters.steps", perm=[1, 0, 2])
    zero = graph.constant("characters.zero", np.array(0, dtype=np.int64))
    real = graph.add("Greater", ["characters", zero], "characters.real")
    real = graph.add("Cast", [real], "characters.ones", to=TensorProto.INT32)
    axis = graph.constant("characters.axis", np.array([1], dtype=np.int64))
    lengths = graph.add("ReduceSum", [real, axis], "characters.lengths", keepdims=0)
    weights = _cell_weights(graph, encoder.recurrence.layers[0], "lstm", "characters")  # type: ignore[arg-type]
    graph.nodes.append(
        helper.make_node(
            "LSTM",
            [steps, *weights, lengths],
            ["", "characters.last"],  # (2, N, hidden)
            hidden_size=encoder.hidden_width,
            direction="bidirectional",
        )
    )
    side_by_side = graph.add("Transpose", ["characters.last"], "characters.pairs", perm=[1, 0, 2])
    shape = graph.constant(
        "characters.shape", np.array([0, 2 * encoder.hidden_width], dtype=np.int64)
    )
    joined = graph.add("Reshape", [side_by_side, shape], "characters.joined")
    return graph.add("Mul", [joined, _has_characters(graph)], "characters.encoded")


def _has_characters(graph: _Graph) -> str:
    """(N, 1) float, 0 for a word without characters."""
    column = graph.constant("characters.first", np.array([0], dtype=np.int64))
    first = graph.add("Gather", ["characters", column], "characters.initial", axis=1)
    signed = graph.add("Sign", [first], "characters.sign")
    return graph.add("Cast", [signed], "characters.present", to=TensorProto.FLOAT)


def _recurrence(
    graph: _Graph, recurrence: Recurrence, cell: Cell, inputs: str, lengths: str, output: str
) -> str:
    layers = list(recurrence.layers)
    for index, layer in enumerate(layers):
        assert isinstance(layer, nn.ModuleList)
        first = layer[0]
        assert isinstance(first, nn.RNNBase)
        directions = len(layer)
        name = f"layer{index}"
        attributes: dict[str, Any] = {
            "hidden_size": first.hidden_size,
            "direction": "bidirectional" if directions == 2 else "forward",
        }
        if cell == "gru":
            attributes["linear_before_reset"] = 1
        if cell in ("rnn_tanh", "rnn_relu"):
            f = {"rnn_tanh": "Tanh", "rnn_relu": "Relu"}[cell]
            attributes["activations"] = [f] * directions
        weights = _cell_weights(graph, layer, cell, name)
        raw = graph.add(
            _OPERATORS[cell], [inputs, *weights, lengths], f"{name}.raw", **attributes
        )  # (T, directions, B, hidden)
        side_by_side = graph.add("Transpose", [raw], f"{name}.pairs", perm=[0, 2, 1, 3])
        shape = graph.constant(
            f"{name}.shape", np.array([0, 0, directions * first.hidden_size], dtype=np.int64)
        )
        target = output if index == len(layers) - 1 else f"{name}.states"
        inputs = graph.add("Reshape", [side_by_side, shape], target)
    return inputs


def _cell_weights(
    graph: _Graph, directions: nn.ModuleList, cell: Cell, name: str
) -> tuple[str, str, str]:
    """W (directions, gates * hidden, input), R and B as ONNX wants them."""
    columns: tuple[list[NDArray[np.float32]], ...] = ([], [], [])
    for module in directions:
        input_weight, state_weight, input_bias, state_bias = (
            _reorder_gates(_array(parameter), cell) for parameter in module.parameters()
        )
        columns[0].append(input_weight)
        columns[1].append(state_weight)
        columns[2].append(np.concatenate([input_bias, state_bias]))
    names = (f"{name}.W", f"{name}.R", f"{name}.B")
    for constant, column in zip(names, columns, strict=True):
        graph.constant(constant, np.stack(column))
    return names


def _reorder_gates(parameter: NDArray[np.float32], cell: Cell) -> NDArray[np.float32]:
    order = _GATE_ORDER[cell]
    gates = np.split(parameter, len(order))
    return np.concatenate([gates[gate] for gate in order])


def _linear(graph: _Graph, layer: nn.Linear, inputs: str, output: str, name: str) -> None:
    weight = graph.constant(f"{name}.weight", _array(layer.weight))
    bias = graph.constant(f"{name}.bias", _array(layer.bias))
    graph.add("Gemm", [inputs, weight, bias], output, transB=1)


def _array(parameter: object) -> NDArray[np.float32]:
    array: NDArray[np.float32] = parameter.detach().cpu().numpy()  # type: ignore[attr-defined]
    return array
