"""The forms of spaCy: `?format=displacy` for its visualiser, `?format=spacy` for its Doc."""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from ner_service.api.presentation import Presentation
from ner_service.tagger import Document
from ner_service.text.tokenizer import Tokens

_WORDS = re.compile(r"\S+")


def displacy_json(documents: Sequence[Document], presentation: Presentation, single: bool) -> bytes:
    """Write what `displacy.render(..., style="ent", manual=True)` takes."""
    return _dump(
        [
            {"text": document.text, "ents": _ents(document, presentation), "title": None}
            for document in documents
        ],
        single=single,
    )


def doc_json(documents: Sequence[Document], presentation: Presentation, single: bool) -> bytes:
    """Write what `Doc(vocab).from_json` takes."""
    return _dump(
        [
            {
                "text": document.text,
                "ents": _ents(document, presentation),
                "tokens": [
                    {"id": index, "start": start, "end": end}
                    for index, (start, end) in enumerate(spacy_tokens(document))
                ],
            }
            for document in documents
        ],
        single=single,
    )


def spacy_tokens(document: Document) -> Iterator[tuple[int, int]]:
    """Give the tokens that spaCy needs to rebuild a text: ours, and all that is between them.

    In a spaCy Doc one space after a token belongs to it; any other white space is a token of its
    own, and so is what our tokenizer drops (zero-width spaces, say). An entity of a rule may begin
    or end within one of our tokens, which there it may not.
    """
    position = 0
    edges = sorted({edge for e in document.entities for edge in (e.start, e.end)})
    for start, end in _cut(_words(document.text, document.tokens), edges):
        if position < start:
            yield position, start
        yield start, end
        position = end + document.text.startswith(" ", end)
    if position < len(document.text):
        yield position, len(document.text)


def _cut(spans: Iterable[tuple[int, int]], edges: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cut spans at the edges that lie within them."""
    for start, end in spans:
        within = edges[bisect_right(edges, start) : bisect_left(edges, end)]
        yield from pairwise([start, *within, end])


def _words(text: str, tokens: Tokens) -> Iterator[tuple[int, int]]:
    """Give our tokens, and whatever else between them is not white space."""
    position = 0
    for start, end in zip(tokens.starts, tokens.ends, strict=True):
        if position < start:
            yield from (found.span() for found in _WORDS.finditer(text, position, start))
        yield start, end
        position = end
    yield from (found.span() for found in _WORDS.finditer(text, position))


def _ents(document: Document, presentation: Presentation) -> list[dict[str, object]]:
    return [
        {"start": entity.start, "end": entity.end, "label": entity.label}
        for entity in presentation.entities(document)
    ]


def _dump(documents: list[dict[str, object]], *, single: bool) -> bytes:
    answer = documents[0] if single else documents
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
