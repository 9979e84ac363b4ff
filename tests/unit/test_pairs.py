import json

import pytest

from ner_service.errors import CorpusError
from tests.fakes import FakeTagger
from training.pairs import (
    PAIRS,
    SENTENCES,
    PairAnswer,
    answer_pairs,
    answer_sentences,
    hand_written,
    read_pairs,
    read_sentences,
)

PAIR = {
    "surface": "Paris",
    "cases": [
        {"text": "He left Paris.", "label": "LOC"},
        {"text": "Then Paris said no.", "label": "PER"},
    ],
}
SENTENCE = {
    "text": "Bob saw London",
    "entities": [{"surface": "Bob", "label": "PER"}, {"surface": "London", "label": "LOC"}],
}


def write(tmp_path, *rows):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return file


def test_hand_written_files_are_sound_and_large_enough():
    pairs = read_pairs(PAIRS)
    assert len(pairs) >= 24
    assert len({surface for surface, _ in pairs}) == len(pairs)
    assert len(read_sentences(SENTENCES)) == 6
    labels = {span.label for _, texts in pairs for text in texts for span in text.expected}
    assert labels == {"PER", "LOC", "ORG", "MISC"}


def test_pair_is_right_only_if_both_texts_are(tmp_path):
    # The stand-in calls Paris a place, whatever stands around it.
    (pair,) = answer_pairs(FakeTagger(), read_pairs(write(tmp_path, PAIR)))
    assert [bool(answer.missed) for answer in pair.answers] == [False, True]
    assert not pair.is_right
    assert PairAnswer("Paris", pair.answers[:1] * 2).is_right


def test_sentence_is_right_if_all_that_is_expected_was_found(tmp_path):
    rows = [SENTENCE, SENTENCE | {"entities": SENTENCE["entities"][:1]}]
    answers = answer_sentences(FakeTagger(), read_sentences(write(tmp_path, *rows)))
    assert [answer.figures()["right"] for answer in answers] == [True, True]
    assert answers[0].figures()["found"] == [["Bob", "PER", 0.9], ["London", "LOC", 0.6]]


def test_figures_count_pairs_and_list_every_miss(tmp_path):
    pairs = write(tmp_path, PAIR)
    figures = hand_written(FakeTagger(), pairs=pairs, sentences=tmp_path / "gone.jsonl")
    assert figures["pairs"]["right"] == 0
    assert figures["pairs"]["total"] == 1
    assert [miss["text"] for miss in figures["pairs"]["misses"]] == ["Then Paris said no."]
    assert "sentences" not in figures


def test_model_of_other_labels_is_not_asked(tmp_path):
    pair = {
        "surface": "X",
        "cases": [{"text": "X a", "label": "person"}, {"text": "X b", "label": "group"}],
    }
    assert hand_written(FakeTagger(), write(tmp_path, pair), tmp_path / "gone.jsonl") == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (PAIR | {"cases": PAIR["cases"][:1]}, "two texts"),
        (PAIR | {"cases": [PAIR["cases"][0]] * 2}, "two labels"),
        (PAIR | {"surface": "Rome"}, "'Rome' once"),
        ({"surface": "Rome"}, "cases"),
        ("Rome", "line 1"),
    ],
)
def test_broken_pair_is_an_error_with_its_line(tmp_path, row, message):
    with pytest.raises(CorpusError, match=message) as raised:
        read_pairs(write(tmp_path, row))
    assert "line 1" in str(raised.value)


def test_broken_sentence_is_an_error_with_its_line(tmp_path):
    with pytest.raises(CorpusError, match="line 2"):
        read_sentences(write(tmp_path, SENTENCE, {"text": "x"}))
