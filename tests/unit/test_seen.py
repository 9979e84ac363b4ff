import pytest

from ner_service.errors import ArtifactError
from training.cases import TextSpan, make_case
from training.documents import Sentence
from training.seen import (
    SEEN,
    entity_keys,
    load_keys,
    save_keys,
    scores_by_novelty,
    training_keys,
)

TRAINING = [
    [Sentence(("New", "York", "and", "IBM"), ("B-LOC", "I-LOC", "O", "B-ORG"))],
    [Sentence(("NEW", "YORK"), ("B-LOC", "I-LOC"))],
]


def test_case_and_spaces_do_not_count():
    keys = training_keys(TRAINING, "BIO")
    assert len(keys) == 2
    assert entity_keys(["new york", "NewYork", "ibm"]).tolist() == [
        *entity_keys(["New York"] * 2).tolist(),
        *entity_keys(["IBM"]).tolist(),
    ]


def test_scores_are_split_by_whether_training_had_the_surface():
    sentence = Sentence(("new", "york", "met", "Ines"), ("B-LOC", "I-LOC", "O", "B-PER"))
    case = make_case([sentence], "BIO")
    predicted = [TextSpan(0, 8, "LOC"), TextSpan(9, 12, "PER")]
    scores = scores_by_novelty([case], [predicted], training_keys(TRAINING, "BIO"))
    seen, unseen = scores["seen"].overall, scores["unseen"].overall
    assert (seen.gold, seen.predicted, seen.correct) == (1, 1, 1)
    assert (unseen.gold, unseen.predicted, unseen.correct) == (1, 1, 0)


def test_keys_are_kept_in_a_model_directory_without_any_text(tmp_path):
    assert load_keys(tmp_path) is None
    keys = training_keys(TRAINING, "BIO")
    save_keys(tmp_path, keys)
    assert load_keys(tmp_path).tolist() == keys.tolist()
    assert b"york" not in (tmp_path / SEEN).read_bytes().lower()


def test_damaged_keys_are_an_artifact_error(tmp_path):
    (tmp_path / SEEN).write_bytes(b"nothing of use")
    with pytest.raises(ArtifactError, match=SEEN):
        load_keys(tmp_path)
