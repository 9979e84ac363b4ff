import json
from dataclasses import FrozenInstanceError, replace

import pytest
from pydantic import TypeAdapter, ValidationError

from ner_service.artifact import ArtifactConfig, NetworkConfig, VectorTableConfig
from ner_service.errors import ConfigError

ADAPTER = TypeAdapter(ArtifactConfig)
LABELS = ("LOC", "PER")


def test_configuration_survives_json():
    config = ArtifactConfig(
        name="x",
        labels=LABELS,
        temperature=1.25,
        vector_tables=(VectorTableConfig(name="glove-6b", words=3, width=4),),
        network=NetworkConfig(cell="gru", vectors_width=4, characters="bilstm", output="softmax"),
    )
    assert ADAPTER.validate_json(ADAPTER.dump_json(config)) == config


def test_tags_follow_from_labels_and_scheme():
    config = ArtifactConfig(name="x", labels=LABELS, scheme="BIO")
    assert config.tags == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert replace(config, scheme="IOBES").tags[0] == "O"


def test_configuration_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        ArtifactConfig(name="x", labels=LABELS).name = "y"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"scheme": "IOB1"}, "scheme"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"window_tokens": 2}, "window_tokens"),
        ({"surprise": 1}, "surprise"),
        ({"labels": 7}, "labels"),
        ({"network": {"cell": "transformer"}}, "cell"),
        ({"network": {"hidden_width": 0}}, "hidden_width"),
        ({"network": {"layers": 9}}, "layers"),
        ({"network": {"one_hit": True}}, "one_hit"),
        ({"vector_tables": [{"name": "../x", "words": 1, "width": 1}]}, "name"),
        ({"vector_tables": [{"name": "x", "words": 0, "width": 1}]}, "words"),
    ],
)
def test_unacceptable_value_is_refused_with_its_place(change, place):
    settings = {"name": "x", "labels": list(LABELS), **change}
    with pytest.raises(ValidationError, match=place):
        ADAPTER.validate_python(json.loads(json.dumps(settings)))


def test_network_that_sees_nothing_of_a_word_is_refused():
    with pytest.raises(ConfigError, match="at least one of one_hot"):
        NetworkConfig(one_hot=False, vectors=False, characters="none", shape=False)


def test_windows_that_overlap_whole_are_refused():
    with pytest.raises(ConfigError, match="window_overlap below window_tokens, got 24 and 10"):
        ArtifactConfig(name="x", labels=LABELS, window_tokens=10)


def test_vectors_of_another_width_than_the_network_reads_are_refused():
    table = VectorTableConfig(name="glove", words=3, width=4)
    with pytest.raises(ConfigError, match="vectors_width to be the tables' 4, got 5"):
        ArtifactConfig(
            name="x",
            labels=LABELS,
            vector_tables=(table,),
            network=NetworkConfig(vectors_width=5),
        )


@pytest.mark.parametrize(
    ("network", "directions", "width"),
    [
        (NetworkConfig(hidden_width=7), 2, 14),
        (NetworkConfig(hidden_width=7, bidirectional=False), 1, 7),
        (NetworkConfig(hidden_width=7, word_width=9, cell="none"), 2, 9),
    ],
)
def test_state_width_follows_from_cell_and_directions(network, directions, width):
    assert network.directions == directions
    assert network.state_width == width
