"""The whole network: words to rows, rows through the recurrence to emissions."""

import torch
from torch import Tensor, nn

from ner_service.artifact.config import ArtifactConfig
from ner_service.artifact.vocabulary import Vocabulary
from ner_service.network.crf import CRF
from ner_service.network.encoders import Recurrence, WordEncoder, WordInputs
from ner_service.tags import legal_transitions


class SentenceEncoder(nn.Module):
    """Word rows of whole windows to states and emissions."""

    def __init__(
        self, config: ArtifactConfig, *, row_dropout: float = 0.0, state_dropout: float = 0.0
    ) -> None:
        """Make the recurrence and the output layer for the configuration's tags."""
        super().__init__()
        network = config.network
        self.row_dropout = LockedDropout(row_dropout)
        self.state_dropout = LockedDropout(state_dropout)
        self.recurrence: Recurrence | None = None
        if network.cell != "none":
            self.recurrence = Recurrence(
                network.cell,
                input_width=network.word_width,
                hidden_width=network.hidden_width,
                layers=network.layers,
                bidirectional=network.bidirectional,
            )
        self.output = nn.Linear(network.state_width, len(config.tags))

    def forward(self, rows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (B, T, word_width) and mask (B, T) to states (B, T, S) and emissions (B, T, K)."""
        states = self.row_dropout(rows)
        if self.recurrence is not None:
            states = self.recurrence(states, mask)
        return states, self.output(self.state_dropout(states))


class TaggerNetwork(nn.Module):
    """Word encoder, sentence encoder and CRF; what an artifact's weights fill."""

    def __init__(
        self,
        config: ArtifactConfig,
        vocabulary: Vocabulary,
        *,
        word_dropout: float = 0.0,
        row_dropout: float = 0.0,
        state_dropout: float = 0.0,
    ) -> None:
        """Make a network with fresh weights.

        `word_dropout` is applied to a word's inputs before the projection, `row_dropout` to what
        the recurrence reads and `state_dropout` to its states, with one mask for a whole window.
        """
        super().__init__()
        self.word_encoder = WordEncoder(
            config.network,
            word_count=vocabulary.word_count,
            character_count=vocabulary.character_count,
            shape_count=vocabulary.shape_count,
            dropout=word_dropout,
        )
        self.sentence_encoder = SentenceEncoder(
            config, row_dropout=row_dropout, state_dropout=state_dropout
        )
        self.crf = CRF(
            legal_transitions(config.tags, config.scheme), learned=config.network.output == "crf"
        )

    def forward(self, words: WordInputs, positions: Tensor, mask: Tensor) -> Tensor:
        """Distinct words and where they stand to emissions.

        Args:
            words: columns for N distinct words.
            positions: (B, T) int64, the word at each slot.
            mask: (B, T) bool, True for real slots.

        Returns:
            Emissions (B, T, K).
        """
        rows = self.word_encoder(words)[positions]
        emissions: Tensor = self.sentence_encoder(rows, mask)[1]
        return emissions


class LockedDropout(nn.Module):
    """Dropout that drops the same features at every time step of a sequence.

    Gal and Ghahramani 2016, "A Theoretically Grounded Application of Dropout in Recurrent Neural
    Networks".
    """

    def __init__(self, probability: float) -> None:
        """Drop a feature with this probability while training."""
        super().__init__()
        self.probability = probability

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        if not self.training or self.probability == 0.0:
            return inputs
        keep = 1.0 - self.probability
        kept = torch.empty_like(inputs[:, :1]).bernoulli_(keep)
        return inputs * (kept / keep)
