"""Score a model on a corpus: `python -m training.evaluate --model DIR --corpus FILE`.

An entity counts if its bounds and its label are right. On the predictions file, seqeval in strict
IOB2 mode and conlleval give the same figures.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ner_service.artifact.locate import resolve_model
from ner_service.errors import ConfigError
from ner_service.tagger import Tagger
from training.cases import WORD_CHANGES, Casing
from training.corpus import Corpus, iter_documents, load_split
from training.evaluation import Evaluation, evaluate, figures
from training.predictions import write_predictions
from training.usage import OneLineParser, run_command


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 2 for wrong usage, 1 for a failure."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: _run(options))


def chosen_labels(
    corpus: Corpus, tagger: Tagger, names: str | None, mapping: str | None
) -> dict[str, str] | None:
    """Read `--labels PER,LOC` and `--map person=PER,group=ORG`; None keeps everything.

    Raises:
        ConfigError: a label is empty, or neither the corpus's nor the model's.
    """
    if names is None and mapping is None:
        return None
    known = set(corpus.labels) | set(tagger.info.labels)
    chosen = {label: label for label in known}
    if mapping is not None:
        chosen = {}
        for pair in mapping.split(","):
            source, equals, target = (part.strip() for part in pair.partition("="))
            if not equals or source not in known or target not in known:
                raise ConfigError(
                    f"--map: expected pairs such as person=PER of {', '.join(sorted(known))}, "
                    f"got {pair!r}"
                )
            chosen[source] = target
    if names is not None:
        wanted = {name.strip() for name in names.split(",")}
        if strangers := wanted - known:
            raise ConfigError(
                f"--labels: expected some of {', '.join(sorted(known))}, "
                f"got {', '.join(map(repr, sorted(strangers)))}"
            )
        chosen = {source: target for source, target in chosen.items() if target in wanted}
    return chosen


def _parser() -> OneLineParser:
    parser = OneLineParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--model", required=True, help="model directory or name")
    parser.add_argument("--corpus", required=True, help="file, folder or name on the Hub")
    parser.add_argument(
        "--tokens",
        choices=("gold", "raw"),
        default="gold",
        help="the corpus's own tokens, or running text that the model splits itself",
    )
    casing = parser.add_mutually_exclusive_group()
    casing.add_argument("--lowercase", action="store_true", help="lower-case every word first")
    casing.add_argument("--uppercase", action="store_true", help="upper-case every word first")
    parser.add_argument("--labels", metavar="A,B", help="score these labels alone")
    parser.add_argument("--map", metavar="A=B,C=D", help="the model's names of the corpus's labels")
    parser.add_argument("--backend", choices=("auto", "onnx", "torch"), default="onnx")
    parser.add_argument("--precision", choices=("full", "int8"), default="full")
    parser.add_argument("--predictions", type=Path, metavar="FILE", help="write tags here")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write an HTML report here")
    parser.add_argument(
        "--train", metavar="FILE", help="for the report: the training set, to know unseen entities"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def _run(options: argparse.Namespace) -> None:
    tagger = Tagger.load(options.model, backend=options.backend, precision=options.precision)
    corpus = load_split(options.corpus)
    labels = chosen_labels(corpus, tagger, options.labels, options.map)
    casing: Casing = "lower" if options.lowercase else "upper" if options.uppercase else "as is"
    evaluation = evaluate(
        tagger, corpus, tokens=options.tokens, change=WORD_CHANGES[casing], labels=labels
    )
    if options.predictions is not None:
        write_predictions(options.predictions, evaluation.cases, evaluation.predicted_spans)
    subject = _subject(options, tagger, corpus, casing, labels)
    if options.report is not None:
        _report(options, tagger, corpus, evaluation, subject)
    if options.json:
        result = {**figures(evaluation), "evaluated": subject}
        print(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        print(_table(evaluation))


def _report(
    options: argparse.Namespace,
    tagger: Tagger,
    corpus: Corpus,
    evaluation: Evaluation,
    subject: Mapping[str, Any],
) -> None:
    """Write the HTML report, with the figures of the other conditions."""
    # Drawing is slow to import and seldom asked for.
    from training.costs import token_costs
    from training.measure import CONDITION_NAMES, details, how
    from training.page import write_page
    from training.seen import load_keys, training_keys

    labels = subject["labels"]
    path = resolve_model(options.model)
    keys = load_keys(path)
    if options.train is not None:
        train = load_split(options.train, split="train")
        keys = training_keys(iter_documents(train.splits["train"]), train.scheme)
    conditions = {}
    for condition, name in CONDITION_NAMES.items():
        if condition != "int8":
            tokens, change = how(condition)
            done = evaluate(tagger, corpus, tokens=tokens, change=change, labels=labels)
            conditions[name] = figures(done)
    costs = []
    if options.tokens == "gold":
        costs = token_costs(path, evaluation.cases, labels=labels and labels.values())
    write_page(
        options.report,
        evaluation,
        subject=subject,
        details=details(evaluation, keys=keys),
        conditions=conditions,
        costs=costs,
    )


def _subject(
    options: argparse.Namespace,
    tagger: Tagger,
    corpus: Corpus,
    casing: Casing,
    labels: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Say what was evaluated and how."""
    return {
        "model": tagger.info.name,
        "version": tagger.info.version,
        "backend": options.backend,
        "precision": options.precision,
        "corpus": corpus.source,
        "documents_marked": corpus.documents_marked,
        "tokens": options.tokens,
        "casing": casing,
        "labels": None if labels is None else dict(sorted(labels.items())),
    }


def _table(evaluation: Evaluation) -> str:
    scores = evaluation.scores
    lines = [f"{'':<14}{'precision':>10}{'recall':>10}{'f1':>10}{'gold':>8}{'found':>8}"]
    for name, counts in [*scores.by_label.items(), ("all", scores.overall)]:
        rates = "".join(f"{x:>10.4f}" for x in (counts.precision, counts.recall, counts.f1))
        lines.append(f"{name:<14}{rates}{counts.gold:>8}{counts.predicted:>8}")
    lines.append(f"expected calibration error {evaluation.reliability.expected_error:.4f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
