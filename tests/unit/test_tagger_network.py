import itertools
from dataclasses import replace

import pytest
import torch

from ner_service.artifact import NetworkConfig
from ner_service.network import TaggerNetwork, WordInputs
from ner_service.network.tagger_network import LockedDropout
from tests.tiny import VECTOR_WIDTH, VOCABULARY, random_network, tiny_config

CELLS = ("lstm", "gru", "rnn_tanh", "rnn_relu", "none")


def word_inputs(count: int = 8) -> WordInputs:
    torch.manual_seed(2)
    return WordInputs(
        torch.arange(count) % VOCABULARY.word_count,
        torch.randn(count, VECTOR_WIDTH),
        torch.randint(1, VOCABULARY.character_count, (count, 9)),
        torch.arange(count) % VOCABULARY.shape_count,
    )


def emissions_of(network: TaggerNetwork, positions: list[list[int]]) -> list[torch.Tensor]:
    """Emissions of each sentence, read as one padded batch."""
    longest = max(map(len, positions))
    padded = torch.tensor([row + [7] * (longest - len(row)) for row in positions])
    mask = torch.arange(longest) < torch.tensor([[len(row)] for row in positions])
    with torch.no_grad():
        emissions = network(word_inputs(), padded, mask)
    assert emissions.shape == (len(positions), longest, 9)
    return [row[: len(sentence)] for row, sentence in zip(emissions, positions, strict=True)]


def network_of(cell: str, *, bidirectional: bool = True, layers: int = 1) -> TaggerNetwork:
    return random_network(
        tiny_config(NetworkConfig(cell=cell, bidirectional=bidirectional, layers=layers))
    )


@pytest.mark.parametrize(
    ("cell", "bidirectional", "layers"), list(itertools.product(CELLS, (True, False), (1, 2)))
)
def test_padded_batch_equals_sentences_alone(cell, bidirectional, layers):
    network = network_of(cell, bidirectional=bidirectional, layers=layers)
    sentences = [[0, 1, 2, 3, 4, 5], [3], [2, 2, 6]]
    for sentence, together in zip(sentences, emissions_of(network, sentences), strict=True):
        (alone,) = emissions_of(network, [sentence])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_swapping_two_words_changes_emissions_beyond_their_places(cell):
    network = network_of(cell)
    before, after = emissions_of(network, [[0, 1, 2, 3], [0, 2, 1, 3]])
    assert not torch.allclose(before[1], after[1])
    others = torch.allclose(before[[0, 3]], after[[0, 3]])
    # Without a recurrence a word sees no neighbours.
    assert others is (cell == "none")


def test_one_direction_sees_what_came_before_and_nothing_behind():
    before, after = emissions_of(network_of("lstm", bidirectional=False), [[0, 1, 2], [0, 1, 5]])
    torch.testing.assert_close(before[:2], after[:2])
    before, after = emissions_of(network_of("lstm", bidirectional=False), [[0, 1, 2], [5, 1, 2]])
    assert not torch.allclose(before[2], after[2])


def test_two_directions_see_both_sides():
    before, after = emissions_of(network_of("lstm"), [[0, 1, 2], [0, 1, 5]])
    assert not torch.allclose(before[0], after[0])


def test_number_of_parameters_does_not_depend_on_the_length():
    network = network_of("lstm")
    count = sum(parameter.numel() for parameter in network.parameters())
    emissions_of(network, [[0]])
    emissions_of(network, [[1, 2] * 100])
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_softmax_output_has_no_transitions_to_learn():
    config = tiny_config(NetworkConfig(output="softmax"))
    names = {name for name, _ in random_network(config).named_parameters()}
    assert not any(name.startswith("crf.") for name in names)
    config = replace(config, network=replace(config.network, output="crf"))
    names = {name for name, _ in random_network(config).named_parameters()}
    assert "crf.transitions" in names


def test_dropped_features_are_the_same_at_every_time_step():
    torch.manual_seed(3)
    dropout = LockedDropout(0.5).train()
    dropped = dropout(torch.ones(4, 6, 50))
    torch.testing.assert_close(dropped, dropped[:, :1].expand_as(dropped))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(dropped[0], dropped[1])


def test_nothing_is_dropped_outside_of_training():
    inputs = torch.randn(2, 3, 4)
    assert LockedDropout(0.5).eval()(inputs) is inputs
    assert LockedDropout(0.0).train()(inputs) is inputs
