"""Where examples are kept: one folder a model, one log of what was taught and forgotten."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ner_service.errors import ConfigError
from ner_service.memory.examples import Example
from ner_service.memory.log import AppendLog, read_log

EXAMPLES = "examples.jsonl"
FEEDBACK = "feedback.jsonl"


class ExampleStore:
    """Examples by id, in the order in which they were taught.

    Only texts and entities are kept, never hidden states: those belong to one version of a model
    and are worked out anew whenever a model is loaded. So no state can be of the wrong version.
    """

    def __init__(self, path: Path) -> None:
        """Open the log of that path.

        Raises:
            ConfigError: it cannot be opened or read, or another process has it.
        """
        self._log = AppendLog(path)
        try:
            self._examples = replayed(self._log.records, path)
        except ConfigError:
            self._log.close()
            raise
        self._log.records.clear()

    def add(self, examples: Sequence[Example]) -> None:
        """Keep examples for good.

        Raises:
            ConfigError: the disk refuses.
        """
        self._log.append({"add": example.to_json()} for example in examples)
        self._examples.update((example.id, example) for example in examples)

    def delete(self, ids: Iterable[str]) -> list[Example]:
        """Forget examples for good; gives those that were there.

        Raises:
            ConfigError: the disk refuses.
        """
        known = [self._examples[i] for i in dict.fromkeys(ids) if i in self._examples]
        if known:
            self._log.append([{"delete": [example.id for example in known]}])
            for example in known:
                del self._examples[example.id]
        return known

    def __iter__(self) -> Iterator[Example]:
        """Run over a copy: others may teach meanwhile."""
        return iter(list(self._examples.values()))

    def __len__(self) -> int:
        return len(self._examples)

    def get(self, identifier: str) -> Example | None:
        """The example of that id."""
        return self._examples.get(identifier)

    def close(self) -> None:
        """Let another process have the store."""
        self._log.close()


def read_examples(path: Path) -> list[Example]:
    """What a log holds, while another process may be writing it.

    Raises:
        ConfigError: it cannot be read.
    """
    return list(replayed(read_log(path), path).values())


def replayed(records: Iterable[dict[str, object]], path: Path) -> dict[str, Example]:
    """The examples that a log leaves.

    Raises:
        ConfigError: naming the record that is none.
    """
    examples: dict[str, Example] = {}
    for number, record in enumerate(records, start=1):
        added, deleted = record.get("add"), record.get("delete")
        try:
            if isinstance(added, dict):
                example = Example.from_json(added)
                examples[example.id] = example
            elif isinstance(deleted, list):
                for identifier in deleted:
                    examples.pop(identifier, None)
            else:
                raise KeyError("add")
        except (KeyError, TypeError):
            raise ConfigError(f"{path}, line {number}: expected an example") from None
    return examples
