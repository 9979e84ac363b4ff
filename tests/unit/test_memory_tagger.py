"""The memory in the tagger, over a tiny model of random weights."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from ner_service.artifact import load_artifact
from ner_service.errors import ConfigError
from ner_service.memory import Example, Memory, Taught, make_example
from ner_service.memory.forms import LATEST, CachedWords, FormTable
from ner_service.memory.votes import KNOWN, NEW, TRAINED
from ner_service.tagger import Document, Tagger, TagOptions
from tests.strategies import texts

TEXT = "the toy zorblax bought in Lisbon ."


def example(text: str, *named: tuple[str, str]) -> Example:
    return make_example(
        text, [Taught(text.index(n), text.index(n) + len(n), label) for n, label in named]
    )


def found(document: Document) -> list[tuple[str, str]]:
    return [(entity.text, entity.label) for entity in document.entities]


@pytest.fixture
def tagger(tiny_model: Path) -> Tagger:
    return Tagger.load(tiny_model, backend="onnx", threads=1)


@pytest.fixture(scope="module")
def untaught(tiny_model: Path) -> Tagger:
    tagger = Tagger.load(tiny_model, backend="onnx", threads=1)
    tagger.tag(TEXT)  # a row of a word depends by its last bits on the words it came with
    return tagger


@pytest.fixture(scope="module")
def forgetful(tiny_model: Path) -> Tagger:
    tagger = Tagger.load(tiny_model, backend="onnx", threads=1)
    lesson = example(TEXT, ("zorblax", "PER"))
    tagger.teach([lesson])
    tagger.forget([lesson.id, "unknown"])
    return tagger


@given(texts)
@settings(max_examples=40)
def test_empty_memory_changes_nothing_to_the_last_bit(untaught, forgetful, text) -> None:
    one, other = untaught.tag(text), forgetful.tag(text)
    assert one.entities == other.entities
    np.testing.assert_array_equal(one.tag_ids, other.tag_ids)


def test_taught_text_is_tagged_as_taught(tagger: Tagger) -> None:
    wanted = [("toy zorblax", "PER"), ("Lisbon", "LOC")]
    assert found(tagger.tag(TEXT)) != wanted
    tagger.teach([example(TEXT, *wanted)])
    document = tagger.tag(TEXT)
    assert found(document) == wanted
    assert document.entities[0].source == "memory"
    assert all(TEXT[e.start : e.end] == e.text for e in document.entities)
    assert len(tagger.memory) == len(document.tokens)
    assert tagger.memory.examples == 1


def test_label_that_the_model_lacks_joins_behind_its_tags(tagger: Tagger) -> None:
    before = tagger.info
    tagger.teach([example(TEXT, ("zorblax", "DRUG"))])
    assert tagger.info.tags[: len(before.tags)] == before.tags
    assert tagger.info.labels == (*before.labels, "DRUG")
    document = tagger.tag(TEXT)
    assert ("zorblax", "DRUG") in found(document)
    assert tagger.info.tags[document.tag_ids[2]] == "S-DRUG"
    tagger.forget([next(iter(tagger.memory._of_example))])
    assert tagger.info.labels == (*before.labels, "DRUG")  # ids of answers stay valid
    assert "DRUG" not in dict(map(reversed, found(tagger.tag(TEXT))))


def test_tokens_that_the_memory_does_not_know_are_left_alone(tagger: Tagger) -> None:
    tagger.memory.voting = type(tagger.memory.voting)(uncertain=0.0)
    text = "Bob and Costa of SPAIN"
    before = tagger.tag(text)
    tagger.teach([example("zorblax", ("zorblax", "DRUG"))])
    after = tagger.tag(text)
    np.testing.assert_array_equal(after.tag_ids, before.tag_ids)
    assert found(after) == found(before)
    assert all(entity.source == "model" for entity in after.entities)
    np.testing.assert_allclose(
        [e.score for e in after.entities], [e.score for e in before.entities], atol=2e-6
    )


def test_answer_does_not_depend_on_its_neighbours_in_the_batch(tagger: Tagger) -> None:
    tagger.teach([example(TEXT, ("zorblax", "PER")), example("Bob bought Yoda .", ("Yoda", "X"))])
    several = [TEXT, "", "Bob saw Yoda in Lisbon .", "the bank of zorblax", TEXT * 3]
    for text, together in zip(several, tagger.tag_batch(several), strict=True):
        alone = tagger.tag(text)
        assert found(alone) == found(together)
        np.testing.assert_allclose(
            [e.score for e in alone.entities], [e.score for e in together.entities], atol=1e-5
        )


def test_explanation_shows_the_neighbours(tagger: Tagger) -> None:
    lesson = example(TEXT, ("zorblax", "PER"))
    tagger.teach([lesson])
    document = tagger.tag(TEXT, TagOptions(explain=True))
    assert document.analysis is not None
    entity = next(e for e in document.entities if e.text == "zorblax")
    explanation = document.analysis.explain(entity, document.tokens, tagger.info.tags)
    nearest = explanation.neighbours[0][0]
    assert (nearest.example, nearest.token, nearest.text, nearest.tag) == (
        lesson.id, 2, "zorblax", "S-PER",
    )  # fmt: skip
    assert nearest.similarity == pytest.approx(1.0, abs=1e-5)
    assert nearest.weight > 1
    assert len({(n.example, n.token) for n in explanation.neighbours[0]}) == len(
        explanation.neighbours[0]
    )


def test_labellings_know_the_taught_label(tagger: Tagger) -> None:
    tagger.teach([example(TEXT, ("zorblax", "DRUG"))])
    document = tagger.tag(TEXT, TagOptions(nbest=3, candidates=0.01))
    assert document.analysis is not None
    best = document.analysis.nbest[0]
    assert [(e.text, e.label) for e in best.entities] == found(document)


def test_example_that_does_not_fit_the_tokens_is_refused_whole(tagger: Tagger) -> None:
    bad = make_example("zorblaxes left", [Taught(0, 7, "DRUG")])
    with pytest.raises(ConfigError, match="whole tokens"):
        tagger.teach([example(TEXT, ("zorblax", "PER")), bad])
    assert len(tagger.memory) == 0
    assert "DRUG" not in tagger.info.labels


def test_given_tokens_are_taught_as_they_are(tagger: Tagger) -> None:
    tagger.teach([make_example("x:y z", [Taught(0, 3, "PER")], ["x:y", "z"])])
    assert found(tagger.tag_tokens([["x:y", "z"]])[0])[0] == ("x:y", "PER")


def test_example_without_tokens_is_remembered_and_changes_nothing(tagger: Tagger) -> None:
    before = tagger.tag(TEXT)
    blank = make_example("\u200b", [])  # a space of no width: no token
    tagger.teach([blank])
    assert tagger.memory.identifiers == (blank.id,)
    assert tagger.tag(TEXT).entities == before.entities
    tagger.forget([blank.id])
    assert tagger.memory.examples == 0


def test_forms_of_a_cache_s_rows_are_those_of_its_words_in_every_era() -> None:
    forms = FormTable()
    forms.add(["toy", "ship"], [0, 1], [KNOWN, KNOWN])
    eras = {0: ["toy", "boat", "Ship"], 1: ["boat", "SHIP", "Toy", "toy"]}
    for era, row in [(0, 2), (0, 0), (0, 1), (1, 1), (1, 3), (1, 2), (0, 1)]:
        words = eras[era]
        rows = np.array([row, 0, row], dtype=np.int32)
        asked = [[words[row]], [], [words[0], words[row]]]
        found = forms.find_cached(CachedWords(asked, rows, era))
        assert found.tolist() == forms.find([words[row], words[0], words[row]]).tolist()
    forms.add(["boat"], [2], [KNOWN])  # what was found before is asked again
    one = CachedWords([["boat"]], np.array([1], dtype=np.int32), 0)
    assert forms.find_cached(one).tolist() == [2]
    nothing = CachedWords([[]], np.zeros(0, dtype=np.int32), 0)
    assert forms.find_cached(nothing).tolist() == []


def test_of_a_common_form_the_latest_tokens_are_asked() -> None:
    forms = FormTable()
    count = LATEST + 8
    ids = forms.add(["Toy"] * count, range(count), [KNOWN] * count)
    assert set(ids.tolist()) == {0}
    assert forms.latest(forms.find(["TOY"]))[0].tolist() == list(range(count - 1, 7, -1))
    forms.remove([0] * 4, range(count - 4, count))
    assert forms.latest(np.array([0]))[0, 0] == count - 5
    assert forms.add(["toy"], [count], [TRAINED]).tolist() == [0]
    assert forms.kinds(np.array([0])).tolist() == [TRAINED]
    assert forms.find(["boat"]).tolist() == [-1]


def test_forms_never_seen_weigh_more_than_trained_ones(tiny_model: Path) -> None:
    tagger = Tagger.load(tiny_model, backend="onnx", threads=1)
    seen = tagger.memory._seen(["Bob", "yoda", "zorblax"])
    assert seen.tolist() == [TRAINED, KNOWN, NEW]
    new, trained = tagger.memory.voting.forms[NEW], tagger.memory.voting.forms[TRAINED]
    assert new.weight > trained.weight


def test_many_tokens_go_through_the_graph(tiny_model: Path) -> None:
    artifact = load_artifact(tiny_model)
    tagger = Tagger.load(tiny_model, backend="onnx", threads=1)
    tagger.memory = Memory(artifact, tagger.memory._seen, exact_up_to=20)
    lessons = [example(f"toy {number} of Lisbon .", ("Lisbon", "PER")) for number in range(20)]
    tagger.teach(lessons)
    assert ("Lisbon", "PER") in found(tagger.tag("toy 3 of Lisbon ."))
    tagger.forget(lesson.id for lesson in lessons)
    assert len(tagger.memory) == 0
    assert tagger.tag(TEXT).entities == Tagger.load(tiny_model, threads=1).tag(TEXT).entities
