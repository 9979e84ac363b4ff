import shutil

import numpy as np
import pytest

from ner_service.artifact import NetworkConfig, load_artifact
from ner_service.errors import ArtifactError, ConfigError
from ner_service.inference.features import WordFeaturizer
from ner_service.inference.onnx_backend import OnnxBackend
from tests.tiny import save_tiny, tiny_config


@pytest.fixture(scope="module")
def backend(tiny_model) -> OnnxBackend:
    return OnnxBackend(tiny_model, threads=1)


def rows_of(lengths: list[int], *, width: int = 8) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(4)
    rows = generator.normal(size=(max(lengths), len(lengths), width)).astype(np.float32)
    return rows, np.array(lengths, dtype=np.int64)


def test_window_gives_the_same_emissions_alone_and_in_a_batch(backend):
    rows, lengths = rows_of([12, 7, 1, 12])
    together = backend.encode_sentences(rows, lengths)
    assert together.shape == (12, 4, 9)
    for index, length in enumerate(lengths):
        alone = backend.encode_sentences(
            np.ascontiguousarray(rows[:length, index : index + 1]), lengths[index : index + 1]
        )
        np.testing.assert_allclose(alone[:, 0], together[:length, index], atol=1e-5)


def test_padding_never_reaches_a_real_token(backend):
    rows, lengths = rows_of([6, 3])
    before = backend.encode_sentences(rows, lengths)
    rows[3:, 1] = 1e3
    after = backend.encode_sentences(rows, lengths)
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    np.testing.assert_array_equal(before[:3, 1], after[:3, 1])


def test_states_come_with_the_same_emissions(backend, tiny_model):
    rows, lengths = rows_of([5, 4])
    states, emissions = backend.encode_states(rows, lengths)
    assert states.shape == (5, 2, 14)
    np.testing.assert_array_equal(emissions, backend.encode_sentences(rows, lengths))
    weights = load_artifact(tiny_model).weights
    expected = (
        states @ weights["sentence_encoder.output.weight"].T
        + weights["sentence_encoder.output.bias"]
    )
    np.testing.assert_allclose(emissions, expected, atol=1e-4)


def test_rows_of_words_do_not_depend_on_the_batch(backend, tiny_model):
    artifact = load_artifact(tiny_model)
    featurizer = WordFeaturizer(
        artifact.config.network, artifact.vocabulary, artifact.vector_tables
    )
    features = featurizer.features(["Bob", "bought", "SPAIN", "Q" * 300])
    vectors = featurizer.vectors(features.vector_rows)
    together = backend.encode_words(features, vectors)
    for index, word in enumerate(["Bob", "bought", "SPAIN", "Q" * 300]):
        alone = featurizer.features([word])
        row = backend.encode_words(alone, featurizer.vectors(alone.vector_rows))
        np.testing.assert_allclose(row[0], together[index], atol=1e-6)


def test_int8_is_close_to_full_precision(backend, tiny_model):
    quantised = OnnxBackend(tiny_model, precision="int8")
    rows, lengths = rows_of([12, 7])
    states, _ = backend.encode_states(rows, lengths)
    approximate, _ = quantised.encode_states(rows, lengths)
    assert not np.array_equal(states, approximate)
    np.testing.assert_allclose(states[:7], approximate[:7], atol=0.15)


@pytest.mark.parametrize("cell", ["gru", "rnn_tanh", "rnn_relu", "none"])
def test_int8_is_refused_for_a_cell_that_stays_in_full_precision(tmp_path, cell):
    model = save_tiny(tmp_path / "model", tiny_config(NetworkConfig(cell=cell)))
    with pytest.raises(ConfigError, match="precision int8: model model has no int8 graph"):
        OnnxBackend(model, precision="int8")


@pytest.mark.parametrize("name", ["word_encoder.onnx", "sentence_encoder.onnx"])
def test_damaged_graph_is_named(tiny_model, tmp_path, name):
    model = shutil.copytree(tiny_model, tmp_path / "model")
    (model / name).write_bytes(b"\x08\x07nonsense")
    with pytest.raises(ArtifactError) as failure:
        OnnxBackend(model)
    assert str(model / name) in str(failure.value)
    assert "\n" not in str(failure.value)
