"""Corpus documents as texts to be tagged, with the gold entities as ranges of code points.

Whether a tagger is given the corpus's tokens or running text, its answer is a list of character
ranges; so is the gold here, and both are compared in one way.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ner_service.tagger import PreparedDocument, Tagger
from ner_service.tags import Scheme, spans_from_tags
from training.detokenize import detokenize
from training.documents import Document

TokenSource = Literal["gold", "raw"]
Casing = Literal["as is", "lower", "upper"]
WordChange = Callable[[str], str]

WORD_CHANGES: Mapping[Casing, WordChange] = {
    "as is": str,
    "lower": str.lower,
    "upper": str.upper,
}


@dataclass(frozen=True, slots=True, order=True)
class TextSpan:
    """Code points `start` up to, not including, `end` of a text, that carry `label`."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Case:
    """One document as a text.

    Attributes:
        text: what the tagger sees.
        words: where each word of the corpus stands in the text, rising.
        sentences: the words at which sentences begin, the first of them 0.
        gold: the entities of the corpus, rising.
    """

    text: str
    words: tuple[tuple[int, int], ...]
    sentences: tuple[int, ...]
    gold: tuple[TextSpan, ...]

    def word(self, index: int) -> str:
        """The word at `index`."""
        start, end = self.words[index]
        return self.text[start:end]


def make_case(
    document: Document,
    scheme: Scheme,
    *,
    tokens: TokenSource = "gold",
    change: WordChange = str,
    labels: Mapping[str, str] | None = None,
) -> Case:
    """Turn a document into a text.

    Args:
        document: sentences with the tags of the corpus.
        scheme: of those tags.
        tokens: `gold` joins all words by single spaces; `raw` joins the words of a sentence as
            English is written and the sentences by newlines.
        change: what happens to each word first, to its case for instance; never to the spacing,
            which is that of the words as they are.
        labels: the labels to keep and what each is called; None keeps all.
    """
    parts: list[str] = []
    words: list[tuple[int, int]] = []
    sentences: list[int] = []
    gold: list[TextSpan] = []
    end = 0
    for sentence in document:
        first = len(words)
        sentences.append(first)
        gaps = _gaps(sentence.tokens, tokens)
        if first:
            gaps[0] = "\n" if tokens == "raw" else " "
        for gap, token in zip(gaps, sentence.tokens, strict=True):
            word = change(token)
            parts += [gap, word]
            start = end + len(gap)
            end = start + len(word)
            words.append((start, end))
        for span in spans_from_tags(sentence.tags, scheme):
            label = span.label if labels is None else labels.get(span.label)
            if label is not None:
                begin = words[first + span.start_token][0]
                gold.append(TextSpan(begin, words[first + span.end_token - 1][1], label))
    return Case("".join(parts), tuple(words), tuple(sentences), tuple(gold))


def make_cases(
    documents: Iterable[Document],
    scheme: Scheme,
    *,
    tokens: TokenSource = "gold",
    change: WordChange = str,
    labels: Mapping[str, str] | None = None,
) -> list[Case]:
    """Turn documents into texts; see `make_case`."""
    return [
        make_case(document, scheme, tokens=tokens, change=change, labels=labels)
        for document in documents
    ]


def prepared(tagger: Tagger, case: Case, tokens: TokenSource) -> PreparedDocument:
    """A case as the tagger takes it: with the corpus's words and sentences, or as bare text."""
    if tokens == "raw":
        return tagger.prepare(case.text)
    words = [case.text[start:end] for start, end in case.words]
    return tagger.prepare_tokens(words, case.sentences)


def _gaps(words: Sequence[str], tokens: TokenSource) -> list[str]:
    """What stands before each word of a sentence; nothing before the first."""
    if tokens == "gold":
        return ["", *[" "] * (len(words) - 1)]
    text, ranges = detokenize(words)
    return list(_between(text, ranges))


def _between(text: str, ranges: Sequence[tuple[int, int]]) -> Iterator[str]:
    end = 0
    for start, stop in ranges:
        yield text[end:start]
        end = stop
