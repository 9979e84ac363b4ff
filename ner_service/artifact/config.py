"""What a network is made of, and what a model directory says of itself.

Both are saved as `config.json` beside the weights; pydantic validates them when they are read.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from ner_service.errors import ConfigError
from ner_service.tags import tag_inventory

SCHEMA_VERSION = 2

Cell = Literal["lstm", "gru", "rnn_tanh", "rnn_relu", "none"]
CharacterEncoderKind = Literal["cnn", "bilstm", "none"]
OutputLayer = Literal["crf", "softmax"]
DecodingScheme = Literal["BIO", "IOBES"]
Width = Annotated[int, Field(ge=1, le=8192)]
WindowTokens = Annotated[int, Field(ge=4, le=10_000)]
WindowOverlap = Annotated[int, Field(ge=0, le=2_000)]
VectorsName = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """The architecture; every input, cell and output layer can be switched.

    Attributes:
        one_hot: word one-hot input, projected to `one_hot_width`.
        vectors: pretrained word vectors as input; their widths stand in `vectors_width`.
        characters: encoder from a word's characters to one vector.
        character_head: characters read from the front of a word ...
        character_tail: ... and, where it is longer, from its end.
        shape: word-shape one-hot input, projected to `shape_width`.
        word_width: width of a word's row, the input of the recurrence.
        projection: a linear projection of the inputs to `word_width`; without it a row is the
            inputs side by side, and `word_width` their width.
        cell: the recurrence; `none` feeds the rows straight to the output layer.
        output: loss and transitions; decoding keeps to legal transitions with either.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    one_hot: bool = True
    one_hot_width: Width = 32
    vectors: bool = True
    vectors_width: Annotated[int, Field(ge=0, le=8192)] = 0
    characters: CharacterEncoderKind = "cnn"
    character_width: Width = 30
    character_filters: Width = 50
    character_kernel: Annotated[int, Field(ge=1, le=15)] = 3
    character_head: Annotated[int, Field(ge=1, le=64)] = 16
    character_tail: Annotated[int, Field(ge=0, le=64)] = 8
    shape: bool = True
    shape_width: Width = 16
    word_width: Width = 128
    projection: bool = True
    cell: Cell = "lstm"
    bidirectional: bool = True
    layers: Annotated[int, Field(ge=1, le=8)] = 1
    hidden_width: Width = 200
    output: OutputLayer = "crf"

    def __post_init__(self) -> None:
        """Refuse an architecture that sees nothing of a word.

        Raises:
            ConfigError: every input is switched off.
        """
        if not (self.one_hot or self.vectors or self.shape or self.characters != "none"):
            raise ConfigError("expected at least one of one_hot, vectors, characters, shape")

    @property
    def inputs_width(self) -> int:
        """Width of a word's inputs side by side."""
        filters = self.character_filters
        characters = {"none": 0, "cnn": filters, "bilstm": 2 * max(1, filters // 2)}
        return (
            self.one_hot * self.one_hot_width
            + self.vectors * self.vectors_width
            + characters[self.characters]
            + self.shape * self.shape_width
        )

    @property
    def directions(self) -> int:
        """How many ways a layer reads the sentence."""
        return 2 if self.bidirectional else 1

    @property
    def state_width(self) -> int:
        """Width of what the output layer reads at each token."""
        return self.word_width if self.cell == "none" else self.hidden_width * self.directions


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorTableConfig:
    """One set of pretrained vectors in the artifact."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: VectorsName
    words: Annotated[int, Field(ge=1)]
    width: Width


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactConfig:
    """What a model directory says of itself.

    Attributes:
        name: the model's name.
        scheme: the scheme it decodes.
        labels: in the order that makes the tags' ids.
        window_tokens: most slots (tokens and boundaries) that the network reads at once.
        window_overlap: slots that pieces of a longer sentence share.
        consistency: weight of what a word's other occurrences in its document say of it.
        temperature: divides emissions and transitions before probabilities are taken.
        vector_tables: the pretrained vectors, in the order in which they are concatenated.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    name: str
    scheme: DecodingScheme = "IOBES"
    labels: tuple[str, ...]
    window_tokens: WindowTokens = 100
    window_overlap: WindowOverlap = 24
    consistency: Annotated[float, Field(ge=0, le=10)] = 0.0
    temperature: Annotated[float, Field(gt=0, le=100)] = 1.0
    vector_tables: tuple[VectorTableConfig, ...] = ()
    network: NetworkConfig = field(default_factory=NetworkConfig)

    def __post_init__(self) -> None:
        """Refuse what would only fail once a text is tagged.

        Raises:
            ConfigError: windows that overlap whole, or widths that do not fit together.
        """
        if self.window_overlap >= self.window_tokens:
            raise ConfigError(
                f"expected window_overlap below window_tokens, got {self.window_overlap} and "
                f"{self.window_tokens}"
            )
        width = sum(table.width for table in self.vector_tables)
        if self.network.vectors and width != self.network.vectors_width:
            raise ConfigError(
                f"expected network.vectors_width to be the tables' {width}, "
                f"got {self.network.vectors_width}"
            )
        if not self.network.projection and self.network.word_width != self.network.inputs_width:
            raise ConfigError(
                "without a projection, expected network.word_width to be the inputs' "
                f"{self.network.inputs_width}, got {self.network.word_width}"
            )

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags in id order; `O` is 0."""
        return tuple(tag_inventory(self.labels, self.scheme))
