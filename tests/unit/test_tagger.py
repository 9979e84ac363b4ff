import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ner_service.artifact import NetworkConfig, load_artifact, locate
from ner_service.artifact.locate import list_models, resolve_model
from ner_service.errors import ArtifactError, ConfigError, ModelNotFoundError, TextError
from ner_service.inference import backends
from ner_service.inference.backends import make_backend
from ner_service.inference.onnx_backend import OnnxBackend
from ner_service.tagger import Document, Tagger
from ner_service.tags import spans_from_tags
from ner_service.text import tokenize
from ner_service.text.sentences import LONGEST_SENTENCE
from tests.reference import is_well_formed
from tests.strategies import texts, words
from tests.tiny import VOCABULARY, save_tiny, tiny_config

LONG = "Bob bought a toy Yoda in New York of Costa and SPAIN the bank of Lisbon " * 6
"""One sentence of many windows: the tiny model reads 12 slots at once."""


@pytest.fixture(scope="module")
def tagger(tiny_model: Path) -> Tagger:
    return Tagger.load(tiny_model, threads=1)


def assert_same(one: Document, other: Document) -> None:
    assert one.text == other.text
    np.testing.assert_array_equal(one.tag_ids, other.tag_ids)
    places = [[(e.start, e.end, e.label, e.text) for e in d.entities] for d in (one, other)]
    assert places[0] == places[1]
    np.testing.assert_allclose(
        [e.score for e in one.entities], [e.score for e in other.entities], atol=1e-5
    )


