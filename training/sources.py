"""Where a corpus is: its configuration, and which file is which split."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from pydantic import ConfigDict

from ner_service.errors import ConfigError, CorpusError
from ner_service.tags import SCHEMES, Scheme
from training.columns import read_columns
from training.documents import Reading, is_tag
from training.records import Fields, read_json, read_parquet

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)

# Parts of the names that files and splits have in the wild: eng.testa, wnut17train.conll, dev.txt.
_NAME_PARTS: dict[SplitName, re.Pattern[str]] = {
    "train": re.compile(r".*train|training"),
    "validation": re.compile(r"dev|devel|development|val|valid|validation|testa"),
    "test": re.compile(r"test|testb"),
}
_NOT_A_LETTER = re.compile(r"[\W_]+")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

# What `datasets` calls the files that hold rows.
RowKind = Literal["parquet", "json"]
_PARQUET_SUFFIX = ".parquet"
_ROW_KINDS: dict[str, RowKind] = {
    _PARQUET_SUFFIX: "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """Where a corpus is and how it is read.

    Attributes:
        path: a folder, or a name on the Hub such as `lhoestq/conll2003`.
        hub: the name on the Hub that is read where `path` does not exist.
        train: file in the folder. Where none of the three is named, the folder's files are told
            apart by their names; where one is, the others are left out unless named too.
        validation: likewise.
        test: likewise.
        token_column: in column files, counted from 0, or from the end below 0; None is the first.
        tag_column: likewise; None is the last.
        scheme: None to recognise it from the tags.
        tokens_field: in rows, the field with the tokens.
        tags_field: in rows, the field with the tags.
        document_field: in rows, the field that changes where a document begins; None is
            `document_id` where there is one.
        tag_names: names of numeric tags where the source does not give them, in order from 0.
        streaming: read the training set anew each time it is needed instead of holding it; for
            rows only.
        shuffle_windows: windows of a streamed training set that are held to be drawn from.
    """

    # Configuration files come through pydantic: a misspelt setting is an error.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    path: str
    hub: str | None = None
    train: str | None = None
    validation: str | None = None
    test: str | None = None
    token_column: int | None = None
    tag_column: int | None = None
    scheme: Scheme | None = None
    tokens_field: str = "tokens"
    tags_field: str = "ner_tags"
    document_field: str | None = None
    tag_names: tuple[str, ...] | None = None
    streaming: bool = False
    shuffle_windows: int = 10_000

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming the setting."""
        for name in ("path", "tokens_field", "tags_field"):
            _check_text(name, getattr(self, name))
        for name in ("hub", "document_field", *SPLITS):
            if getattr(self, name) is not None:
                _check_text(name, getattr(self, name))
        for name in ("token_column", "tag_column"):
            value = getattr(self, name)
            if value is not None and type(value) is not int:
                raise ConfigError(f"data.{name}: expected a whole number, got {value!r}")
        _check_streaming(self.streaming, self.shuffle_windows)
        if self.token_column is not None and self.token_column == self.tag_column:
            raise ConfigError(
                f"data.tag_column: expected another column than the tokens', got {self.tag_column}"
            )
        if self.scheme is not None and self.scheme not in SCHEMES:
            raise ConfigError(
                f"data.scheme: expected one of {', '.join(SCHEMES)}, got {self.scheme!r}"
            )
        if self.tag_names is not None:
            _check_tag_names(self.tag_names)
            # TOML has lists; a frozen value should not hold one.
            object.__setattr__(self, "tag_names", tuple(self.tag_names))

    @property
    def fields(self) -> Fields:
        """Give the fields of rows."""
        return Fields(
            tokens=self.tokens_field,
            tags=self.tags_field,
            document=self.document_field,
            tag_names=self.tag_names,
        )


def locate(config: DataConfig) -> tuple[str, Path | None]:
    """Say what is to be read: its name, and its path unless it is on the Hub.

    Raises:
        CorpusError: `path` neither exists nor can be a name on the Hub, and `hub` is not set.
    """
    path = Path(config.path)
    if path.exists():
        return config.path, path
    if config.hub is not None:
        return config.hub, None
    if _HUB_NAME.fullmatch(config.path):
        return config.path, None
    raise CorpusError(
        f"{config.path}: expected a folder, a file or a name on the Hub (owner/name), "
        "got a path that does not exist"
    )


def named_files(folder: Path, config: DataConfig) -> dict[SplitName, Path]:
    """Give the files that the configuration names, if any.

    Raises:
        ConfigError: a named file does not exist.
    """
    files: dict[SplitName, Path] = {}
    for split in SPLITS:
        name: str | None = getattr(config, split)
        if name is not None:
            files[split] = folder / name
            if not files[split].is_file():
                raise ConfigError(f"data.{split}: expected a file, got {files[split]}")
    return files


def found_files(folder: Path) -> dict[SplitName, Path]:
    """Tell the files of a folder apart by their names.

    Nothing is found where parquet lies, in the folder or below: `datasets` knows how such folders
    are laid out.

    Raises:
        ConfigError: two files look like the same split.
    """
    if next(folder.rglob(f"*{_PARQUET_SUFFIX}"), None):
        return {}
    files: dict[SplitName, Path] = {}
    for path in sorted(folder.iterdir()):
        split = split_of(path.name)
        if split is None or not path.is_file():
            continue
        if split in files:
            raise ConfigError(
                f"data.{split}: expected one such file in {folder}, got {files[split].name} "
                f"and {path.name}; name the one to read"
            )
        files[split] = path
    return files


def split_of(name: str) -> SplitName | None:
    """Tell which split a file or a split of a data set is by its name, if by any."""
    parts = _NOT_A_LETTER.split(name.lower())
    for split, pattern in _NAME_PARTS.items():
        if any(pattern.fullmatch(part) for part in parts):
            return split
    return None


def row_kind(path: Path) -> RowKind | None:
    """Tell by a file's suffix what rows it holds; None for column files."""
    return _ROW_KINDS.get(path.suffix.lower())


def read_file(path: Path, config: DataConfig) -> Reading:
    """Read one file: parquet and JSON by their suffixes, columns otherwise.

    Raises:
        CorpusError: the file is broken; names the place.
    """
    kind = row_kind(path)
    if kind == "parquet":
        return read_parquet(path, config.fields)
    if kind == "json":
        return read_json(path, config.fields)
    return read_columns(path, token_column=config.token_column, tag_column=config.tag_column)


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"data.{name}: expected a name, got {value!r}")


def _check_streaming(streaming: object, windows: object) -> None:
    if type(streaming) is not bool:
        raise ConfigError(f"data.streaming: expected true or false, got {streaming!r}")
    if type(windows) is not int or windows < 1:
        raise ConfigError(f"data.shuffle_windows: expected 1 at least, got {windows!r}")


def _check_tag_names(names: object) -> None:
    if not isinstance(names, list | tuple) or not names:
        raise ConfigError(f"data.tag_names: expected a list of tags, got {names!r}")
    for tag in names:
        if not isinstance(tag, str) or not is_tag(tag):
            raise ConfigError(f"data.tag_names: expected tags such as B-PER, got {tag!r}")
