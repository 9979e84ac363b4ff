"""A smaller network that does nearly what a larger one does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ner_service.artifact import load_artifact
from ner_service.artifact.store import write_manifest
from ner_service.inference.onnx_backend import OnnxBackend
from ner_service.inference.torch_backend import TorchBackend
from ner_service.tagger import Tagger
from tests.training_runs import SAMPLE, materials_of, sample_settings
from training.corpus import load_corpus
from training.describe import describe_model, describe_training
from training.emissions import read_emissions
from training.metrics_file import read_metrics, save_metrics
from training.seen import load_keys, save_keys
from training.shrink import Moments, main, narrowed, thinned
from training.start import start_from
from training.train import make_module, write_artifact

CELL = "sentence_encoder.recurrence.layers.0.{}"
OUTPUT = "sentence_encoder.output"
PROJECTION = "word_encoder.projection"
TEXT = "Ines Costa flew from Lisbon to Northwind Bank in Spain."


def write_model(folder: Path, change=None, **network) -> Path:
    """A model of 8 units and rows of 10 numbers with fresh weights, changed by `change`."""
    settings = sample_settings(folder, output=str(folder / "model"))
    wanted = {"word_width": 10, "hidden_width": 8, **network}
    settings = replace(settings, network=replace(settings.network, **wanted))
    materials = materials_of(settings)
    torch.manual_seed(3)
    module = make_module(settings, materials)
    if change is not None:
        with torch.no_grad():
            change(module.network.sentence_encoder)
    write_artifact(module, materials, folder / "model")
    save_keys(folder / "model", np.arange(3, dtype=np.uint64))
    corpus = load_corpus(settings.data)
    told = {
        "model": describe_model(folder / "model"),
        "training": describe_training(
            settings, corpus, config_file=Path("sample.toml"), texts=[Path("news.jsonl.gz")]
        ),
    }
    save_metrics(folder / "model", told)
    write_manifest(folder / "model")
    return folder / "model"


def shrink(model: Path, **options: object) -> int:
    wanted = {"corpus": SAMPLE, "development": SAMPLE, "output": model.parent / "small", **options}
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in wanted.items()]
    return main(["--model", str(model), *arguments])


def silence(encoder) -> None:
    """Nothing reads three units of each direction."""
    for direction, cell in enumerate(encoder.recurrence.layers[0]):
        mute = torch.tensor([1 + direction, 4, 7])
        cell.weight_hh_l0[:, mute] = 0
        encoder.output.weight[:, direction * 8 + mute] = 0


def twin(encoder) -> None:
    """Units 1 and 5 of each direction do the same, and both are read."""
    for cell in encoder.recurrence.layers[0]:
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
            gates = getattr(cell, name)
            gates[5::8] = gates[1::8]
        # Read little, so that one of them is what goes.
        cell.weight_hh_l0[:, [1, 5]] *= 0.2
    encoder.output.weight[:, [1, 5, 9, 13]] *= 0.2


def read_little(encoder) -> None:
    """The gates see four directions of a row."""
    factor = torch.rand(4, 10)
    for cell in encoder.recurrence.layers[0]:
        cell.weight_ih_l0[:] = torch.rand(len(cell.weight_ih_l0), 4) @ factor


@pytest.mark.parametrize(
    ("change", "smaller", "network"),
    [
        (silence, {"units": 5}, {}),
        (silence, {"units": 5}, {"cell": "gru", "bidirectional": False}),
        (silence, {"units": 5}, {"cell": "rnn_tanh"}),
        (twin, {"units": 7}, {}),
        (read_little, {"word_width": 4}, {}),
        (read_little, {"word_width": 4}, {"cell": "gru", "bidirectional": False}),
    ],
)
def test_what_tells_nothing_goes_and_nothing_changes(tmp_path, change, smaller, network):
    model = write_model(tmp_path, change, **network)
    assert shrink(model, **smaller) == 0
    before, after = load_artifact(model), load_artifact(tmp_path / "small")
    widths = {"units": "hidden_width", "word_width": "word_width"}
    wanted = {widths[name]: value for name, value in smaller.items()}
    assert after.config == replace(
        before.config,
        name="small",
        temperature=after.config.temperature,
        network=replace(before.config.network, **wanted),
    )
    expected, *others = (
        emissions_of(artifact, backend)
        for artifact in (before, after)
        for backend in (OnnxBackend(artifact.path), TorchBackend(artifact))
    )
    assert np.ptp(expected, axis=0).min() > 0
    for emissions in others:
        np.testing.assert_allclose(emissions, expected, atol=1e-3)


def emissions_of(artifact, backend) -> np.ndarray:
    tagger = Tagger(artifact, backend)
    documents = [tagger.prepare(text) for text in (TEXT, TEXT.upper())]
    return read_emissions(artifact, backend, documents).emissions


def moments_of(vectors: np.ndarray) -> Moments:
    moments = Moments(vectors.shape[1])
    for part in np.array_split(vectors, 3):
        moments.add(part)
    return moments


def fresh_weights(generator, *, words: int, width: int, units: int) -> dict[str, np.ndarray]:
    """Of an LSTM in two directions, whose states 4 tags are read from."""
    shapes = {f"{PROJECTION}.weight": (words, 11), f"{PROJECTION}.bias": (words,)}
    for cell in map(CELL.format, range(2)):
        shapes[f"{cell}.weight_ih_l0"] = (4 * units, width)
        shapes[f"{cell}.weight_hh_l0"] = (4 * units, units)
        shapes |= {f"{cell}.bias_{side}_l0": (4 * units,) for side in ("ih", "hh")}
    shapes |= {f"{OUTPUT}.weight": (4, 2 * units), f"{OUTPUT}.bias": (4,)}
    return {name: generator.normal(size=shape) for name, shape in shapes.items()}


def test_moments_are_those_of_all_vectors():
    vectors = np.random.default_rng(1).normal(size=(50, 4)) + 3
    moments = moments_of(vectors)
    assert moments.count == 50
    np.testing.assert_allclose(moments.mean, vectors.mean(axis=0))
    np.testing.assert_allclose(moments.covariance, np.cov(vectors.T, bias=True))


def test_no_matrix_of_that_rank_reads_the_rows_better():
    generator = np.random.default_rng(2)
    weights = fresh_weights(generator, words=6, width=6, units=3)
    inputs = generator.normal(size=(200, 11))
    rows = inputs @ weights[f"{PROJECTION}.weight"].T + weights[f"{PROJECTION}.bias"]
    left = narrowed(weights, moments_of(rows), 2)

    def read(held: dict[str, np.ndarray]) -> np.ndarray:
        own = inputs @ held[f"{PROJECTION}.weight"].T + held[f"{PROJECTION}.bias"]
        gates = [
            own @ held[f"{cell}.weight_ih_l0"].T + held[f"{cell}.bias_ih_l0"]
            for cell in map(CELL.format, range(2))
        ]
        return np.concatenate(gates, axis=1)

    whole, found = read(weights), read(left)
    assert left[f"{PROJECTION}.weight"].shape == (2, 11)
    # Eckart and Young: what the products themselves have in their two greatest singular values.
    centre = whole.mean(axis=0)
    gains, sizes, directions = np.linalg.svd(whole - centre, full_matrices=False)
    best = (gains[:, :2] * sizes[:2]) @ directions[:2] + centre
    least = np.square(whole - best).sum()
    assert np.square(whole - found).sum() == pytest.approx(least, rel=1e-3)
    assert least > 1


def test_the_units_missed_least_go_and_what_was_read_of_them_is_read_of_the_others():
    generator = np.random.default_rng(3)
    weights = fresh_weights(generator, words=6, width=6, units=5)
    states = generator.normal(size=(300, 10)) @ generator.normal(size=(10, 10)) + 2
    left = thinned(weights, moments_of(states), 3)

    output = weights[f"{OUTPUT}.weight"]
    recurrent = [weights[f"{cell}.weight_hh_l0"] for cell in map(CELL.format, range(2))]
    kept = [list(range(10)), [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    for turn in range(4):
        direction = turn % 2
        own = states[:, 5 * direction : 5 * direction + 5]
        missed = {}
        for unit in kept[1 + direction]:
            others = [state for state in kept[0] if state != 5 * direction + unit]
            mine = [other for other in kept[1 + direction] if other != unit]
            missed[unit] = amiss(states, output, others) - amiss(states, output, kept[0])
            missed[unit] += 0.5 * amiss(own, recurrent[direction], mine)
            missed[unit] -= 0.5 * amiss(own, recurrent[direction], kept[1 + direction])
        gone = min(missed, key=missed.get)
        kept[0].remove(5 * direction + gone)
        kept[1 + direction].remove(gone)

    for direction, cell in enumerate(map(CELL.format, range(2))):
        rows = [gate * 5 + unit for gate in range(4) for unit in kept[1 + direction]]
        for name in ("weight_ih_l0", "bias_ih_l0"):
            np.testing.assert_array_equal(left[f"{cell}.{name}"], weights[f"{cell}.{name}"][rows])
        own = states[:, 5 * direction : 5 * direction + 5]
        known = own[:, kept[1 + direction]]
        found = known @ left[f"{cell}.weight_hh_l0"].T + left[f"{cell}.bias_hh_l0"]
        wanted = own @ recurrent[direction].T + weights[f"{cell}.bias_hh_l0"]
        np.testing.assert_allclose(found, foretold(wanted[:, rows], known), atol=0.05)
        assert np.abs(found - wanted[:, rows]).max() > 1
    known = states[:, kept[0]]
    found = known @ left[f"{OUTPUT}.weight"].T + left[f"{OUTPUT}.bias"]
    wanted = states @ output.T + weights[f"{OUTPUT}.bias"]
    np.testing.assert_allclose(found, foretold(wanted, known), atol=0.05)
    assert np.abs(found - wanted).max() > 1


def amiss(states: np.ndarray, matrix: np.ndarray, kept: list[int]) -> float:
    """Mean square of what the kept states do not tell of what is read of all."""
    wanted = states @ matrix.T
    return np.square(wanted - foretold(wanted, states[:, kept])).sum() / len(states)


def foretold(wanted: np.ndarray, known: np.ndarray) -> np.ndarray:
    """What least squares, with a constant, make of what is wanted from what is known."""
    given = np.column_stack([known, np.ones(len(known))])
    answer, *_ = np.linalg.lstsq(given, wanted, rcond=None)
    return given @ answer


def test_a_run_goes_on_from_it_and_knows_what_was_learnt_from(tmp_path):
    assert shrink(write_model(tmp_path), units=5, word_width=4) == 0
    small = tmp_path / "small"
    settings = sample_settings(tmp_path)
    network = replace(settings.network, hidden_width=5, word_width=4)
    materials = materials_of(replace(settings, network=network))
    module = make_module(replace(settings, network=network), materials)
    start_from(small, module, load_artifact(small).vector_tables)
    np.testing.assert_array_equal(
        module.network.state_dict()[f"{OUTPUT}.weight"].numpy(),
        load_artifact(small).weights[f"{OUTPUT}.weight"],
    )
    assert read_metrics(small)["training"]["texts"] == ["news.jsonl.gz"]
    assert load_keys(small).tolist() == [0, 1, 2]


def test_its_temperature_is_its_own_and_its_card_tells_what_it_was(tmp_path):
    model = write_model(tmp_path)
    assert shrink(model, units=5, word_width=4) == 0
    config = load_artifact(tmp_path / "small").config
    metrics = read_metrics(tmp_path / "small")
    assert metrics["calibration"]["temperature"] == config.temperature
    assert config.temperature != load_artifact(model).config.temperature
    assert metrics["shrunk"] == {"from": "sample", "word_width": 10, "hidden_width": 8}
    card = (tmp_path / "small" / "README.md").read_text("utf-8")
    assert "`sample` has 8 units in each direction and word rows of 10 numbers" in card
    assert "label the texts, and `python -m training.shrink`" in card


def test_raw_texts_are_looked_at_as_well_up_to_so_many_tokens(tmp_path):
    model = write_model(tmp_path)
    texts = tmp_path / "news.jsonl"
    texts.write_text("".join(f'{{"text": "{TEXT} {n}"}}\n' for n in range(9)), "utf-8")
    found = []
    for tokens in (0, 30, 1000):
        assert shrink(model, units=5, texts=texts, tokens=tokens) == 0
        found.append(load_artifact(tmp_path / "small").weights[f"{OUTPUT}.bias"].copy())
    assert not np.allclose(found[0], found[1], atol=1e-7)
    assert not np.allclose(found[1], found[2], atol=1e-7)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"units": 0}, "units: expected from 1 to 8, got 0"),
        ({"units": 9}, "units: expected from 1 to 8, got 9"),
        ({}, "expected a word-width or units that are less than the model's"),
        ({"units": 8, "word_width": 10}, "less than the model's"),
        ({"word_width": 11}, "word-width: expected from 1 to 10, got 11"),
    ],
)
def test_a_size_that_is_none_is_refused(tmp_path, capsys, options, told):
    assert shrink(write_model(tmp_path), **options) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("network", [{"cell": "none"}, {"layers": 2}])
def test_a_model_that_is_built_otherwise_is_refused(tmp_path, capsys, network):
    assert shrink(write_model(tmp_path, **network), units=5) == 2
    assert "expected one recurrent layer and a projection" in capsys.readouterr().err
