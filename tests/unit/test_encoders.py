import itertools

import numpy as np
import pytest
import torch
from torch import nn

from ner_service.artifact import NetworkConfig
from ner_service.network.encoders import (
    CharacterBiLSTM,
    CharacterCNN,
    Recurrence,
    WordEncoder,
    WordInputs,
)
from tests.reference import Gates, Vanilla, gru_states, lstm_states, vanilla_states

CELLS = ("lstm", "gru", "rnn_tanh", "rnn_relu")
WORDS, CHARACTERS, SHAPES = 9, 12, 6


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(1)


def word_inputs(count: int = 7, *, width: int = 4, longest: int = 5) -> WordInputs:
    characters = torch.randint(1, CHARACTERS, (count, longest))
    for row in range(count):
        characters[row, 1 + row % longest :] = 0
    return WordInputs(
        torch.randint(WORDS, (count,)),
        torch.randn(count, width),
        characters,
        torch.randint(SHAPES, (count,)),
    )


def word_encoder(**settings) -> WordEncoder:
    config = NetworkConfig(
        one_hot_width=3, vectors_width=4, shape_width=2, word_width=8, **settings
    )
    return WordEncoder(
        config, word_count=WORDS, character_count=CHARACTERS, shape_count=SHAPES
    ).eval()


@pytest.mark.parametrize("name", ["one_hot", "shape"])
def test_projected_one_hot_vector_is_the_embedding_row(name):
    # y = W^T x with x all zero but for the 1 at the word's place.
    embedding = getattr(word_encoder(), name)
    for place in range(embedding.num_embeddings):
        hot = torch.zeros(embedding.num_embeddings)
        hot[place] = 1.0
        assert hot.sum() == 1.0
        torch.testing.assert_close(hot @ embedding.weight, embedding(torch.tensor(place)))


def test_gradient_of_the_one_hot_projection_reaches_the_words_seen_and_no_others():
    encoder = word_encoder()
    words = word_inputs()._replace(one_hot_ids=torch.tensor([2, 2, 5, 2, 5, 2, 2]))
    encoder(words).sum().backward()
    touched = encoder.one_hot.weight.grad.abs().sum(dim=1) > 0
    assert touched.nonzero().flatten().tolist() == [2, 5]


@pytest.mark.parametrize("name", ["one_hot", "vectors", "characters", "shape"])
def test_input_that_is_switched_on_changes_rows_and_one_that_is_off_does_not(name):
    words = word_inputs()
    changed = {
        "one_hot": words._replace(one_hot_ids=(words.one_hot_ids + 1) % WORDS),
        "vectors": words._replace(vectors=words.vectors + 1),
        "characters": words._replace(
            characters=torch.where(words.characters > 0, words.characters % 11 + 1, 0)
        ),
        "shape": words._replace(shapes=(words.shapes + 1) % SHAPES),
    }[name]
    on = word_encoder()
    assert not torch.allclose(on(words), on(changed))
    off = word_encoder(**{name: "none" if name == "characters" else False})
    torch.testing.assert_close(off(words), off(changed))


@pytest.mark.parametrize("characters", ["cnn", "bilstm", "none"])
def test_row_of_a_word_does_not_depend_on_its_neighbours(characters):
    encoder = word_encoder(characters=characters)
    words = word_inputs()
    together = encoder(words)
    for index in range(len(together)):
        alone = WordInputs(*(column[index : index + 1] for column in words))
        torch.testing.assert_close(encoder(alone)[0], together[index], atol=1e-6, rtol=0)
    turned = WordInputs(*(column.flip(0) for column in words))
    torch.testing.assert_close(encoder(turned).flip(0), together, atol=1e-6, rtol=0)


def character_encoders() -> list[nn.Module]:
    return [
        CharacterCNN(CHARACTERS, width=4, filters=6, kernel=3),
        CharacterCNN(CHARACTERS, width=4, filters=6, kernel=4),
        CharacterBiLSTM(CHARACTERS, width=4, filters=6),
    ]


@pytest.mark.parametrize("index", range(3))
def test_characters_are_encoded_alike_whatever_the_padding(index):
    encoder = character_encoders()[index]
    characters = word_inputs().characters
    wider = nn.functional.pad(characters, (0, 9))
    torch.testing.assert_close(encoder(characters), encoder(wider), atol=1e-6, rtol=0)


@pytest.mark.parametrize("index", range(3))
def test_order_of_characters_matters(index):
    encoder = character_encoders()[index]
    forwards = torch.tensor([[2, 3, 4, 5]])
    assert not torch.allclose(encoder(forwards), encoder(forwards.flip(1)))


@pytest.mark.parametrize("index", range(3))
def test_word_without_characters_is_zero(index):
    encoder = character_encoders()[index]
    encoded = encoder(torch.tensor([[0, 0, 0], [2, 3, 0]]))
    assert encoded.shape == (2, encoder.output_width)
    assert not encoded[0].any()
    assert encoded[1].any()


