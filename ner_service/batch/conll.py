"""Column files: one token a line, a blank line after each sentence (Tjong Kim Sang et al. 2003)."""

import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from ner_service.batch.options import Options
from ner_service.batch.records import RecordError
from ner_service.batch.tagged import TaggedDocument, offsets_in
from ner_service.tagger import ModelInfo
from ner_service.tags import OUTSIDE, Span, tags_from_spans

_SPACES = re.compile(" +")
_ID = re.compile(r"# *(?:newdoc +id|sent_id) *= *(.+)")
_MARK = "-DOCSTART-"
# The forms that number their tokens: Universal NER's and CoNLL-U.
_NUMBERED_WIDTHS = (5, 10)
_CONTROL = re.compile(r"[\x00-\x1f\x85\u2028\u2029]")


def parse_columns(
    text: str, first_line: int, options: Options
) -> tuple[str | None, list[str], list[int]]:
    """Read one document: its id if it has one, its tokens, and the tokens that open sentences.

    Raises:
        RecordError: a line has no token.
    """
    identity: str | None = None
    words: list[str] = []
    starts: list[int] = []
    is_new = True
    column = options.token_column
    for number, line in enumerate(text.split("\n"), start=first_line):
        line = line.removesuffix("\r")
        fields = line.split("\t") if "\t" in line else _SPACES.split(line.strip(" "))
        if not line.strip() or fields[0] == _MARK:
            is_new = True
            continue
        if line.startswith("# ") and "\t" not in line and not _is_token(fields):
            found = _ID.match(line)
            if found and identity is None:
                identity = found[1]
            continue
        if column is None:
            column = int(_is_numbered(fields))
        if column == 1 and not fields[0].isdecimal() and options.token_column is None:
            continue  # a range of tokens, or an empty node
        word = fields[column].strip() if column < len(fields) else ""
        if not word:
            raise RecordError(f"expected a token in column {column} of line {number}")
        if is_new:
            starts.append(len(words))
            is_new = False
        words.append(word)
    return identity, words, starts


def _is_numbered(fields: Sequence[str]) -> bool:
    """Tell the number 1 from a token that happens to be 1: its last column is a tag."""
    first = fields[0] == "1" or fields[0].startswith("1-")
    return first and len(fields) in _NUMBERED_WIDTHS and not _is_token(fields)


def _is_token(fields: Sequence[str]) -> bool:
    """Tell the token `#` with its tag from a comment."""
    return len(fields) > 1 and (fields[-1] == OUTSIDE or fields[-1][:2] in ("B-", "I-"))


def conll_head(model: ModelInfo) -> bytes:
    """The comment that opens a file."""
    return f"# model = {model.name} {model.version}\n\n".encode()


def write_conll(documents: Sequence[TaggedDocument], model: ModelInfo, options: Options) -> bytes:
    """Columns of token, start, end, score and tag, at tabs; ids in `# newdoc` comments."""
    del model  # named at the head of the file
    lines = []
    for document in documents:
        lines.append(f"# newdoc id = {_in_one_line(document.source.id)}")
        lines += [
            f"# {_in_one_line(name)} = {_in_one_line(value)}"
            for name, value in document.source.kept.items()
        ]
        lines += _token_lines(document, options)
        lines.append("")
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


def _token_lines(document: TaggedDocument, options: Options) -> list[str]:
    tokens = document.prepared.tokens
    spans = [
        Span(
            bisect_left(tokens.starts, entity.start),
            bisect_left(tokens.ends, entity.end) + 1,
            entity.label,
        )
        for entity in document.entities
    ]
    scores = ["_"] * len(tokens)
    for span, entity in zip(spans, document.entities, strict=True):
        width = span.end_token - span.start_token
        scores[span.start_token : span.end_token] = [repr(entity.score)] * width
    tags = tags_from_spans(spans, len(tokens), options.scheme)
    starts, ends = offsets_in(document.answer.text, tokens.starts, tokens.ends, options.offset_unit)
    lines: list[str] = []
    for begin, stop in pairwise([*_sentences(document), len(tokens)]):
        if lines:
            lines.append("")
        if options.scheme == "IOB1" and tags[begin].startswith("B-"):
            tags[begin] = "I" + tags[begin][1:]  # the entity before ends with its sentence
        for index in range(begin, stop):
            word = _CONTROL.sub(" ", tokens.texts[index])
            lines.append(f"{word}\t{starts[index]}\t{ends[index]}\t{scores[index]}\t{tags[index]}")
    return lines


def _sentences(document: TaggedDocument) -> list[int]:
    """Tokens that open sentences: behind a boundary, or first in a segment."""
    layout = document.prepared.layout
    opening = {start for start, _ in layout.segments}
    opening.update(slot + 1 for slot in layout.boundaries)
    return sorted(map(layout.token_at, opening))


def _in_one_line(value: object) -> str:
    """A value as it is if it fits a line, else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text) if _CONTROL.search(text) or text != text.strip() else text
