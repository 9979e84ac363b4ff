"""The models that are served side by side, and swapping them while requests run."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ner_service.api.faults import ConflictError, NotReadyError
from ner_service.errors import ArtifactError, ConfigError, ModelNotFoundError, NerError
from ner_service.tagger import ModelInfo, Tagger

# Tagged once after loading, so that the first request does not pay for lazy set-up.
WARM_UP = "Bob bought a toy Yoda in New York on 22 August 1996."


class ServedModel:
    """A loaded model with what is constant in its answers, written once."""

    def __init__(self, tagger: Tagger) -> None:
        """Write down the constant parts."""
        self.tagger = tagger
        self._of = tagger.info
        self._labels, self._tags_json = _constants(tagger.info)
        info = tagger.info
        identity = {"name": info.name, "version": info.version, "scheme": info.scheme}
        self.identity_json = json.dumps(identity, ensure_ascii=False, separators=(",", ":"))

    @property
    def info(self) -> ModelInfo:
        """What the model says of itself; new labels may be taught."""
        return self.tagger.info

    @property
    def labels(self) -> frozenset[str]:
        """The labels that it may give."""
        self._refresh()
        return self._labels

    @property
    def tags_json(self) -> list[str]:
        """The part of a token's JSON that its tag makes, by the tag's id."""
        self._refresh()
        return self._tags_json

    def _refresh(self) -> None:
        info = self.tagger.info
        if info is not self._of:
            self._labels, self._tags_json = _constants(info)
            self._of = info


def _constants(info: ModelInfo) -> tuple[frozenset[str], list[str]]:
    count = len(info.tags)
    return frozenset(info.labels), [
        f'"tag":{json.dumps(tag, ensure_ascii=False)},"tag_id":{tag_id},'
        f'"one_hot":[{",".join("1" if i == tag_id else "0" for i in range(count))}]'
        for tag_id, tag in enumerate(info.tags)
    ]


@dataclass(frozen=True, slots=True)
class _Slot:
    source: str
    current: ServedModel
    previous: ServedModel | None = None


class Models:
    """Models by name; the first one is the default.

    A request keeps the model it began with, so a swap is one assignment.
    """

    def __init__(self, load: Callable[[str], Tagger]) -> None:
        """Start with none; `load` turns a name or path into a tagger, on any thread."""
        self._load = load
        self._slots: dict[str, _Slot] = {}
        self._swapping = asyncio.Lock()

    def add(self, tagger: Tagger, *, source: str) -> None:
        """Serve one more model under its own name.

        Raises:
            ConfigError: the name is taken.
        """
        name = tagger.info.name
        if name in self._slots:
            raise ConfigError(f"two models have the name {name!r}")
        self._slots[name] = _Slot(source, ServedModel(tagger))

    def load(self, sources: tuple[str, ...]) -> None:
        """Load and warm up models; to be called before serving.

        Raises:
            NerError: one of them cannot be loaded.
        """
        for source in sources:
            self.add(self._load_warm(source), source=source)

    def get(self, name: str | None) -> ServedModel:
        """Give the named model, or the default one.

        Raises:
            NotReadyError: nothing is loaded yet.
            ModelNotFoundError: there is no such model; the message lists those there are.
        """
        if not self._slots:
            raise NotReadyError("no model is loaded yet")
        if name is None:
            return next(iter(self._slots.values())).current
        return self._slot(name).current

    def __iter__(self) -> Iterator[ServedModel]:
        """Run over the models, the default one first."""
        return (slot.current for slot in self._slots.values())

    def __len__(self) -> int:
        """Count the models."""
        return len(self._slots)

    async def reload(self, name: str) -> ServedModel:
        """Load a model anew from where it came; the old one serves until the new one is warm.

        Raises:
            ModelNotFoundError: there is no such model.
            ConflictError: the new one is bad; the old one serves on.
        """
        self._slot(name)
        async with self._swapping:
            slot = self._slot(name)
            try:
                tagger = await asyncio.to_thread(self._load_warm, slot.source)
            except NerError as error:
                raise ConflictError(f"{error}; the loaded model serves on") from error
            if tagger.info.name != name:
                raise ConflictError(
                    f"{slot.source} is now named {tagger.info.name!r}, not {name!r}"
                )
            new = ServedModel(tagger)
            self._slots[name] = replace(slot, current=new, previous=slot.current)
            return new

    async def rollback(self, name: str) -> ServedModel:
        """Serve the model from before the last swap again.

        Raises:
            ModelNotFoundError: there is no such model.
            ConflictError: there was no swap.
        """
        async with self._swapping:
            slot = self._slot(name)
            if slot.previous is None:
                raise ConflictError(f"{name} was not reloaded, so there is nothing to go back to")
            self._slots[name] = replace(slot, current=slot.previous, previous=slot.current)
            return slot.previous

    def _slot(self, name: str) -> _Slot:
        if name not in self._slots:
            raise ModelNotFoundError(f"expected one of {', '.join(self._slots)}")
        return self._slots[name]

    def _load_warm(self, source: str) -> Tagger:
        tagger = self._load(source)
        try:
            tagger.tag(WARM_UP)
        except NerError:
            raise
        except Exception as error:
            raise ArtifactError(f"{source}: cannot tag a text with it: {error}") from error
        return tagger
