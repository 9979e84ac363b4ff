"""What the network is made of: word inputs, character encoders and recurrent cells."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ner_service.artifact.config import Cell, NetworkConfig

_MASKED = -1e4


class WordInputs(NamedTuple):
    """Columns for N words, as `inference.features` makes them.

    Attributes:
        one_hot_ids: (N,) int64, position of the 1 in the word's one-hot vector.
        vectors: (N, D) pretrained vectors, the tables side by side; zero where unknown.
        characters: (N, C) int64, 0 behind the word's end.
        shapes: (N,) int64, position of the 1 in the shape's one-hot vector.
    """

    one_hot_ids: Tensor
    vectors: Tensor
    characters: Tensor
    shapes: Tensor


class CharacterCNN(nn.Module):
    """Filters slid over a word's characters, each filter's maximum kept.

    Ma and Hovy 2016, "End-to-end Sequence Labeling via Bi-directional LSTM-CNNs-CRF", section 2.1.
    Places behind the word's end are masked before the maximum, so that a word's vector does not
    depend on the longest word it is computed with.
    """

    def __init__(self, character_count: int, *, width: int, filters: int, kernel: int) -> None:
        """Make the embedding of `character_count` ids and the filters."""
        super().__init__()
        self.embedding = nn.Embedding(character_count, width, padding_idx=0)
        self.convolution = nn.Conv1d(width, filters, kernel, padding=kernel // 2)
        self.output_width = filters

    def forward(self, characters: Tensor) -> Tensor:
        """(N, C) ids to (N, filters); zero for a word without characters."""
        mask = characters != 0
        embedded = self.embedding(characters).transpose(1, 2)  # (N, width, C)
        filtered = self.convolution(embedded)[:, :, : characters.shape[1]]
        filtered = filtered.masked_fill(~mask.unsqueeze(1), _MASKED).amax(dim=2)
        return torch.tanh(filtered) * mask.any(dim=1, keepdim=True)


class CharacterBiLSTM(nn.Module):
    """The last state of an LSTM read forwards and of one read backwards over a word.

    Lample et al. 2016, "Neural Architectures for Named Entity Recognition", section 4.1: many
    characters to one vector.
    """

    def __init__(self, character_count: int, *, width: int, filters: int) -> None:
        """Make the embedding and an LSTM of `filters / 2` units a direction."""
        super().__init__()
        self.embedding = nn.Embedding(character_count, width, padding_idx=0)
        self.hidden_width = max(1, filters // 2)
        self.recurrence = Recurrence(
            "lstm", input_width=width, hidden_width=self.hidden_width, layers=1, bidirectional=True
        )
        self.output_width = 2 * self.hidden_width

    def forward(self, characters: Tensor) -> Tensor:
        """(N, C) ids to (N, output_width); zero for a word without characters."""
        mask = characters != 0
        lengths = mask.sum(dim=1)
        states = self.recurrence(self.embedding(characters), mask)  # (N, C, 2 * hidden)
        last = (lengths - 1).clamp(min=0)
        forward_state = states[torch.arange(len(states)), last, : self.hidden_width]
        backward_state = states[:, 0, self.hidden_width :]
        return torch.cat([forward_state, backward_state], dim=1) * (lengths > 0).unsqueeze(1)


class WordEncoder(nn.Module):
    """A word, whatever its sentence, to one row: inputs side by side, projected or as they are.

    The embedding row that `one_hot` and `shape` look up is the product of the one-hot vector and
    the weight matrix, without the multiplications by zero.
    """

    def __init__(
        self,
        config: NetworkConfig,
        *,
        word_count: int,
        character_count: int,
        shape_count: int,
        dropout: float = 0.0,
    ) -> None:
        """Make the inputs that the configuration switches on; counts are lengths of id spaces."""
        super().__init__()
        self.one_hot = nn.Embedding(word_count, config.one_hot_width) if config.one_hot else None
        self.shape = nn.Embedding(shape_count, config.shape_width) if config.shape else None
        self.characters: CharacterCNN | CharacterBiLSTM | None = None
        if config.characters == "cnn":
            self.characters = CharacterCNN(
                character_count,
                width=config.character_width,
                filters=config.character_filters,
                kernel=config.character_kernel,
            )
        elif config.characters == "bilstm":
            self.characters = CharacterBiLSTM(
                character_count, width=config.character_width, filters=config.character_filters
            )
        self.use_vectors = config.vectors
        self.dropout = nn.Dropout(dropout)
        self.projection = (
            nn.Linear(config.inputs_width, config.word_width) if config.projection else None
        )
        for embedding in (self.one_hot, self.shape):
            if embedding is not None:
                nn.init.uniform_(embedding.weight, -0.1, 0.1)

    def forward(self, words: WordInputs) -> Tensor:
        """N words to rows (N, word_width)."""
        parts = []
        if self.one_hot is not None:
            parts.append(self.one_hot(words.one_hot_ids))
        if self.use_vectors:
            parts.append(words.vectors)
        if self.characters is not None:
            parts.append(self.characters(words.characters))
        if self.shape is not None:
            parts.append(self.shape(words.shapes))
        rows: Tensor = self.dropout(torch.cat(parts, dim=1))
        return rows if self.projection is None else self.projection(rows)


class Recurrence(nn.Module):
    """Layers of a recurrent cell in one or two directions, from a zero state.

    One module a layer and direction; the backward one reads each sequence reversed within its own
    length, so padding at the end never reaches a real token.
    """

    def __init__(
        self, cell: Cell, *, input_width: int, hidden_width: int, layers: int, bidirectional: bool
    ) -> None:
        """Make `layers` layers of `hidden_width` units a direction."""
        super().__init__()
        directions = 2 if bidirectional else 1
        self.layers = nn.ModuleList()
        for layer in range(layers):
            width = input_width if layer == 0 else hidden_width * directions
            self.layers.append(
                nn.ModuleList(_make_cell(cell, width, hidden_width) for _ in range(directions))
            )

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """(B, T, width) and mask (B, T), True first, to states (B, T, hidden * directions).

        States at padding are not defined.
        """
        reversal = _reversal(mask)  # (B, T)
        states = inputs
        for directions in self.layers:
            cells = list(directions.children())
            outputs = [cells[0](states)[0]]
            if len(cells) == 2:
                backward = cells[1](_reorder(states, reversal))[0]
                outputs.append(_reorder(backward, reversal))
            states = torch.cat(outputs, dim=2)
        return states


def _make_cell(cell: Cell, input_width: int, hidden_width: int) -> nn.RNNBase:
    module: nn.RNNBase
    if cell == "lstm":
        module = nn.LSTM(input_width, hidden_width, batch_first=True)
    elif cell == "gru":
        module = nn.GRU(input_width, hidden_width, batch_first=True)
    else:
        f = cell.removeprefix("rnn_")
        module = nn.RNN(input_width, hidden_width, nonlinearity=f, batch_first=True)
    for name, parameter in module.named_parameters():
        if name.startswith("weight_hh"):
            for gate in parameter.data.chunk(parameter.shape[0] // hidden_width):
                nn.init.orthogonal_(gate)
        elif name.startswith("weight_ih"):
            nn.init.xavier_uniform_(parameter)
        else:
            nn.init.zeros_(parameter)
    return module


def _reversal(mask: Tensor) -> Tensor:
    """Positions that turn each sequence round within its length and leave padding, (B, T)."""
    positions = torch.arange(mask.shape[1], device=mask.device).expand(mask.shape)
    lengths = mask.sum(dim=1, keepdim=True)
    return torch.where(mask, lengths - 1 - positions, positions)


def _reorder(states: Tensor, order: Tensor) -> Tensor:
    return states.gather(1, order.unsqueeze(2).expand(-1, -1, states.shape[2]))
