"""The training configuration: a TOML file and `--set` overrides, validated."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from ner_service.artifact.config import (
    DecodingScheme,
    NetworkConfig,
    VectorsName,
    WindowOverlap,
    WindowTokens,
)
from ner_service.errors import ConfigError
from training.corpus import DataConfig

Chance = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorsConfig:
    """One set of pretrained vectors.

    Attributes:
        name: under which the artifact keeps them.
        path: a text file, a `.gz` of one, or a folder with `words.txt` and `vectors.npy`.
        limit: how many of the first words to take.
        trainable: adjust the vectors of the training set's words.
        rms: scale the table as a whole to this root mean square, so that no table drowns another.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: VectorsName
    path: str
    limit: Annotated[int, Field(ge=1)] | None = None
    trainable: bool = False
    rms: Annotated[float, Field(gt=0)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimiserConfig:
    """How the weights are learnt.

    Attributes:
        learning_rate: the highest; falls along a cosine to a hundredth of it.
        vectors_rate: share of it with which trainable vectors learn; the vectors of words that the
            training set lacks stay where they are, and far from home words should stay neighbours.
        warmup: share of all steps in which the rate rises from zero.
        clip_norm: gradients longer than this are shortened to it.
        average_decay: of the exponential moving average of the weights; 0 switches it off.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: Literal["sgd", "adam", "rmsprop"] = "sgd"
    learning_rate: Annotated[float, Field(gt=0)] = 0.03
    vectors_rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    momentum: Chance = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    warmup: Chance = 0.02
    clip_norm: Annotated[float, Field(gt=0)] | None = 5.0
    average_decay: Chance = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One training run.

    Attributes:
        name: the artifact's name.
        output: the artifact's directory.
        start: model directory whose weights the run starts from; None starts from fresh ones.
        seed: of weights, order and dropout.
        epochs: at most so many passes over the training set.
        patience: stop after so many epochs without a better development F1; None never stops.
        batch_windows: windows a step.
        teacher_windows: windows a teacher labelled that are added to each epoch's gold ones.
        cut_windows: share of the boundaries between sentences at which gold windows are cut in two,
            anew each epoch, so that the network meets short texts and other neighbours.
        min_word_count: how often a word occurs to have a place in the one-hot vector.
        word_dropout: of the features of a word's inputs.
        row_dropout: of the recurrence's inputs, one mask a window.
        state_dropout: of its states, likewise.
        lower, upper, title: share of windows that are seen lower-cased, upper-cased, capitalised.
        posts: share of windows whose sentences get the marks of social media (`training.posts`).
        forget_word: share of words that lose one-hot and vectors.
        forget_one_hot: share of words that lose the one-hot input alone.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    output: str
    data: DataConfig
    vectors: tuple[VectorsConfig, ...] = ()
    network: NetworkConfig = field(default_factory=NetworkConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    scheme: DecodingScheme = "IOBES"
    start: str | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1
    epochs: Annotated[int, Field(ge=1)] = 25
    patience: Annotated[int, Field(ge=1)] | None = None
    batch_windows: Annotated[int, Field(ge=1)] = 4
    teacher_windows: Annotated[int, Field(ge=0)] = 0
    window_tokens: WindowTokens = 100
    window_overlap: WindowOverlap = 24
    cut_windows: Chance = 0.0
    min_word_count: Annotated[int, Field(ge=1)] = 1
    word_dropout: Chance = 0.2
    row_dropout: Chance = 0.5
    state_dropout: Chance = 0.5
    lower: Chance = 0.0
    upper: Chance = 0.0
    title: Chance = 0.0
    posts: Chance = 0.0
    forget_word: Chance = 0.05
    forget_one_hot: Chance = 0.2

    def __post_init__(self) -> None:
        """Refuse what would only fail once the model is written.

        Raises:
            ConfigError: two sets of vectors of one name; windows of a stream are to be cut, whose
                number has to be known.
        """
        names = [table.name for table in self.vectors]
        if len(set(names)) < len(names):
            raise ConfigError(f"vectors: expected different names, got {', '.join(names)}")
        if self.data.streaming and self.cut_windows > 0:
            raise ConfigError(
                f"cut_windows: expected 0 with data.streaming, got {self.cut_windows}"
            )


def load_config(file: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a TOML file and put `key.sub=value` overrides (values in TOML, or plain words) on top.

    Raises:
        ConfigError: the file is missing, is not TOML, or a value is not acceptable.
    """
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file}: expected a TOML file, found none") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML ({error})") from None
    for override in overrides:
        put_override(settings, override)
    try:
        return TypeAdapter(TrainConfig).validate_python(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{file}: {place}: {first['msg']}, got {first['input']!r}") from None


def put_override(settings: dict[str, Any], override: str) -> None:
    """Put one `key.sub=value` into settings as TOML gives them.

    Raises:
        ConfigError: it has no `=`, or its key leads through a value that is no table.
    """
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set: expected key=value, got {override!r}")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    *parents, last = key.split(".")
    place: Any = settings
    for parent in parents:
        place = _child(place, parent, key)
    if isinstance(place, list):
        raise ConfigError(f"--set: {key}: expected a named setting, got a place in a list")
    if not isinstance(place, dict):
        raise ConfigError(f"--set: {key}: {last} stands under a value, not under a table")
    place[last] = parsed


def _child(place: Any, part: str, key: str) -> Any:
    if isinstance(place, list):
        if not part.isdecimal() or int(part) >= len(place):
            raise ConfigError(f"--set: {key}: expected a number below {len(place)}, got {part}")
        return place[int(part)]
    if not isinstance(place, dict):
        raise ConfigError(f"--set: {key}: {part} stands under a value, not under a table")
    return place.setdefault(part, {})
