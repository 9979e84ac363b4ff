"""Corrections, those that tell the model most first.

Shen et al. 2018, "Deep Active Learning for Named Entity Recognition": texts are ranked by their
maximum normalised log-probability, that of the model's best labelling divided by the number of
tokens, lowest first. The division keeps long texts from being taken for difficult ones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ner_service.memory import Example
from ner_service.memory.store import read_examples
from ner_service.tagger import Tagger, TagOptions

_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Ranked:
    """A correction and how unsure the model is of its text.

    Attributes:
        example: the correction.
        uncertainty: negative log-probability of the model's best labelling, a token.
        agrees: whether the model finds just the corrected entities already.
    """

    example: Example
    uncertainty: float
    agrees: bool


def read_feedback(path: Path) -> list[Example]:
    """The corrections of a log; of the same text the latest.

    Raises:
        ConfigError: it cannot be read.
    """
    by_text = {example.text: example for example in read_examples(path)}
    return list(by_text.values())


def rank(examples: Iterable[Example], tagger: Tagger) -> list[Ranked]:
    """Corrections, most uncertain first; the tagger should have no memory of them."""
    every = list(examples)
    ranked = []
    for begin in range(0, len(every), _AT_ONCE):
        part = every[begin : begin + _AT_ONCE]
        documents = tagger.tag_batch([e.text for e in part], TagOptions(nbest=1))
        ranked += [
            Ranked(
                example,
                -document.analysis.nbest[0].log_probability / max(1, len(document.tokens))
                if document.analysis is not None and document.analysis.nbest
                else 0.0,
                [(e.start, e.end, e.label) for e in document.entities]
                == [(e.start, e.end, e.label) for e in example.entities],
            )
            for example, document in zip(part, documents, strict=True)
        ]
    return sorted(ranked, key=lambda one: -one.uncertainty)


def chosen(ranked: Sequence[Ranked], *, most: int | None, mistakes: bool) -> list[Example]:
    """The first of them; with `mistakes` those alone that the model gets wrong."""
    kept = [one.example for one in ranked if not (mistakes and one.agrees)]
    return kept[:most]
