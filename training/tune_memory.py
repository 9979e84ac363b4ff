"""Find what votes of the memory should weigh: `python -m training.tune_memory --model NAME`.

No test set is looked at. A corpus of another kind is taught, one half of its sentences; its other
half says what that gains, and the model's development set what it harms. Of the weights that lower
the development F1 by no more than `--harm`, those with the highest gain are told. The defaults of
`ner_service.memory.votes.Voting` are among those tried.
"""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from ner_service.memory import Example, Taught, make_example
from ner_service.memory.votes import Kernel, Voting
from ner_service.tagger import Tagger
from training.cases import Case, make_cases
from training.corpus import Corpus, Document, iter_documents, load_split
from training.evaluation import compare
from training.usage import OneLineParser, run_command

logger = logging.getLogger("training")

Labels = Mapping[str, str] | None

WNUT_LABELS: Mapping[str, str] = {
    "person": "PER",
    "location": "LOC",
    "corporation": "ORG",
    "group": "ORG",
    "product": "MISC",
    "creative-work": "MISC",
}
"""What models of news call the labels of WNUT-17."""

TRAINED = (Kernel(0, 1), Kernel(30, 0.01), Kernel(30, 0.03))
KNOWN = (Kernel(3, 0.1), Kernel(3, 0.2), Kernel(10, 0.1), Kernel(10, 0.2))
NEW = (Kernel(30, 0.5), Kernel(100, 1.0))
STATES = (Kernel(0, 1), Kernel(0.1, 0.05), Kernel(0.3, 0.05))


def cases_of(corpus: Corpus, labels: Labels = None) -> list[Case]:
    """A corpus's documents; `labels` are those to keep and what the model calls them, None all."""
    return make_cases(_documents(corpus), corpus.scheme, labels=labels)


def sentences_of(corpus: Corpus, labels: Labels = None) -> list[Case]:
    """Its sentences, each on its own."""
    sentences = ([sentence] for document in _documents(corpus) for sentence in document)
    return make_cases(sentences, corpus.scheme, labels=labels)


def _documents(corpus: Corpus) -> Iterator[Document]:
    return (document for split in corpus.splits.values() for document in iter_documents(split))


def example_of(case: Case) -> Example:
    """A case as it is taught."""
    words = [case.word(index) for index in range(len(case.words))]
    return make_example(case.text, (Taught(s.start, s.end, s.label) for s in case.gold), words)


def f1(tagger: Tagger, cases: Sequence[Case], labels: Labels = None) -> float:
    """Strict F1; of the labels that the model has for those of the corpus."""
    return compare(tagger, cases, labels=labels).scores.overall.f1


def candidates() -> Iterator[Voting]:
    """Every combination of kernels."""
    for trained, known, new, states in product(TRAINED, KNOWN, NEW, STATES):
        yield Voting(forms=(trained, known, new), states=states)


def tune(
    tagger: Tagger,
    taught: Corpus,
    development: Corpus,
    *,
    labels: Labels,
    harm: float,
    votings: Sequence[Voting],
) -> Voting:
    """Try weights and give the best.

    Args:
        tagger: with an empty memory; has one half of `taught` in it afterwards.
        taught: another kind of text; of its one split.
        development: the model's own.
        labels: those of `taught` to keep and what the model calls them; None keeps all.
        harm: how far the development F1 may fall.
        votings: to try.
    """
    sentences = sentences_of(taught, labels)
    gain, loss = sentences[1::2], cases_of(development)
    without = f1(tagger, gain, labels), f1(tagger, loss)
    logger.info("without memory: taught kind %.4f, development %.4f", *without)
    tagger.teach([example_of(case) for case in sentences[::2]])
    best, best_gain = replace(tagger.memory.voting), -1.0
    for voting in votings:
        tagger.memory.voting = voting
        gained = f1(tagger, gain, labels)
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
        default=",".join(f"{name}={ours}" for name, ours in WNUT_LABELS.items()),
        help="those of the taught corpus to keep and what the model calls them; empty keeps all",
    )
    parser.add_argument("--harm", type=float, default=0.0002)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    def work() -> None:
        best = tune(
            Tagger.load(given.model, backend="onnx"),
            load_split(Path(given.taught)),
            load_split(Path(given.development)),
            labels=dict(pair.split("=") for pair in given.labels.split(",") if pair) or None,
            harm=given.harm,
            votings=list(candidates()),
        )
        logger.info("best: %s", best)

    return run_command(work)


if __name__ == "__main__":
    sys.exit(main())
