"""What a job needs beside its options, and what it tells when it has ended."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ner_service.artifact import read_config
from ner_service.artifact.locate import resolve_model
from ner_service.batch.nursery import Nursery
from ner_service.batch.options import Options
from ner_service.batch.records import ShardHead
from ner_service.batch.worker import WorkerSettings
from ner_service.errors import ConfigError
from ner_service.tagger import ModelInfo

Engine = Literal["local", "ray"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where a job reads and writes, and by what means; nothing of this changes the output.

    Attributes:
        inputs: as given on the command line.
        output: file to write; standard output if None.
        engine: who tags.
        address: of the Ray cluster; one of its own on this machine if None.
        workers: how many; one a core if None.
        fresh: start over, whatever is there.
        strict: stop at the first rejected record.
        quiet: tell nothing on the way.
        nursery: of this machine's workers, if it was started already.
    """

    inputs: tuple[str, ...]
    output: str | None = None
    engine: Engine = "local"
    address: str | None = None
    workers: int | None = None
    fresh: bool = False
    strict: bool = False
    quiet: bool = False
    nursery: Nursery | None = None


@dataclass(slots=True)
class Summary:
    """What a job did.

    Attributes:
        model: name and version.
        documents: tagged.
        tokens: in them.
        entities: written, by label.
        rejected: records that could not be tagged.
        shards: all.
        shards_kept: of those, finished by an earlier run.
        seconds: of this run.
    """

    model: Mapping[str, str]
    documents: int = 0
    tokens: int = 0
    entities: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    shards: int = 0
    shards_kept: int = 0
    seconds: float = 0.0

    def add(self, head: ShardHead, *, kept: bool = False) -> None:
        """Count a shard."""
        self.documents += head.documents
        self.tokens += head.tokens
        for label, count in head.entities.items():
            self.entities[label] = self.entities.get(label, 0) + count
        self.rejected += len(head.rejects)
        self.shards += 1
        self.shards_kept += kept

    def to_dict(self) -> dict[str, Any]:
        """For JSON, labels by name."""
        entities = dict(sorted(self.entities.items()))
        return {**asdict(self), "entities": entities, "seconds": round(self.seconds, 3)}

    @classmethod
    def of_finished(cls, fields: Mapping[str, Any]) -> "Summary":
        """That of a job that an earlier run has ended."""
        summary = cls(**fields)
        summary.shards_kept, summary.seconds = summary.shards, 0.0
        return summary


def load_settings(model: str, options: Options) -> tuple[ModelInfo, WorkerSettings]:
    """Find a model and check the options against it; the workers check its files.

    Raises:
        NerError: no such model, or its manifest or configuration is damaged.
        ConfigError: a label that the model does not have.
    """
    path = resolve_model(model).absolute()
    version, config = read_config(path)
    info = ModelInfo(config.name, version, config.scheme, config.labels, config.tags)
    by_label = options.threshold if isinstance(options.threshold, Mapping) else {}
    for label in (*(options.labels or ()), *by_label):
        if label not in info.labels:
            known = ", ".join(info.labels)
            raise ConfigError(f"expected labels of the model ({known}), got {label}")
    return info, WorkerSettings(str(path), info.version, options)
