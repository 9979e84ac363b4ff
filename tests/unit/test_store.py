import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ner_service.artifact import load_artifact, read_config, write_manifest
from ner_service.artifact.config import SCHEMA_VERSION
from ner_service.artifact.store import (
    CONFIG,
    MANIFEST,
    REQUIRED,
    SENTENCE_ENCODER_INT8,
    VOCABULARY,
    WEIGHTS,
)
from ner_service.errors import ArtifactError
from ner_service.tagger import Tagger
from tests.tiny import VOCABULARY as WORDS
from tests.tiny import random_network, save_tiny, tiny_config, vector_table


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def test_what_was_saved_is_loaded(tmp_path):
    config = tiny_config(temperature=1.5)
    artifact = load_artifact(save_tiny(tmp_path / "model", config))
    assert artifact.config == config
    assert artifact.vocabulary == WORDS
    state = random_network(config).state_dict()
    assert set(artifact.weights) == set(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(artifact.weights[name], tensor.numpy())
    (table,) = artifact.vector_tables
    np.testing.assert_array_equal(table.keys, vector_table().keys)
    np.testing.assert_array_equal(table.values, vector_table().values)


def test_weights_are_mapped_read_only(tiny_model):
    artifact = load_artifact(tiny_model)
    with pytest.raises(ValueError, match="read-only"):
        artifact.weights["crf.transitions"][0, 0] = 1.0


def test_any_user_may_read_every_file(tiny_model):
    # The container's user is not the one who trained.
    assert all(file.stat().st_mode & 0o444 == 0o444 for file in tiny_model.iterdir())


def test_same_weights_give_the_same_version_and_others_another(tmp_path):
    versions = [
        load_artifact(save_tiny(tmp_path / str(index), seed=seed)).version
        for index, seed in enumerate((1, 1, 2))
    ]
    assert versions[0] == versions[1] != versions[2]
    assert len(versions[0]) == 12


def test_saving_over_another_model_leaves_a_sound_one(tmp_path):
    save_tiny(tmp_path / "model", seed=1)
    save_tiny(tmp_path / "model", seed=2)
    assert Tagger.load(tmp_path / "model", precision="int8").tag("Bob").text == "Bob"


def test_files_beside_the_model_belong_to_the_manifest_once_it_is_written(model):
    (model / "README.md").write_text("A card.", encoding="utf-8")
    (model / ".hidden").write_text("x", encoding="utf-8")
    write_manifest(model)
    assert load_artifact(model).version
    files = json.loads((model / MANIFEST).read_text("utf-8"))["files"]
    assert "README.md" in files
    assert set(files) == {path.name for path in model.iterdir()} - {MANIFEST, ".hidden"}
    (model / "README.md").write_text("Another card.", encoding="utf-8")
    assert_refused(model, "README.md")


def assert_refused(model: Path, file: str, said: str = "") -> None:
    with pytest.raises(ArtifactError) as failure:
        Tagger.load(model, backend="onnx")
    assert str(model / file) in str(failure.value)
    assert said in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("name", [*REQUIRED, SENTENCE_ENCODER_INT8, MANIFEST])
def test_missing_file_is_named(model, name):
    (model / name).unlink()
    assert_refused(model, name, "found none")


@pytest.mark.parametrize("name", [*REQUIRED, SENTENCE_ENCODER_INT8])
def test_altered_file_is_named(model, name):
    content = bytearray((model / name).read_bytes())
    content[len(content) // 2] ^= 1
    (model / name).write_bytes(content)
    assert_refused(model, name, "SHA-256")


def test_configuration_is_read_without_the_other_files(model):
    artifact = load_artifact(model)
    (model / WEIGHTS).write_bytes(b"")
    assert read_config(model) == (artifact.version, artifact.config)
    (model / CONFIG).write_bytes((model / CONFIG).read_bytes() + b" ")
    with pytest.raises(ArtifactError, match=rf"{CONFIG}: altered"):
        read_config(model)


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("kept", [0, 7, 100])
def test_truncated_file_is_named(model, name, kept):
    (model / name).write_bytes((model / name).read_bytes()[:kept])
    assert_refused(model, name)
    # So it is where somebody made the manifest fit.
    write_manifest(model)
    assert_refused(model, name)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"{}",
        b'{"files": []}',
        b'{"files": {}}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_manifest_of_garbage_is_named(model, content):
    (model / MANIFEST).write_bytes(content)
    assert_refused(model, MANIFEST)


def test_directory_that_is_none_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"nowhere: expected a model directory"):
        load_artifact(tmp_path / "nowhere")


def rewrite(model: Path, name: str, change: Callable[[dict], None]) -> None:
    content = json.loads((model / name).read_bytes())
    change(content)
    (model / name).write_text(json.dumps(content), encoding="utf-8")
    write_manifest(model)


def test_newer_schema_is_told(model):
    rewrite(model, CONFIG, lambda config: config.update(schema_version=SCHEMA_VERSION + 1))
    assert_refused(
        model,
        CONFIG,
        f"schema version {SCHEMA_VERSION + 1} is newer than this program's {SCHEMA_VERSION}",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"scheme": "IOB1"},
        {"labels": None},
        {"temperature": 0},
        {"unheard_of": 1},
        {"window_overlap": 12},
        {"network": {"one_hot": False, "vectors": False, "characters": "none", "shape": False}},
    ],
)
def test_configuration_that_is_not_acceptable_is_named(model, change):
    rewrite(model, CONFIG, lambda config: config.update(change))
    assert_refused(model, CONFIG)


