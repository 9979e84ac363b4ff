"""Allow and deny lists: what may be answered at all."""

from collections.abc import Iterable, Sequence

from ner_service.rules.shapes import AllowIn, DenyIn


class Lists:
    """Says of a surface with a label whether it may be answered."""

    def __init__(self, allow: Sequence[AllowIn], deny: Sequence[DenyIn]) -> None:
        """Take both kinds of lists; whitespace counts as a single space in them."""
        self._restricted = frozenset(entry.label for entry in allow)
        self._allowed = _entries((e.label, e.texts, e.case_sensitive) for e in allow)
        self._denied = _entries((e.label, e.texts, e.case_sensitive) for e in deny)

    def permits(self, surface: str, label: str) -> bool:
        """Whether no list is against it."""
        if not self._denied and label not in self._restricted:
            return True
        text = " ".join(surface.split())
        forms = {(label, text, True), (label, text.casefold(), False)}
        if label in self._restricted and not forms & self._allowed:
            return False
        of_any = {(None, text, True), (None, text.casefold(), False)}
        return not (forms | of_any) & self._denied


_Entry = tuple[str | None, str, bool]


def _entries(lists: Iterable[tuple[str | None, list[str], bool]]) -> frozenset[_Entry]:
    return frozenset(
        (label, plain if case_sensitive else plain.casefold(), case_sensitive)
        for label, texts, case_sensitive in lists
        for plain in (" ".join(text.split()) for text in texts)
    )
