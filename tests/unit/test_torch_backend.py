import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from ner_service.artifact import load_artifact, write_manifest
from ner_service.artifact.store import WEIGHTS
from ner_service.errors import ArtifactError
from ner_service.inference import torch_backend
from ner_service.inference.features import WordFeaturizer
from ner_service.inference.onnx_backend import OnnxBackend
from ner_service.inference.torch_backend import TorchBackend, load_network
from tests.tiny import random_network, tiny_config


@pytest.fixture(scope="module")
def backends(tiny_model) -> tuple[TorchBackend, OnnxBackend]:
    return TorchBackend(load_artifact(tiny_model)), OnnxBackend(tiny_model)


def test_artifact_gives_back_the_network_that_was_saved(tiny_model):
    loaded = load_network(load_artifact(tiny_model)).state_dict()
    for name, tensor in random_network(tiny_config()).state_dict().items():
        torch.testing.assert_close(loaded[name], tensor, atol=0, rtol=0)


def test_rows_of_words_are_those_of_onnx_runtime(backends, tiny_model):
    artifact = load_artifact(tiny_model)
    featurizer = WordFeaturizer(
        artifact.config.network, artifact.vocabulary, artifact.vector_tables
    )
    features = featurizer.features(["Bob", "SPAIN", "x", "1996-08-22", "\U0001f600", "Q" * 300])
    vectors = featurizer.vectors(features.vector_rows)
    by_torch, by_onnx = (backend.encode_words(features, vectors) for backend in backends)
    assert by_torch.dtype == np.float32
    np.testing.assert_allclose(by_torch, by_onnx, atol=1e-5)
    boundary = featurizer.boundary()
    rows = [b.encode_words(boundary, featurizer.vectors(boundary.vector_rows)) for b in backends]
    np.testing.assert_allclose(*rows, atol=1e-6)


def test_states_and_emissions_are_those_of_onnx_runtime(backends):
    generator = np.random.default_rng(8)
    rows = generator.normal(size=(9, 3, 8)).astype(np.float32)
    lengths = np.array([9, 4, 1])
    found = [backend.encode_states(rows, lengths) for backend in backends]
    for (states, emissions), backend in zip(found, backends, strict=True):
        np.testing.assert_array_equal(emissions, backend.encode_sentences(rows, lengths))
        assert states.shape == (9, 3, 14)
    real = np.arange(9)[:, None] < lengths
    np.testing.assert_allclose(found[0][0][real], found[1][0][real], atol=1e-5)
    np.testing.assert_allclose(found[0][1][real], found[1][1][real], atol=1e-4)


def test_half_precision_is_close_to_full(tiny_model):
    artifact = load_artifact(tiny_model)
    generator = np.random.default_rng(9)
    rows = generator.normal(size=(9, 3, 8)).astype(np.float32)
    lengths = np.array([9, 4, 1])
    full, half = (
        TorchBackend(artifact, precision=precision).encode_sentences(rows, lengths)
        for precision in ("full", "half")
    )
    assert half.dtype == np.float32
    real = np.arange(9)[:, None] < lengths
    np.testing.assert_allclose(half[real], full[real], atol=0.02)
    assert np.abs(half[real] - full[real]).max() > 0


def test_a_gpu_gets_larger_batches(tiny_model, monkeypatch):
    on_processor = TorchBackend(load_artifact(tiny_model))
    assert on_processor.slots_a_batch == OnnxBackend.slots_a_batch
    monkeypatch.setattr(torch_backend, "has_gpu", lambda: True)
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *_: self)  # there is none here
    assert TorchBackend(load_artifact(tiny_model)).slots_a_batch > on_processor.slots_a_batch


def test_number_of_threads_is_set(tiny_model):
    before = torch.get_num_threads()
    try:
        TorchBackend(load_artifact(tiny_model), threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_weights_that_do_not_fit_the_configuration_are_refused(tiny_model, tmp_path):
    model = shutil.copytree(tiny_model, tmp_path / "model")
    arrays = load_file(model / WEIGHTS)
    del arrays["sentence_encoder.output.bias"]
    save_file(arrays, model / WEIGHTS)
    write_manifest(model)
    with pytest.raises(ArtifactError, match=r"sentence_encoder\.output\.bias"):
        TorchBackend(load_artifact(model))
