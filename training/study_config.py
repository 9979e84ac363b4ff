"""What a study compares and with which budget: a TOML file, validated."""

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from ner_service.errors import ConfigError
from training.config import TrainConfig, load_config, put_override

Factor = Literal["release", "cell", "inputs", "output", "optimiser"]
Key = Annotated[str, Field(pattern=r"^[a-z0-9_+-]+$")]
Count = Annotated[int, Field(ge=1)]
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table, or one of the gradient histories.

    Attributes:
        key: its name in files.
        title: its name for readers.
        factor: what it changes; exactly one row changes nothing and is the `release`.
        set: what it puts over the configuration, as `training.train --set` takes it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    key: Key
    title: str
    factor: Factor = "cell"
    set: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Histories:
    """Short runs whose gradient norms are kept step by step.

    Attributes:
        documents: first documents of the training set, and as many of the development set at most.
        run: what to compare.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    documents: Count
    epochs: Count
    seed: Annotated[int, Field(ge=0)] = 1
    run: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyConfig:
    """A study.

    Attributes:
        base: the configuration that every row starts from.
        set: put over it for every row.
        output: folder of the table and the plots.
        runs: folder of finished rows and of checkpoints.
        documents: the rows train on so many first documents of the training set; None is all.
        epochs: of every row.
        seeds: the first is every row's, the others are for the leading rows.
        leading: so many rows get all seeds: the release and the best others on the development set.
        gradient_steps: over how many time steps a gradient is followed back.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    base: str
    set: tuple[str, ...] = ()
    output: str = "docs/study"
    runs: str = "runs/study"
    documents: Count | None = None
    epochs: Count
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (1, 2, 3)
    leading: Annotated[int, Field(ge=0)] = 3
    gradient_steps: Annotated[int, Field(ge=2)] = 60
    row: tuple[Row, ...]
    histories: Histories | None = None

    def __post_init__(self) -> None:
        """Refuse rows that cannot be told apart.

        Raises:
            ConfigError: a key stands twice, or not one row is the release.
        """
        keys = [row.key for row in self.row]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise ConfigError(f"row.key: expected each once, got {min(twice)} again")
        if (count := [row.factor for row in self.row].count("release")) != 1:
            raise ConfigError(f"row: expected one row with the factor release, got {count}")

    @property
    def release(self) -> Row:
        """The row that changes nothing."""
        return next(row for row in self.row if row.factor == "release")


def load_study(file: Path, overrides: Sequence[str] = ()) -> StudyConfig:
    """Read a TOML file and put `key=value` overrides on top.

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
        return TypeAdapter(StudyConfig).validate_python(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{file}: {place}: {first['msg']}, got {first['input']!r}") from None


def settings_of(study: StudyConfig, row: Row, *, seed: int, epochs: int) -> TrainConfig:
    """The training configuration of one run; it never stops early, so all have one budget.

    Raises:
        ConfigError: an override is not acceptable, or the training set is to be streamed.
    """
    settings = load_config(Path(study.base), [*study.set, *row.set])
    if settings.data.streaming:
        # First documents are chosen by their numbers, and a stream has none.
        raise ConfigError("data.streaming: expected false in a study, got true")
    settings = replace(settings, name=row.key, seed=seed, epochs=epochs, patience=None)
    # A table that no input reads would still be loaded, trained and counted.
    return settings if settings.network.vectors else replace(settings, vectors=())


def digest_of(settings: TrainConfig, documents: int | None) -> str:
    """What tells runs with other settings apart: 8 hex digits."""
    known = TypeAdapter(TrainConfig).dump_json(replace(settings, output=""))
    return hashlib.sha256(known + f"{documents}".encode()).hexdigest()[:8]
