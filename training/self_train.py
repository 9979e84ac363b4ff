"""Self-training: an ensemble labels raw text, a student learns from that and from the gold data.

`python -m training.self_train --config FILE --teachers DIR... --texts FILE...`
"""

import gzip
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ner_service.errors import CorpusError
from training.config import TrainConfig, load_config
from training.metrics_file import texts_behind
from training.teacher import (
    LabelledWindow,
    Teacher,
    language_models_of,
    load_labelled,
    save_labelled,
)
from training.train import RUNS, run
from training.usage import OneLineParser, run_command

logger = logging.getLogger("training")

_DOCUMENTS_AT_ONCE = 100


def read_texts(files: Sequence[Path]) -> Iterator[str]:
    """The `text` of every line of JSON-lines files, plain or gzip.

    Raises:
        CorpusError: a line has none; names file and line.
    """
    for file in files:
        opener = gzip.open if file.suffix == ".gz" else open
        try:
            with opener(file, "rt", encoding="utf-8") as lines:
                for number, line in enumerate(lines, start=1):
                    text = json.loads(line).get("text")
                    if not isinstance(text, str):
                        raise CorpusError(f"{file}, line {number}: expected a field 'text'")
                    yield text
        except (OSError, ValueError) as error:
            raise CorpusError(f"{file}: expected JSON lines ({error})") from None


def label_texts(
    teacher: Teacher, texts: Sequence[str], *, most_tokens: int, seed: int
) -> list[LabelledWindow]:
    """Label texts in random order until there are `most_tokens` slots."""
    order = np.random.default_rng(seed).permutation(len(texts))
    windows: list[LabelledWindow] = []
    slots = 0
    for begin in range(0, len(order), _DOCUMENTS_AT_ONCE):
        for window in teacher.label([texts[i] for i in order[begin : begin + _DOCUMENTS_AT_ONCE]]):
            windows.append(window)
            slots += len(window.words)
        logger.info("%d documents, %d slots labelled", begin + _DOCUMENTS_AT_ONCE, slots)
        if slots >= most_tokens:
            break
    return windows


def self_train(
    settings: TrainConfig,
    *,
    config_file: Path | None = None,
    teachers: Sequence[Path],
    texts: Sequence[Path],
    most_tokens: int,
    cache: Path,
    resume: bool,
) -> None:
    """Label (or take what was labelled before) and train the student."""
    if not (cache / "words.json").is_file():
        labelled = label_texts(
            Teacher(teachers), list(read_texts(texts)), most_tokens=most_tokens, seed=settings.seed
        )
        save_labelled(labelled, cache)
    labelled = load_labelled(cache)
    texts = [*texts, *map(Path, language_models_of(cache)), *map(Path, texts_behind(teachers))]
    run(settings, config_file=config_file, labelled=labelled, texts=texts, resume=resume)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 2 for a wrong configuration, 1 for a failure."""
    parser = OneLineParser(prog="python -m training.self_train", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="TOML file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--teachers", type=Path, nargs="+", required=True, help="model directories")
    parser.add_argument("--texts", type=Path, nargs="+", required=True, help="JSON lines")
    parser.add_argument("--most-tokens", type=int, default=3_000_000)
    parser.add_argument("--cache", type=Path, default=RUNS / "labelled")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return run_command(
        lambda: self_train(
            load_config(options.config, options.set),
            config_file=options.config,
            teachers=options.teachers,
            texts=options.texts,
            most_tokens=options.most_tokens,
            cache=options.cache,
            resume=options.resume,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
