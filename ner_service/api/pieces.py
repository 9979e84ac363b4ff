"""Long documents in pieces, so that they can take turns with short ones.

Segments are decoded on their own (see `text.windows`), so a document that is cut between two of
them gives exactly what it gives whole.
"""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from ner_service.inference.analysis import join_analyses
from ner_service.tagger import Document, PreparedDocument
from ner_service.text.tokenizer import Tokens
from ner_service.text.windows import Layout, Window


def cut(document: PreparedDocument, *, tokens: int) -> list[PreparedDocument]:
    """Cut a prepared document between segments.

    Args:
        document: any prepared document.
        tokens: slots of a piece, about; a single segment that is longer stays whole.

    Returns:
        Pieces of the same text, in order. Their tokens keep their offsets.
    """
    segments = document.layout.segments
    if len(document.tokens) <= tokens or len(segments) < 2:
        return [document]
    windows = document.layout.windows
    pieces = []
    first_window = 0
    for first, last in _groups(segments, tokens):
        stop = segments[last][1]
        last_window = first_window
        while last_window < len(windows) and windows[last_window].keep_stop <= stop:
            last_window += 1
        pieces.append(
            _piece(document, segments[first : last + 1], windows[first_window:last_window])
        )
        first_window = last_window
    return pieces


def join(document: PreparedDocument, parts: Sequence[Document]) -> Document:
    """Put the answers for the pieces of a document together."""
    if len(parts) == 1:
        return parts[0]
    entities = tuple(entity for part in parts for entity in part.entities)
    tag_ids = np.concatenate([part.tag_ids for part in parts])
    analysis = None
    if document.wanted is not None:
        analyses = [part.analysis for part in parts if part.analysis is not None]
        analysis = join_analyses(analyses, document.wanted)
    return Document(document.text, entities, document.tokens, tag_ids, analysis)


def _groups(segments: Sequence[tuple[int, int]], tokens: int) -> list[tuple[int, int]]:
    """First and last index of consecutive segments of about so many slots together."""
    groups = []
    first = 0
    for index in range(1, len(segments)):
        if segments[index][1] - segments[first][0] > tokens:
            groups.append((first, index - 1))
            first = index
    groups.append((first, len(segments) - 1))
    return groups


def _piece(
    document: PreparedDocument, segments: Sequence[tuple[int, int]], windows: Sequence[Window]
) -> PreparedDocument:
    start, stop = segments[0][0], segments[-1][1]
    whole, tokens = document.layout, document.tokens
    # A segment begins and ends with a token, never with a boundary.
    first, last = whole.token_at(start), whole.token_at(stop - 1) + 1
    inside = slice(bisect_left(whole.boundaries, start), bisect_left(whole.boundaries, stop))
    layout = Layout(
        last - first,
        [slot - start for slot in whole.boundaries[inside]],
        [(a - start, b - start) for a, b in segments],
        [window.moved(-start) for window in windows],
    )
    columns = Tokens(tokens.texts[first:last], tokens.starts[first:last], tokens.ends[first:last])
    return PreparedDocument(document.text, columns, layout, document.wanted)
