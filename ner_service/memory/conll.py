"""Examples to and from column files: one token a line, a blank line behind each example.

A file from elsewhere gives the words joined by single spaces as text. Our own keep the text as it
was in a comment, and the tokens' places in it, so that nothing is lost on the way out and in.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ner_service.errors import ConfigError, CorpusError
from ner_service.memory.examples import Example, Taught, make_example
from ner_service.tags import Span, detect_scheme, spans_from_tags, split_tag, tags_from_spans
from ner_service.text import tokenize
from ner_service.text.tokenizer import Tokens

_TEXT = "# text = "
_MARK = "-DOCSTART-"
_SPACES = re.compile(" +")
_CONTROL = re.compile(r"[\x00-\x20\x85\xa0\u2028\u2029]")

Columns = tuple[str | None, list[str], list[str]]
"""The exact text if it is told, the tokens, the tags."""


def write_conll(examples: Iterable[Example]) -> str:
    """Columns of token and tag (BIO), at tabs; the exact text in a comment.

    Raises:
        ConfigError: an entity is not one of whole tokens.
    """
    lines = []
    for example in examples:
        tokens = example.tokens()
        tags = tags_from_spans(example.spans(tokens), len(tokens), "BIO")
        lines.append(f"# id = {example.id}")
        if example.words is None:
            lines.append(f"{_TEXT}{json.dumps(example.text)}")
        lines += [
            f"{_CONTROL.sub('_', word)}\t{tag}"
            for word, tag in zip(tokens.texts, tags, strict=True)
        ]
        lines.append("")
    return "".join(f"{line}\n" for line in lines)


def read_conll(path: Path) -> list[Example]:
    """Examples from a column file, in any of the schemes; the tag is the last column.

    Raises:
        CorpusError: the file cannot be read or is broken; names the line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: expected UTF-8: {error.reason}") from None
    return examples_of(text, str(path))


def examples_of(text: str, source: str) -> list[Example]:
    """Examples from the text of a column file.

    Raises:
        CorpusError: it is broken; names the line.
    """
    sentences = list(_sentences(text, source))
    try:
        scheme = detect_scheme(tags for _, _, tags in sentences)
    except ConfigError as error:
        raise CorpusError(f"{source}: {error}") from None
    examples = []
    for number, (exact, words, tags) in enumerate(sentences, start=1):
        spans = spans_from_tags(tags, scheme)
        try:
            examples.append(_example(exact, words, spans))
        except ConfigError as error:
            raise CorpusError(f"{source}, sentence {number}: {error}") from None
    return examples


def _example(exact: str | None, words: Sequence[str], spans: Sequence[Span]) -> Example:
    given = words if exact is None else None
    if exact is None:
        exact, tokens = Tokens.from_words(words)
    else:
        tokens = tokenize(exact)
        if len(tokens) != len(words):
            raise ConfigError(f"expected {len(tokens)} tokens as in its text, got {len(words)}")
    taught = (
        Taught(tokens.starts[s.start_token], tokens.ends[s.end_token - 1], s.label) for s in spans
    )
    return make_example(exact, taught, given)


def _sentences(text: str, source: str) -> Iterator[Columns]:
    exact: str | None = None
    words: list[str] = []
    tags: list[str] = []
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        line = line.removesuffix("\r")
        if not line.strip() or line.startswith(_MARK):
            if words:
                yield exact, words, tags
            exact, words, tags = None, [], []
        elif line.startswith("# ") and "\t" not in line and not words:
            if line.startswith(_TEXT):
                exact = _loaded(line.removeprefix(_TEXT), f"{source}, line {number}")
        else:
            fields = line.split("\t") if "\t" in line else _SPACES.split(line.strip(" "))
            word, tag = fields[0].strip(), fields[-1].strip()
            try:
                split_tag(tag)
            except ConfigError as error:
                raise CorpusError(f"{source}, line {number}: {error}") from None
            if len(fields) < 2 or not word:
                raise CorpusError(f"{source}, line {number}: expected a token and a tag")
            words.append(word)
            tags.append(tag)


def _loaded(value: str, place: str) -> str | None:
    """The text of a comment; None for one that is not ours."""
    try:
        text = json.loads(value)
    except ValueError:
        return None
    if not isinstance(text, str):
        raise CorpusError(f"{place}: expected the text as a JSON string")
    return text