def test_character_bilstm_keeps_the_last_state_of_either_direction():
    encoder = CharacterBiLSTM(CHARACTERS, width=4, filters=6)
    characters = torch.tensor([[2, 3, 4, 0, 0]])
    embedded = encoder.embedding(characters)[0, :3].detach().double().numpy()
    forward, backward = (gates_of(cell) for cell in encoder.recurrence.layers[0])
    expected = np.concatenate(
        [lstm_states(forward, embedded)[-1], lstm_states(backward, embedded[::-1])[-1]]
    )
    np.testing.assert_allclose(encoder(characters)[0].detach().numpy(), expected, atol=1e-6)


def gates_of(cell: nn.RNNBase) -> Gates:
    return Gates(*(parameter.detach().double().numpy() for parameter in cell.parameters()))


def states_by_hand(cell: str, module: nn.RNNBase, inputs: np.ndarray) -> np.ndarray:
    gates = gates_of(module)
    if cell == "lstm":
        return lstm_states(gates, inputs)
    if cell == "gru":
        return gru_states(gates, inputs)
    nothing = np.zeros((0, len(gates.b_h)))
    weights = Vanilla(gates.w_x, gates.w_h, gates.b_x + gates.b_h, nothing, np.zeros(0))
    return vanilla_states(weights, inputs, cell.removeprefix("rnn_"))[0]


def randomised(recurrence: Recurrence) -> Recurrence:
    for parameter in recurrence.parameters():
        nn.init.normal_(parameter, std=0.5)
    return recurrence


def recurrence_of(cell: str, *, bidirectional: bool, layers: int) -> Recurrence:
    return randomised(
        Recurrence(cell, input_width=3, hidden_width=4, layers=layers, bidirectional=bidirectional)
    )


@pytest.mark.parametrize(
    ("cell", "bidirectional", "layers"), list(itertools.product(CELLS, (False, True), (1, 2)))
)
def test_states_are_those_of_the_recurrence_written_out(cell, bidirectional, layers):
    recurrence = recurrence_of(cell, bidirectional=bidirectional, layers=layers)
    lengths, inputs = (5, 2, 1), torch.randn(3, 5, 3)
    mask = torch.arange(5) < torch.tensor(lengths).unsqueeze(1)
    found = recurrence(inputs, mask).detach().numpy()
    assert found.shape == (3, 5, 8 if bidirectional else 4)
    for row, length in enumerate(lengths):
        states = inputs[row, :length].double().numpy()
        for layer in recurrence.layers:
            outputs = [states_by_hand(cell, layer[0], states)]
            if bidirectional:
                # Reads the sentence from its own end, not from the padding's.
                outputs.append(states_by_hand(cell, layer[1], states[::-1])[::-1])
            states = np.concatenate(outputs, axis=1)
        np.testing.assert_allclose(found[row, :length], states, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_padding_never_reaches_a_real_token(cell):
    recurrence = recurrence_of(cell, bidirectional=True, layers=2)
    inputs = torch.randn(2, 6, 3)
    mask = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    before = recurrence(inputs, mask)
    inputs[1, 3:] = 99.0
    after = recurrence(inputs, mask)
    torch.testing.assert_close(before[0], after[0])
    torch.testing.assert_close(before[1, :3], after[1, :3])
    alone = recurrence(inputs[1:, :3], mask[1:, :3])
    torch.testing.assert_close(alone[0], after[1, :3])


@pytest.mark.parametrize("cell", CELLS)
def test_number_of_parameters_does_not_depend_on_the_length(cell):
    recurrence = recurrence_of(cell, bidirectional=True, layers=1)
    count = sum(parameter.numel() for parameter in recurrence.parameters())
    for length in (1, 10, 300):
        states = recurrence(torch.randn(1, length, 3), torch.ones(1, length, dtype=torch.bool))
        assert states.shape[1] == length
    assert sum(parameter.numel() for parameter in recurrence.parameters()) == count
    gates = {"lstm": 4, "gru": 3}.get(cell, 1)
    assert count == 2 * gates * 4 * (3 + 4 + 1 + 1)  # two directions; W, U and two biases


@pytest.mark.parametrize("cell", CELLS)
def test_state_starts_at_zero(cell):
    # With zero inputs and no biases nothing but an initial state could make states.
    recurrence = Recurrence(cell, input_width=3, hidden_width=4, layers=1, bidirectional=True)
    mask = torch.ones(1, 4, dtype=torch.bool)
    assert not recurrence(torch.zeros(1, 4, 3), mask).any()
    # And the state that one batch ends in is not where the next begins.
    inputs = torch.randn(1, 4, 3)
    torch.testing.assert_close(recurrence(inputs, mask), recurrence(inputs, mask))


def test_recurrent_weights_begin_orthogonal():
    recurrence = Recurrence("lstm", input_width=3, hidden_width=4, layers=1, bidirectional=False)
    for gate in recurrence.layers[0][0].weight_hh_l0.chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(4), atol=1e-5, rtol=0)