@given(st.lists(texts, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_answer_does_not_depend_on_neighbours_order_or_history(tagger, texts, random):
    together = tagger.tag_batch(texts)
    order = random.sample(range(len(texts)), len(texts))
    for index, document in zip(order, tagger.tag_batch([texts[i] for i in order]), strict=True):
        assert_same(document, together[index])
    for text, document in zip(texts, together, strict=True):
        assert document.text == text
        assert_same(tagger.tag(text), document)


@given(st.lists(texts, min_size=2, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_steps_of_many_that_are_mixed_give_the_same_answers(tiny_model, texts, random):
    tagger = Tagger.load(tiny_model, threads=1)
    # So few words that the cache is emptied while others wait for the network.
    tagger._rows._capacity = 3
    pending = {i: (tagger.tagging_steps([tagger.prepare(t)]), None) for i, t in enumerate(texts)}
    answers: dict[int, Document] = {}
    while pending:
        index = random.choice(sorted(pending))
        steps, result = pending.pop(index)
        try:
            work = steps.send(result)
        except StopIteration as end:
            (answers[index],) = end.value
        else:
            pending[index] = (steps, work())
    whole = Tagger.load(tiny_model, threads=1)
    for index, text in enumerate(texts):
        assert_same(answers[index], whole.tag(text))


@given(texts)
@settings(max_examples=60)
def test_fresh_tagger_gives_the_same_answer_as_one_that_has_seen_much(tagger, tiny_model, text):
    assert_same(Tagger.load(tiny_model, threads=1).tag(text), tagger.tag(text))


@given(texts)
@example("\U0001f469\u200d\U0001f469\u200d\U0001f467 Bob \U0001f600Costa")
@example("Bob\r\nCosta\r\n\r\nSPAIN\r")
@example("\u202eBob\u202c مرحبا Costa שלום SPAIN")
@example("\x00Bob\x00 Costa \x00")
@example("e\u0301 Bob\u0301 ﬁ\ufeffCosta")
@example("\ud800 Bob \udc00")
@example(LONG)
def test_offsets_always_fit(tagger, text):
    document = tagger.tag(text)
    assert document.text == text
    for entity in document.entities:
        assert 0 <= entity.start < entity.end <= len(text)
        assert text[entity.start : entity.end] == entity.text
        assert 0.0 <= entity.score <= 1.0
    starts = [entity.start for entity in document.entities]
    assert starts == sorted(set(starts))


@given(texts)
@settings(max_examples=60)
def test_entities_are_the_spans_of_the_tags(tagger, text):
    document = tagger.tag(text)
    assert document.tokens == tokenize(text)
    tags = [tagger.info.tags[i] for i in document.tag_ids]
    assert len(tags) == len(document.tokens)
    expected = [
        (document.tokens.starts[s.start_token], document.tokens.ends[s.end_token - 1], s.label)
        for s in spans_from_tags(tags, "IOBES")
    ]
    assert [(e.start, e.end, e.label) for e in document.entities] == expected


@pytest.mark.parametrize("text", ["", " ", "\n\n\t ", "\u200b\ufeff"])
def test_text_without_tokens_has_no_entities(tagger, text):
    document = tagger.tag(text)
    assert document.text == text
    assert document.entities == ()
    assert document.tag_ids.shape == (0,)


def test_nothing_to_tag_is_answered_with_nothing(tagger):
    assert tagger.tag_batch([]) == []
    assert tagger.tag_tokens([]) == []
    (document,) = tagger.tag_tokens([[]])
    assert document.text == ""
    assert document.entities == ()


def test_texts_without_tokens_do_not_move_their_neighbours(tagger):
    mixed = tagger.tag_batch(["", LONG, " ", "Bob bought Costa", ""])
    assert_same(mixed[1], tagger.tag(LONG))
    assert_same(mixed[3], tagger.tag("Bob bought Costa"))


def test_sentence_longer_than_a_window_is_decoded_whole(tmp_path):
    # Without a recurrence windows cannot change emissions: what is left is how pieces are joined.
    network = NetworkConfig(cell="none")
    narrow, wide = (
        Tagger.load(save_tiny(tmp_path / str(tokens), tiny_config(network, window_tokens=tokens)))
        for tokens in (8, 1000)
    )
    prepared = narrow.prepare(LONG)
    assert len(prepared.layout.segments) == 1
    assert len(prepared.layout.windows) > 10
    assert len(wide.prepare(LONG).layout.windows) == 1
    assert_same(narrow.tag(LONG), wide.tag(LONG))
    assert narrow.tag(LONG).entities


def test_long_sentence_gives_a_well_formed_sequence_of_tags(tagger):
    document = tagger.tag(LONG)
    assert len(document.tag_ids) == len(document.tokens) == len(LONG.split())
    assert is_well_formed([tagger.info.tags[i] for i in document.tag_ids], "IOBES")
    assert document.entities


def test_a_sentence_without_end_is_decoded_in_bounded_segments(tagger):
    words = ["Bob", "bought", "Costa"] * 1_500
    for prepared in (tagger.prepare(" ".join(words)), tagger.prepare_tokens(words)):
        segments = prepared.layout.segments
        assert max(stop - start for start, stop in segments) <= LONGEST_SENTENCE
        assert len(segments) == 5
        (document,) = tagger.tag_documents([prepared])
        assert len(document.tag_ids) == len(words)


def test_no_entity_reaches_over_the_end_of_a_sentence(tagger):
    text = "SPAIN Costa. Lisbon bank. " * 20
    ends = [place + 1 for place, sign in enumerate(text) if sign == "."]
    for entity in tagger.tag(text).entities:
        assert not any(entity.start < end < entity.end for end in ends)


def test_tokens_are_taken_as_they_come_and_offsets_point_into_them_joined_by_spaces(tagger):
    given_tokens = ["Bob", "New York", "U.S. .", "\U0001f600x", "Costa"]
    (document,) = tagger.tag_tokens([given_tokens])
    assert document.text == " ".join(given_tokens)
    assert document.tokens.texts == given_tokens
    for token in document.tokens:
        assert document.text[token.start : token.end] == token.text
    for entity in document.entities:
        assert document.text[entity.start : entity.end] == entity.text


@given(st.lists(words, max_size=5))
@settings(max_examples=40)
def test_tokens_are_tagged_alike_alone_and_together(tagger, documents):
    together = tagger.tag_tokens(documents)
    for tokens, document in zip(documents, together, strict=True):
        assert document.text == " ".join(tokens)
        assert_same(tagger.tag_tokens([tokens])[0], document)


def test_raw_and_pretokenised_documents_may_be_mixed(tagger):
    prepared = [tagger.prepare(LONG), tagger.prepare_tokens(["Bob", "Costa"]), tagger.prepare("")]
    raw, tokens, empty = tagger.tag_documents(prepared)
    assert_same(raw, tagger.tag(LONG))
    assert_same(tokens, tagger.tag_tokens([["Bob", "Costa"]])[0])
    assert not empty.entities


def test_given_sentence_starts_lay_out_tokens_like_the_sentences_of_a_text(tagger):
    text = "Bob bought Yoda. Costa left SPAIN."
    tokens = tokenize(text)
    by_text = tagger.tag(text)
    prepared = tagger.prepare_tokens(tokens.texts, starts=[0, 4])
    np.testing.assert_array_equal(tagger.tag_documents([prepared])[0].tag_ids, by_text.tag_ids)
    assert prepared.layout.segments == tagger.prepare(text).layout.segments


def test_empty_token_is_refused_with_its_place(tagger):
    with pytest.raises(TextError, match="empty one at 1"):
        tagger.tag_tokens([["Bob", "", "Costa"]])


def test_texts_may_be_prepared_from_many_threads(tagger):
    many = [f"Bob bought {number} toys. {LONG}" for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        prepared = list(pool.map(tagger.prepare, many))
    for document, text in zip(tagger.tag_documents(prepared), many, strict=True):
        assert_same(document, tagger.tag(text))


def test_word_id_is_the_position_in_the_one_hot_vector(tagger):
    assert tagger.word_ids(["the", "Bob", "nobody"]) == [2, 4, 0]
    assert len(VOCABULARY.words) + 2 == VOCABULARY.word_count


def test_swapping_two_words_changes_what_is_found_elsewhere(tagger):
    # The middle word stays, its neighbours change places.
    one, other = tagger.tag_tokens([["Bob", "Lisbon", "bought"], ["bought", "Lisbon", "Bob"]])
    scores = [{(e.text, e.label): e.score for e in d.entities} for d in (one, other)]
    assert scores[0] != scores[1]


def test_model_says_what_it_is(tagger, tiny_model):
    info = tagger.info
    assert info.name == "tiny"
    assert info.version == load_artifact(tiny_model).version
    assert info.scheme == "IOBES"
    assert info.labels == ("LOC", "PER")
    assert info.tags[0] == "O"
    assert len(info.tags) == 9


def test_int8_model_finds_much_the_same(tagger, tiny_model):
    quantised = Tagger.load(tiny_model, precision="int8").tag(LONG)
    assert np.mean(quantised.tag_ids == tagger.tag(LONG).tag_ids) > 0.8


# Where models are found


@pytest.fixture
def folders(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders in NER_MODELS, the first with `alpha`, both with `beta`."""
    monkeypatch.setattr(locate, "_PACKAGE", tmp_path / "nowhere" / "ner_service")
    for place in ("one/alpha", "one/beta", "two/beta", "two/gamma"):
        shutil.copytree(tiny_model, tmp_path / place)
    (tmp_path / "one" / "empty").mkdir()
    (tmp_path / "one" / "README.md").write_text("Not a model.", encoding="utf-8")
    paths = [str(tmp_path / "one"), "", str(tmp_path / "missing"), str(tmp_path / "two")]
    monkeypatch.setenv("NER_MODELS", ":".join(paths))
    monkeypatch.setattr("os.pathsep", ":")
    return tmp_path


def test_models_are_listed_and_the_first_of_a_name_wins(folders):
    assert list_models() == [
        folders / "one/alpha",
        folders / "one/beta",
        folders / "two/gamma",
    ]


@pytest.mark.parametrize(
    ("name", "place"), [("alpha", "one/alpha"), ("beta", "one/beta"), ("gamma", "two/gamma")]
)
def test_model_is_found_by_name(folders, name, place):
    assert resolve_model(name) == folders / place
    assert Tagger.load(name).info.name == "tiny"


def test_path_goes_before_name(folders, monkeypatch):
    monkeypatch.chdir(folders / "two")
    assert resolve_model("beta") == Path("beta")
    assert resolve_model(folders / "two/beta") == folders / "two/beta"
    assert resolve_model("../one/alpha") == Path("../one/alpha")


def test_folder_of_that_name_that_holds_no_model_does_not_hide_one(folders, monkeypatch):
    (folders / "here" / "alpha").mkdir(parents=True)
    monkeypatch.chdir(folders / "here")
    assert resolve_model("alpha") == folders / "one/alpha"


@pytest.mark.parametrize("name", ["delta", "empty", "one/alpha", "", "../alpha"])
def test_unknown_model_is_told_with_the_folders_that_were_searched(folders, name):
    with pytest.raises(ModelNotFoundError) as failure:
        resolve_model(name)
    assert str(folders / "one") in str(failure.value)
    assert str(folders / "two") in str(failure.value)


def test_damaged_model_is_named_by_relative_paths_too(folders, monkeypatch):
    monkeypatch.chdir(folders)
    (folders / "one/alpha/config.json").unlink()
    for path in ("one/alpha", str(folders / "one/alpha"), "./one/alpha"):
        with pytest.raises(ArtifactError, match=r"one/alpha/config\.json"):
            Tagger.load(path)


def test_models_of_the_package_come_after_those_that_are_named(folders, tiny_model, monkeypatch):
    package = folders / "site" / "ner_service"
    shutil.copytree(tiny_model, package / "_models" / "beta")
    shutil.copytree(tiny_model, folders / "site" / "models" / "omega")
    monkeypatch.setattr(locate, "_PACKAGE", package)
    assert resolve_model("beta") == folders / "one/beta"
    assert resolve_model("omega") == folders / "site/models/omega"
    monkeypatch.delenv("NER_MODELS")
    assert list_models() == [package / "_models/beta", folders / "site/models/omega"]


# Which backend


def test_auto_is_onnx_where_there_is_no_gpu(tiny_model, monkeypatch):
    monkeypatch.setattr(backends, "_GPU_DEVICES", (str(tiny_model / "no-such-device"),))
    assert isinstance(make_backend(load_artifact(tiny_model), "auto", "full", None), OnnxBackend)


def test_auto_asks_torch_where_there_is_a_device(tiny_model, monkeypatch):
    from ner_service.inference import torch_backend

    monkeypatch.setattr(backends, "_GPU_DEVICES", (str(tiny_model),))
    artifact = load_artifact(tiny_model)
    # A device that torch cannot use.
    monkeypatch.setattr(torch_backend, "has_gpu", lambda: False)
    assert isinstance(make_backend(artifact, "auto", "full", None), OnnxBackend)
    answers = iter([True, False])  # there is a GPU; the network stays on the CPU for this test
    monkeypatch.setattr(torch_backend, "has_gpu", lambda: next(answers))
    backend = make_backend(artifact, "auto", "full", None)
    assert isinstance(backend, torch_backend.TorchBackend)


def test_auto_is_onnx_for_int8(tiny_model, monkeypatch):
    monkeypatch.setattr(backends, "_has_gpu", lambda: True)
    assert isinstance(make_backend(load_artifact(tiny_model), "auto", "int8", None), OnnxBackend)


def test_half_precision_is_torch_on_a_gpu(tiny_model, monkeypatch):
    from ner_service.inference import torch_backend

    monkeypatch.setattr(backends, "_has_gpu", lambda: True)
    # The network stays on the processor for this test.
    backend = make_backend(load_artifact(tiny_model), "auto", "half", None)
    assert isinstance(backend, torch_backend.TorchBackend)


@pytest.mark.parametrize(("backend", "gpu"), [("auto", False), ("torch", False), ("onnx", True)])
def test_half_precision_without_torch_on_a_gpu_is_refused(tiny_model, monkeypatch, backend, gpu):
    monkeypatch.setattr(backends, "_has_gpu", lambda: gpu)
    with pytest.raises(ConfigError, match=r"precision half: expected a GPU and ner-service\[torch"):
        Tagger.load(tiny_model, backend=backend, precision="half")


def test_torch_in_int8_is_refused(tiny_model):
    with pytest.raises(ConfigError, match="precision int8: expected backend onnx, got torch"):
        Tagger.load(tiny_model, backend="torch", precision="int8")


def test_missing_torch_is_told_with_what_to_install(tiny_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "ner_service.inference.torch_backend", None)
    with pytest.raises(ConfigError, match=r"install ner-service\[torch\]"):
        Tagger.load(tiny_model, backend="torch")
