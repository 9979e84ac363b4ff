"""Find what votes of the memory should weigh: `python -m training.tune_memory --model NAME`.

No test set is looked at. A corpus of another kind is taught, one half of its sentences; its other
half says what that gains, and the model's development set what it harms. Of the weights that lower
the development F1 by no more than `--harm`, those with the highest gain are told. The defaults of
`ner_service.memory.votes.Voting` are among those tried.
"""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from ner_service.memory import Example, Taught, make_example
from ner_service.memory.votes import Kernel, Voting
from ner_service.tagger import PreparedDocument, Tagger
from ner_service.tags import Scheme, Span, spans_from_tags
from ner_service.text import Tokens
from training.corpus import Corpus, iter_documents, load_split
from training.documents import Document, Sentence
from training.metrics import score_spans
from training.usage import OneLineParser, run_command

logger = logging.getLogger("training")

_AT_ONCE = 64
TRAINED = (Kernel(0, 1), Kernel(30, 0.01), Kernel(30, 0.03))
KNOWN = (Kernel(3, 0.1), Kernel(3, 0.2), Kernel(10, 0.1), Kernel(10, 0.2))
NEW = (Kernel(30, 0.5), Kernel(100, 1.0))
STATES = (Kernel(0, 1), Kernel(0.1, 0.05), Kernel(0.3, 0.05))


@dataclass(frozen=True, slots=True)
class Cases:
    """Prepared documents and their gold spans, by tokens."""

    documents: tuple[PreparedDocument, ...]
    gold: tuple[tuple[Span, ...], ...]


def cases_of(
    documents: Sequence[Document], scheme: Scheme, labels: Mapping[str, str], tagger: Tagger
) -> Cases:
    """Prepare documents; `labels` maps those that the model calls otherwise."""
    prepared, gold = [], []
    for document in documents:
        starts, spans, place = [], [], 0
        for sentence in document:
            starts.append(place)
            spans += [
                Span(s.start_token + place, s.end_token + place, labels.get(s.label, s.label))
                for s in spans_from_tags(sentence.tags, scheme)
            ]
            place += len(sentence)
        words = [word for sentence in document for word in sentence.tokens]
        prepared.append(tagger.prepare_tokens(words, starts))
        gold.append(tuple(spans))
    return Cases(tuple(prepared), tuple(gold))


def example_of(sentence: Sentence, scheme: Scheme, labels: Mapping[str, str]) -> Example:
    """A sentence as it is taught."""
    text, tokens = Tokens.from_words(sentence.tokens)
    taught = (
        Taught(
            tokens.starts[s.start_token],
            tokens.ends[s.end_token - 1],
            labels.get(s.label, s.label),
        )
        for s in spans_from_tags(sentence.tags, scheme)
    )
    return make_example(text, taught, sentence.tokens)


def f1(tagger: Tagger, cases: Cases) -> float:
    """Strict F1."""
    predicted: list[list[Span]] = []
    for begin in range(0, len(cases.documents), _AT_ONCE):
        for document in tagger.tag_documents(cases.documents[begin : begin + _AT_ONCE]):
            opening = {start: index for index, start in enumerate(document.tokens.starts)}
            closing = {end: index + 1 for index, end in enumerate(document.tokens.ends)}
            predicted.append(
                [Span(opening[e.start], closing[e.end], e.label) for e in document.entities]
            )
    return score_spans(cases.gold, predicted).overall.f1


def candidates() -> Iterator[Voting]:
    """Every combination of kernels."""
    for trained, known, new, states in product(TRAINED, KNOWN, NEW, STATES):
        yield Voting(forms=(trained, known, new), states=states)


def tune(
    tagger: Tagger,
    taught: Corpus,
    development: Corpus,
    *,
    labels: Mapping[str, str],
    harm: float,
    votings: Sequence[Voting],
) -> Voting:
    """Try weights and give the best.

    Args:
        tagger: with an empty memory; has one half of `taught` in it afterwards.
        taught: another kind of text; of its one split.
        development: the model's own.
        labels: what the model calls the labels of `taught`.
        harm: how far the development F1 may fall.
        votings: to try.
    """
    sentences = [s for split in taught.splits.values() for d in iter_documents(split) for s in d]
    own = [d for split in development.splits.values() for d in iter_documents(split)]
    gain = cases_of([[s] for s in sentences[1::2]], taught.scheme, labels, tagger)
    loss = cases_of(own, development.scheme, {}, tagger)
    without = f1(tagger, gain), f1(tagger, loss)
    logger.info("without memory: taught kind %.4f, development %.4f", *without)
    tagger.teach([example_of(s, taught.scheme, labels) for s in sentences[::2]])
    best, best_gain = replace(tagger.memory.voting), -1.0
    for voting in votings:
        tagger.memory.voting = voting
        gained = f1(tagger, gain)
        if gained <= best_gain:
            continue  # whatever it harms, it is not the best
        kept = f1(tagger, loss)
        logger.info("%s: taught kind %.4f, development %.4f", voting, gained, kept)
        if kept >= without[1] - harm:
            best, best_gain = voting, gained
    return best


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = OneLineParser(prog="python -m training.tune_memory", description=__doc__)
    parser.add_argument("--model", default="conll2003", help="name or directory")
    parser.add_argument("--taught", default="../shared/data/wnut17/wnut17train.conll")
    parser.add_argument("--development", default="../shared/data/conll2003/eng.testa")
    parser.add_argument(
        "--labels",
        default="person=PER,location=LOC,corporation=ORG,group=ORG,product=MISC,creative-work=MISC",
        help="what the model calls the labels of the taught corpus",
    )
    parser.add_argument("--harm", type=float, default=0.0002)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    def work() -> None:
        best = tune(
            Tagger.load(given.model, backend="onnx"),
            load_split(Path(given.taught)),
            load_split(Path(given.development)),
            labels=dict(pair.split("=") for pair in given.labels.split(",") if pair),
            harm=given.harm,
            votings=list(candidates()),
        )
        logger.info("best: %s", best)

    return run_command(work)


if __name__ == "__main__":
    sys.exit(main())
