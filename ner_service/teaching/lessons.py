"""The folder of a server with a memory: for each model its examples and its feedback."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_service.errors import ConfigError
from ner_service.memory import Example, ExampleStore
from ner_service.memory.log import AppendLog
from ner_service.memory.store import EXAMPLES, FEEDBACK
from ner_service.tagger import Tagger


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is kept for one model.

    Attributes:
        examples: what the memory holds.
        feedback: corrections for the next training.
    """

    examples: ExampleStore
    feedback: AppendLog

    def differences(self, tagger: Tagger) -> tuple[list[Example], list[str]]:
        """The examples that a tagger has still to learn, and those it has to forget."""
        kept = {example.id: example for example in self.examples}
        known = set(tagger.memory.identifiers)
        return [kept[i] for i in kept if i not in known], sorted(known.difference(kept))

    def close(self) -> None:
        """Let another process have it."""
        self.examples.close()
        self.feedback.close()


class Lessons:
    """The shelves of a folder, by the names of the models; made when first asked for."""

    def __init__(self, folder: Path) -> None:
        """Name the folder."""
        self._folder = folder
        self._shelves: dict[str, Shelf] = {}
        # Held while a served tagger is brought up to date.
        self.lock = asyncio.Lock()

    def shelf(self, model: str) -> Shelf:
        """What is kept for a model.

        Raises:
            ConfigError: a file cannot be opened or read, or another process uses it.
        """
        if model not in self._shelves:
            examples, feedback = shelf_files(self._folder, model)
            store = ExampleStore(examples)
            try:
                log = AppendLog(feedback)
            except ConfigError:
                store.close()
                raise
            log.records.clear()  # only those who export read them
            self._shelves[model] = Shelf(store, log)
        return self._shelves[model]

    def teach(self, tagger: Tagger) -> None:
        """Bring a tagger that serves nobody yet to what is kept for its model."""
        learn, forget = self.shelf(tagger.info.name).differences(tagger)
        tagger.forget(forget)
        tagger.teach(learn)

    def close(self) -> None:
        """Let another process have the folder."""
        for shelf in self._shelves.values():
            shelf.close()
        self._shelves.clear()


def shelf_files(folder: Path, model: str) -> tuple[Path, Path]:
    """Where examples and feedback for a model are.

    Raises:
        ConfigError: the model's name cannot be that of a folder.
    """
    if not model or model in (".", "..") or Path(model).name != model:
        raise ConfigError(f"memory: a model named {model!r} cannot have a folder")
    return folder / model / EXAMPLES, folder / model / FEEDBACK


def tokens_in(examples: Sequence[Example]) -> int:
    """How many tokens examples have, after a check that they can be learnt.

    Raises:
        ConfigError: `examples.<index>.entities.<index>: ...`, an entity of part of a token.
    """
    count = 0
    for index, example in enumerate(examples):
        tokens = example.tokens()
        try:
            example.spans(tokens)
        except ConfigError as error:
            raise ConfigError(f"{index}.{error}") from None
        count += len(tokens)
    return count
