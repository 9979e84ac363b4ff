"""Sentences and documents of a corpus, and how the readers collect them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from ner_service.errors import ConfigError, CorpusError
from ner_service.tags import split_tag

DOCUMENT_MARK = "-DOCSTART-"

# Stands for a token whose surface was lost, so that tokens and lines of the source still pair up.
# (The Broad Twitter Corpus has a handful of lines with a tag and no token.)
LOST_TOKEN = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Sentence:
    """Tokens and, one for each, tags as the source writes them."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]

    def __len__(self) -> int:
        """Count the tokens."""
        return len(self.tokens)


Document = list[Sentence]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found in one source.

    Attributes:
        documents: in the order of the source, none of them empty; can be gone through again and
            again: a list, or what reads them anew.
        documents_marked: whether the source says where documents begin. Where it does not, each
            sentence is a document.
    """

    documents: Iterable[Document]
    documents_marked: bool


class DocumentCollector:
    """Gathers sentences into documents while a source is read from top to bottom."""

    def __init__(self) -> None:
        """Start with nothing read and no document mark seen."""
        self._documents: list[Document] = [[]]
        self._marked = False

    def start_document(self) -> None:
        """Note that the source marks a document here."""
        self._marked = True
        self._documents.append([])

    def add(self, tokens: list[str], tags: list[str]) -> None:
        """Add one sentence to the open document; an empty one is no sentence."""
        if tokens:
            self._documents[-1].append(Sentence(tuple(tokens), tuple(tags)))

    def finish(self, source: str) -> Reading:
        """Give what was collected.

        Raises:
            CorpusError: there was no sentence at all; names `source`.
        """
        documents = [document for document in self._documents if document]
        if not documents:
            raise CorpusError(f"{source}: expected at least one sentence, got none")
        if not self._marked:
            documents = [[sentence] for document in documents for sentence in document]
        return Reading(documents, self._marked)


@cache
def is_tag(text: str) -> bool:
    """Tell whether `text` is `O` or a tag with a known prefix and a label."""
    try:
        split_tag(text)
    except ConfigError:
        return False
    return True


def check_tag(tag: str, place: str) -> None:
    """Refuse what is no tag.

    Raises:
        CorpusError: names `place`, which is a file with a line or row.
    """
    if not is_tag(tag):
        raise CorpusError(
            f"{place}: expected O or a tag such as B-PER with prefix B, I, E or S, got {tag!r}"
        )


def clean_token(token: str) -> str:
    """Strip white space around a token; what is then empty becomes `LOST_TOKEN`."""
    return token.strip() or LOST_TOKEN
