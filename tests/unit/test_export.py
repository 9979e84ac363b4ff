import itertools
from dataclasses import replace

import numpy as np
import onnx
import pytest

from ner_service.artifact import NetworkConfig, load_artifact
from ner_service.artifact.config import Cell
from ner_service.artifact.store import SENTENCE_ENCODER, SENTENCE_ENCODER_INT8, WORD_ENCODER
from ner_service.errors import ConfigError
from ner_service.tagger import Tagger
from tests.tiny import random_network, save_tiny, tiny_config
from training.export import export_graphs

CELLS: tuple[Cell, ...] = ("lstm", "gru", "rnn_tanh", "rnn_relu", "none")
NODES = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN", "rnn_relu": "RNN"}
ARCHITECTURES = [
    NetworkConfig(
        cell=cell, bidirectional=both, layers=layers, output=output, characters=characters
    )
    for cell, both, layers, output, characters in itertools.product(
        CELLS, (True, False), (1, 2), ("crf", "softmax"), ("cnn", "bilstm", "none")
    )
    # Without a recurrence there are neither directions nor layers.
    if cell != "none" or (both and layers == 1)
]
TEXTS = (
    "Bob bought a toy Yoda",
    "The bank in New York. Costa of Lisbon and SPAIN the Bob and A. 1996-08-22 " * 3,
    "x",
    "\U0001f600 \u0645\u0631\u062d\u0628\u0627 Costa\r\n\r\nLisbon and Bob bought the bank.",
    "",
)


def name_of(network: NetworkConfig) -> str:
    ways = "both ways" if network.bidirectional else "one way"
    return (
        f"{network.cell}, {ways}, layers {network.layers}, {network.output}, "
        f"characters {network.characters}"
    )


@pytest.mark.parametrize("network", ARCHITECTURES, ids=name_of)
def test_any_architecture_is_exported_and_served_alike_by_both_backends(network, tmp_path):
    model = save_tiny(tmp_path / "model", tiny_config(network))
    answers = [
        Tagger.load(model, backend=backend, threads=1).tag_batch(TEXTS)
        for backend in ("onnx", "torch")
    ]
    for by_onnx, by_torch in zip(*answers, strict=True):
        np.testing.assert_array_equal(by_onnx.tag_ids, by_torch.tag_ids)
        for ours, theirs in zip(by_onnx.entities, by_torch.entities, strict=True):
            assert (ours.start, ours.end, ours.label) == (theirs.start, theirs.end, theirs.label)
            assert ours.score == pytest.approx(theirs.score, abs=1e-5)
    assert any(document.entities for document in answers[0])
    operators = [node.op_type for node in onnx.load(model / SENTENCE_ENCODER).graph.node]
    if network.cell != "none":
        assert operators.count(NODES[network.cell]) == network.layers
    assert (model / SENTENCE_ENCODER_INT8).exists() is (network.cell == "lstm")


@pytest.mark.parametrize("scheme", ["BIO", "IOBES"])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_scheme_and_temperature_reach_both_backends(scheme, temperature, tmp_path):
    config = tiny_config(scheme=scheme, temperature=temperature)
    model = save_tiny(tmp_path / "model", config)
    by_onnx, by_torch = (
        Tagger.load(model, backend=name).tag(TEXTS[1]) for name in ("onnx", "torch")
    )
    np.testing.assert_array_equal(by_onnx.tag_ids, by_torch.tag_ids)
    plain = Tagger.load(save_tiny(tmp_path / "plain", tiny_config(scheme=scheme)))
    np.testing.assert_array_equal(by_onnx.tag_ids, plain.tag(TEXTS[1]).tag_ids)
    assert [e.score for e in by_onnx.entities] != [e.score for e in plain.tag(TEXTS[1]).entities]


@pytest.mark.parametrize("kernel", [1, 2, 4, 5])
def test_character_filters_of_any_width_are_exported(kernel, tmp_path):
    network = NetworkConfig(character_kernel=kernel)
    model = save_tiny(tmp_path / "model", tiny_config(network))
    by_onnx, by_torch = (
        Tagger.load(model, backend=name).tag(TEXTS[1]) for name in ("onnx", "torch")
    )
    np.testing.assert_array_equal(by_onnx.tag_ids, by_torch.tag_ids)


@pytest.mark.parametrize("projection", [True, False])
@pytest.mark.parametrize("kept", ["one_hot", "vectors", "characters", "shape"])
def test_each_input_alone_is_exported(kept, projection, tmp_path):
    switches = {"one_hot": False, "vectors": False, "characters": "none", "shape": False}
    switches[kept] = "cnn" if kept == "characters" else True
    network = NetworkConfig(**switches, projection=projection)
    model = save_tiny(tmp_path / "model", tiny_config(network))
    by_onnx, by_torch = (
        Tagger.load(model, backend=name).tag(TEXTS[1]) for name in ("onnx", "torch")
    )
    np.testing.assert_array_equal(by_onnx.tag_ids, by_torch.tag_ids)
    inputs = {entry.name for entry in onnx.load(model / WORD_ENCODER).graph.input}
    assert inputs == {{"one_hot": "one_hot_ids", "shape": "shapes"}.get(kept, kept)}


@pytest.mark.parametrize("characters", ["cnn", "bilstm", "none"])
def test_without_a_projection_a_row_is_the_inputs_side_by_side(characters, tmp_path):
    config = tiny_config(NetworkConfig(characters=characters, projection=False))
    model = save_tiny(tmp_path / "model", config)
    by_onnx, by_torch = (
        Tagger.load(model, backend=name).tag(TEXTS[1]) for name in ("onnx", "torch")
    )
    np.testing.assert_array_equal(by_onnx.tag_ids, by_torch.tag_ids)
    assert not any("projection" in name for name in load_artifact(model).weights)
    with pytest.raises(ConfigError, match="inputs'"):
        replace(config, network=replace(config.network, word_width=config.network.word_width + 1))


def test_export_is_deterministic():
    config = tiny_config()
    assert export_graphs(random_network(config), config) == export_graphs(
        random_network(config), config
    )


def test_graphs_hold_no_vector_table(tmp_path):
    # It is stored once, outside; the graphs take gathered vectors.
    model = save_tiny(tmp_path / "model")
    rows = {tuple(c.dims) for c in onnx.load(model / WORD_ENCODER).graph.initializer}
    (table,) = load_artifact(model).vector_tables
    assert table.values.shape not in rows
