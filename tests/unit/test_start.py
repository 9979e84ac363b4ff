from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ner_service.errors import ConfigError
from tests.training_runs import materials_of, same_weights, sample_settings
from training.module import TaggerModule
from training.train import make_module, write_artifact

LIMIT = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("start")


def write_model(folder: Path, *, limit: int | None) -> TaggerModule:
    """A model whose trainable vectors are all other than the pretrained ones."""
    settings = settings_of(folder, limit=limit)
    materials = materials_of(settings)
    module = make_module(settings, materials)
    with torch.no_grad():
        module.vectors[0].table.weight[1:] = torch.rand_like(module.vectors[0].table.weight[1:])
    write_artifact(module, materials, Path(settings.output))
    return module


def settings_of(folder: Path, *, limit: int | None, **changes):
    settings = sample_settings(folder, output=str(folder / f"model-{limit}"))
    return replace(settings, vectors=(replace(settings.vectors[0], limit=limit),), **changes)


def started(folder: Path, *, limit: int | None, model: Path, **changes) -> TaggerModule:
    settings = settings_of(folder, limit=limit, start=str(model), seed=7, **changes)
    return make_module(settings, materials_of(settings))


def test_a_run_starts_with_the_weights_and_vectors_of_the_model(folder):
    written = write_model(folder, limit=None)
    module = started(folder, limit=None, model=folder / "model-None")
    assert same_weights(written.network, module.network)
    # The artifact keeps vectors in 8 bits.
    vectors, kept = written.vectors[0].table.weight, module.vectors[0].table.weight
    torch.testing.assert_close(kept, vectors, rtol=0, atol=1 / 250)


def test_words_beyond_the_model_s_limit_keep_their_pretrained_vectors(folder):
    written = write_model(folder, limit=LIMIT)
    module = started(folder, limit=None, model=folder / f"model-{LIMIT}")
    fresh = make_module(
        settings_of(folder, limit=None), materials_of(settings_of(folder, limit=None))
    )
    rows = module.vectors[0].rows
    known = int((rows < LIMIT).sum())
    assert 0 < known < len(rows)
    vectors, kept = written.vectors[0].table.weight, module.vectors[0].table.weight
    assert len(vectors) == known + 1
    torch.testing.assert_close(kept[: known + 1], vectors, rtol=0, atol=1 / 250)
    assert torch.equal(kept[known + 1 :], fresh.vectors[0].table.weight[known + 1 :])


def test_a_model_of_another_architecture_is_refused(folder):
    write_model(folder, limit=None)
    settings = settings_of(folder, limit=None)
    network = replace(settings.network, hidden_width=24)
    with pytest.raises(ConfigError, match="start: expected a model of this configuration, got"):
        started(folder, limit=None, model=folder / "model-None", network=network)


def test_a_model_of_other_vectors_is_refused(folder):
    write_model(folder, limit=None)
    words = folder / "vectors" / "words.txt"
    lines = words.read_text("utf-8").splitlines()
    try:
        words.write_text("\n".join([*lines[1:], lines[0]]) + "\n", "utf-8")
        with pytest.raises(ConfigError, match="start: expected a model of these vectors, got"):
            started(folder, limit=None, model=folder / "model-None")
    finally:
        words.write_text("\n".join(lines) + "\n", "utf-8")
