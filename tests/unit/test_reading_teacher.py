"""A teacher that reads a language model: a real, tiny MPNet with random weights."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from ner_service.errors import ConfigError
from tests.reference import EnumeratedCRF
from tests.training_runs import sample_settings
from training.language_model import LanguageModel, WordPieces
from training.reading_teacher import EMISSIONS, train_and_read
from training.relabel import main, relabel
from training.teacher import (
    LabelledWindow,
    Teacher,
    language_models_of,
    load_labelled,
    save_labelled,
)

TEXTS = ("Ines Costa went to Lisbon. She likes it.", "Spain beat Portugal 2-1 on Friday.")
WORDS = ("in", "lisbon", "Lisbon", "costa", "unheard-of", "\N{SNOWMAN}", "spain" * 9)
TAGS = ("O", "B-PER", "I-PER", "E-PER", "S-PER")


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """The language model, as `transformers` saves one."""
    from transformers import MPNetConfig, MPNetModel, MPNetTokenizer

    folder = tmp_path_factory.mktemp("mpnet")
    letters = [*"abcdefghijklmnopqrstuvwxyz.-0123456789"]
    pieces = ["<s>", "<pad>", "</s>", "[UNK]", *letters, *(f"##{letter}" for letter in letters)]
    pieces += ["in", "lisbon", "cost", "##tugal", "spain", "<mask>"]
    MPNetTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}).save_pretrained(folder)
    torch.manual_seed(5)
    config = MPNetConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=66,
    )
    MPNetModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def labelled(trained_model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    save_labelled(list(Teacher([trained_model]).label(TEXTS)), folder)
    return folder


@pytest.fixture(scope="module")
def read(source, labelled, tmp_path_factory) -> Path:
    """What a teacher found in the windows of `labelled`."""
    folder = tmp_path_factory.mktemp("read")
    settings = sample_settings(folder, epochs=1, name="reading")
    train_and_read(
        settings,
        language_model=str(source),
        layers=1,
        learning_rate=1e-3,
        labelled=labelled,
        output=folder,
    )
    return folder


@pytest.fixture(autouse=True)
def _runs_elsewhere(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("training.train.RUNS", tmp_path / "runs")


@pytest.fixture
def tokenizer(source):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(source)


@pytest.mark.parametrize("longest", [64, 9])
def test_pieces_of_windows_are_laid_out_one_behind_the_other(tokenizer, longest):
    pieces = WordPieces(WORDS, tokenizer)
    types = torch.tensor([[3, 0, 5, 7, 1], [2, 4, 6, 0, 0]])
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    ids, first = pieces.lay_out(types, mask, longest=longest)

    for row in range(2):
        expected, firsts = [tokenizer.cls_token_id], []
        for word in types[row][mask[row]].tolist():
            firsts.append(min(len(expected), ids.shape[1] - 1))
            cut = [tokenizer.sep_token_id]
            if word:
                cut = tokenizer(WORDS[word - 1], add_special_tokens=False)["input_ids"][:8]
            expected += cut
        expected = [*expected[: longest - 1], tokenizer.sep_token_id]
        assert ids[row][ids[row] != tokenizer.pad_token_id].tolist() == expected
        assert first[row][mask[row]].tolist() == firsts


def test_states_do_not_depend_on_the_other_windows(source):
    model = LanguageModel(str(source), WORDS).eval()
    types = torch.tensor([[3, 0, 5, 7, 1], [2, 4, 6, 0, 0]])
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    with torch.no_grad():
        together = model(types, mask)
        alone = model(types[1:, :3], mask[1:, :3])
        ids, first = model.pieces.lay_out(types[1:, :3], mask[1:, :3], longest=64)
        plain = model.encoder(input_ids=ids).last_hidden_state
    torch.testing.assert_close(together[1:, :3], alone)
    torch.testing.assert_close(alone[0], plain[0, first[0]])


def test_only_the_first_layers_are_kept(source):
    model = LanguageModel(str(source), WORDS, layers=1)
    assert model.encoder.config.num_hidden_layers == 1
    assert model.width == 16


def test_a_missing_language_model_is_named(tmp_path):
    with pytest.raises(ConfigError, match="language model .*nothing: expected one"):
        LanguageModel(str(tmp_path / "nothing"), WORDS)


def test_a_teacher_reads_every_slot(labelled, read):
    arrays = load_file(read / EMISSIONS)
    windows = load_labelled(labelled)
    assert arrays["emissions"].shape == (
        sum(len(window.words) for window in windows),
        windows[0].soft.moves.shape[0],
    )
    assert np.isfinite(arrays["emissions"]).all()
    assert np.ptp(arrays["emissions"], axis=0).max() > 0


def test_the_language_model_learns(source, labelled, tmp_path, monkeypatch):
    seen: list[LanguageModel] = []
    monkeypatch.setattr(
        "training.reading_teacher.LanguageModel",
        lambda *a, **k: seen.append(LanguageModel(*a, **k)) or seen[0],
    )
    train_and_read(
        sample_settings(tmp_path, epochs=1),
        language_model=str(source),
        layers=None,
        learning_rate=1e-3,
        labelled=labelled,
        output=tmp_path,
    )
    fresh = LanguageModel(str(source), WORDS)
    learnt = dict(seen[0].encoder.named_parameters())
    changed = {n for n, p in fresh.encoder.named_parameters() if not torch.equal(p, learnt[n])}
    assert any("layer.1" in name for name in changed)
    assert "embeddings.word_embeddings.weight" in changed


def test_new_labels_are_the_crf_s(labelled, read, tmp_path):
    relabel(labelled, [read], tmp_path, share=1.0)
    arrays = load_file(read / EMISSIONS)
    given = {tuple(w.words): w for w in load_labelled(tmp_path)}
    begin = 0
    for window in load_labelled(labelled):
        emissions = arrays["emissions"][begin : begin + len(window.words)].astype(np.float64)
        begin += len(window.words)
        new = given[tuple(window.words)].soft
        np.testing.assert_allclose(new.marginals.sum(axis=1), 1, atol=5e-3)
        # Transitions summed over where they come from are the tags that they lead to.
        np.testing.assert_allclose(
            new.moves.sum(axis=0), new.marginals[1:].sum(axis=0), atol=len(emissions) * 1e-3
        )
        assert new.marginals[[word is None for word in window.words], 0].tolist() == [1.0] * (
            window.words.count(None)
        )


def test_labels_equal_enumeration_and_mix_with_the_old(tmp_path):
    random = np.random.default_rng(8)
    windows, emissions = [], []
    for words in (["Bob", "ran", None, "Ann"], ["Ann"]):
        old = np.eye(len(TAGS))[random.integers(len(TAGS), size=len(words))]
        moves = np.ones((len(TAGS), len(TAGS)))
        windows.append(_window(words, old, moves))
        emissions.append(random.normal(size=(len(words), len(TAGS))))
    weights = {
        "transitions": random.normal(size=(len(TAGS), len(TAGS))),
        "start": random.normal(size=len(TAGS)),
        "end": random.normal(size=len(TAGS)),
    }
    crf = EnumeratedCRF(TAGS, "IOBES", **weights)
    illegal = _forbidden()
    save_labelled(windows, tmp_path / "old")
    for number in (1, -1):  # two teachers whose mean is the weights above
        arrays = {"emissions": np.concatenate(emissions) + 0.5 * number, **weights}
        arrays["transitions"] = np.where(illegal["transitions"], -1e4, arrays["transitions"])
        arrays["start"] = np.where(illegal["start"], -1e4, arrays["start"])
        arrays["end"] = np.where(illegal["end"], -1e4, arrays["end"])
        (tmp_path / f"t{number}").mkdir()
        save_file(
            {k: v.astype(np.float32) for k, v in arrays.items()},
            tmp_path / f"t{number}" / EMISSIONS,
            metadata={"language_model": "tiny"},
        )
    relabel(tmp_path / "old", [tmp_path / "t1", tmp_path / "t-1"], tmp_path / "new", share=0.75)

    assert language_models_of(tmp_path / "new") == ["tiny"]
    assert language_models_of(tmp_path / "old") == []
    found = {len(window.words): window for window in load_labelled(tmp_path / "new")}
    for window, scores in zip(windows, emissions, strict=True):
        boundaries = np.array([word is None for word in window.words])
        expected = crf.marginals(scores, boundaries)
        new = found[len(window.words)].soft
        np.testing.assert_allclose(
            new.marginals, 0.75 * expected + 0.25 * window.soft.marginals, atol=1e-3
        )
        moves = np.zeros((len(TAGS), len(TAGS)))
        for path, probability in zip(*crf.probabilities(scores, boundaries), strict=True):
            for before, after in pairwise(path):
                moves[before, after] += probability
        np.testing.assert_allclose(new.moves, 0.75 * moves + 0.25 * window.soft.moves, atol=1e-4)


def _window(words, marginals, moves) -> LabelledWindow:
    from training.data import SoftTags

    return LabelledWindow(words, SoftTags(marginals.astype(np.float16), moves.astype(np.float32)))


def _forbidden() -> dict[str, np.ndarray]:
    """Where no well-formed path goes, by enumeration of paths of three."""
    paths = EnumeratedCRF(
        TAGS, "IOBES", *(np.zeros(s) for s in ((len(TAGS), len(TAGS)), len(TAGS), len(TAGS)))
    ).paths(np.zeros((3, len(TAGS))))[0]
    forbidden = {
        "transitions": np.ones((len(TAGS), len(TAGS)), bool),
        "start": np.ones(len(TAGS), bool),
        "end": np.ones(len(TAGS), bool),
    }
    for path in paths:
        forbidden["start"][path[0]] = forbidden["end"][path[-1]] = False
        for before, after in pairwise(path):
            forbidden["transitions"][before, after] = False
    return forbidden


@pytest.mark.parametrize("share", ["0", "1.5"])
def test_a_share_is_more_than_nothing_and_at_most_all(labelled, read, tmp_path, capsys, share):
    arguments = ["--labelled", labelled, "--emissions", read, "--output", tmp_path]
    assert main([*map(str, arguments), "--share", share]) == 2
    assert "--share: expected more than 0 and at most 1" in capsys.readouterr().err


def test_emissions_of_other_windows_are_refused(labelled, read, tmp_path):
    other = load_labelled(labelled)[:1]
    save_labelled(other, tmp_path / "fewer")
    with pytest.raises(ConfigError, match=r"expected \(\d+, \d+\) emissions"):
        relabel(tmp_path / "fewer", [read], tmp_path / "new", share=1.0)
