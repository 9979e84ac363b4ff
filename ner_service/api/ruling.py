"""The server's rules, those of a request, and what else a request asks of the tagger."""

import asyncio
from pathlib import Path

from ner_service.api.faults import ConflictError, FieldError, FieldFault
from ner_service.api.schemas import Options
from ner_service.errors import ConfigError, RuleError
from ner_service.rules import REQUEST_LIMITS, RuleSet, compile_rules, load_rules
from ner_service.tagger import TagOptions


class Ruling:
    """Holds the rules that meet every document, and adds those of a request."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        """Name the files; nothing is read yet."""
        self._paths = tuple(map(Path, paths))
        self.plain = TagOptions()

    @property
    def sets(self) -> dict[str, RuleSet]:
        """The server's sets of rules by the names of their files."""
        names = (path.name for path in self._paths)
        return dict(zip(names, self.plain.rules, strict=False))

    def load(self) -> None:
        """Read the files, all or none of them.

        Raises:
            ConfigError: a file cannot be read, or a rule is not acceptable.
        """
        self.plain = TagOptions(rules=tuple(map(load_rules, self._paths)))

    async def reload(self) -> None:
        """Read the files again; requests that have begun keep the rules they began with.

        Raises:
            ConflictError: a file is bad; the loaded rules stay.
        """
        try:
            await asyncio.to_thread(self.load)
        except ConfigError as error:
            raise ConflictError(f"{error}; the loaded rules stay") from error

    def asked(self, query: Options) -> TagOptions:
        """What a request asks, with the server's rules before its own.

        Raises:
            FieldError: a rule is not acceptable.
        """
        own: tuple[RuleSet, ...] = ()
        if query.rules is not None:
            try:
                own = (compile_rules(query.rules, limits=REQUEST_LIMITS),)
            except RuleError as error:
                fault = FieldFault(f"rules.{error.field}", error.message)
                raise FieldError(fault) from None
        elif not (query.nbest or query.candidates or query.explain):
            return self.plain
        return TagOptions(
            nbest=query.nbest,
            candidates=query.candidates,
            explain=query.explain,
            rules=(*self.plain.rules, *own),
        )