@pytest.mark.parametrize("content", [b"[]", b"null", b"[" * 100_000, b"\xff", b'{"words": 1}'])
@pytest.mark.parametrize("name", [CONFIG, VOCABULARY])
def test_file_of_garbage_is_named(model, name, content):
    (model / name).write_bytes(content)
    write_manifest(model)
    assert_refused(model, name)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"nonsense",
        b"\xff\xff",
        b"[]",
        b"7",
        b"[" * 100_000,
        b'{"a": 1}',
        b'{"a": {}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 400]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [8, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}',
        b'{"a": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": "04"}}',
        b'{"a": {"dtype": "object", "shape": [1], "data_offsets": [0, 8]}}',
    ],
)
def test_garbage_for_a_header_is_named(model, header):
    (model / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    write_manifest(model)
    assert_refused(model, WEIGHTS, "not a safetensors file")


@pytest.mark.parametrize("length", [0, 2**20, 2**63, 2**64 - 1])
def test_header_length_that_cannot_be_is_named(model, length):
    content = (model / WEIGHTS).read_bytes()
    (model / WEIGHTS).write_bytes(struct.pack("<Q", length) + content[8:])
    write_manifest(model)
    assert_refused(model, WEIGHTS)


def change_weights(model: Path, change: Callable[[dict], None]) -> None:
    arrays = load_file(model / WEIGHTS)
    change(arrays)
    save_file(arrays, model / WEIGHTS)
    write_manifest(model)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "name", ["crf.transitions", "sentence_encoder.output.weight", "vectors.glove.scales"]
)
def test_number_that_is_not_finite_is_named(model, name, value):
    change_weights(model, lambda arrays: arrays[name].reshape(-1).__setitem__(0, value))
    assert_refused(model, WEIGHTS, "finite")


@pytest.mark.parametrize(
    "name",
    [
        "vectors.glove.keys",
        "vectors.glove.rows",
        "vectors.glove.values",
        "vectors.glove.scales",
        "crf.transitions",
        "crf.start_transitions",
    ],
)
def test_missing_array_is_named(model, name):
    change_weights(model, lambda arrays: arrays.pop(name))
    assert_refused(model, WEIGHTS, name)


@pytest.mark.parametrize(
    "name",
    [
        "vectors.glove.keys",
        "vectors.glove.rows",
        "vectors.glove.values",
        "vectors.glove.scales",
        "crf.transitions",
        "crf.end_transitions",
    ],
)
def test_array_of_another_shape_is_refused(model, name):
    change_weights(
        model, lambda arrays: arrays.__setitem__(name, np.ascontiguousarray(arrays[name][1:]))
    )
    assert_refused(model, WEIGHTS)


def test_word_that_points_behind_the_vectors_is_refused(model):
    def change(arrays: dict) -> None:
        arrays["vectors.glove.rows"] = arrays["vectors.glove.rows"] + 1

    change_weights(model, change)
    assert_refused(model, WEIGHTS, "glove")


def test_metadata_of_the_weights_is_passed_over(model):
    arrays = load_file(model / WEIGHTS)
    save_file(arrays, model / WEIGHTS, metadata={"format": "np"})
    write_manifest(model)
    assert load_artifact(model).weights.keys() == {
        name for name in arrays if not name.startswith("vectors.")
    }
