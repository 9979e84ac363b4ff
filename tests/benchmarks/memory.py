"""What the memory gains, harms and costs on real data: `python -m tests.benchmarks.memory`.

Writes a JSON file, and the table between the marks in docs/memory.md.
"""

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

# Set before NumPy is imported: processor time is measured, and threads that wait for work spin.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

from ner_service.memory import Example
from ner_service.tagger import PreparedDocument, Tagger
from tests.benchmarks.bench import DATA
from training.cases import Case, prepared
from training.corpus import Corpus, load_split
from training.markdown import table
from training.tune_memory import WNUT_LABELS, Labels, cases_of, example_of, f1, sentences_of

OUTPUT = Path("tests/benchmarks/memory.json")
PAGE = Path("docs/memory.md")
MARKS = ("<!-- measured -->", "<!-- /measured -->")
STORED = 100_000
ROUNDS = 4


def seconds(tagger: Tagger, documents: Sequence[PreparedDocument]) -> float:
    """Processor time of one pass."""
    begin = time.process_time()
    for start in range(0, len(documents), 64):
        tagger.tag_documents(documents[start : start + 64])
    return time.process_time() - begin


def slowdown(plain: Tagger, taught: Tagger, cases: Sequence[Case]) -> dict[str, float]:
    """The fastest of some passes each, in turns."""
    documents = [prepared(plain, case, "gold") for case in cases]
    tokens = sum(len(document.tokens) for document in documents)
    gc.collect()
    gc.freeze()  # as the service does: what was loaded is no garbage, and is not looked through
    times = [(seconds(plain, documents), seconds(taught, documents)) for _ in range(ROUNDS + 1)][1:]
    without, with_memory = (min(column) for column in zip(*times, strict=True))
    return {
        "tokens_per_second_without": round(tokens / without),
        "tokens_per_second_with": round(tokens / with_memory),
        "slower_percent": round(100 * (with_memory / without - 1), 1),
    }


def measure(model: str) -> dict[str, object]:
    def load() -> Tagger:
        return Tagger.load(model, backend="onnx", threads=1)

    plain, tweets, news = load(), load(), load()
    train = load_split(DATA / "wnut17" / "wnut17train.conll")
    tweets.teach([example_of(case) for case in sentences_of(train, WNUT_LABELS)])
    news.teach(_first_examples(load_split(DATA / "conll2003" / "eng.train"), STORED))
    tweets_to_find = load_split(DATA / "wnut17" / "emerging.dev.conll")
    sets: dict[str, tuple[list[Case], Labels]] = {
        "wnut17_development": (cases_of(tweets_to_find, WNUT_LABELS), WNUT_LABELS),
        "conll2003_development": (cases_of(load_split(DATA / "conll2003" / "eng.testa")), None),
        "conll2003_test": (cases_of(load_split(DATA / "conll2003" / "eng.testb")), None),
    }
    scores = {
        name: {"without": round(f1(plain, *each), 4), "with": round(f1(tweets, *each), 4)}
        for name, each in sets.items()
    }
    return {
        "model": plain.info.name,
        "version": plain.info.version,
        "wnut17_train_in_memory": {"tokens": len(tweets.memory), "f1": scores},
        "speed": {"stored_tokens": len(news.memory)}
        | slowdown(plain, news, sets["conll2003_test"][0]),
    }


def _first_examples(corpus: Corpus, most_tokens: int) -> list[Example]:
    """Each sentence as an example, the first ones up to so many tokens."""
    cases = sentences_of(corpus)
    before = accumulate((len(case.words) for case in cases), initial=0)
    return [
        example_of(case)
        for case, tokens in zip(cases, before, strict=False)
        if tokens < most_tokens
    ]


def page_part(found: dict[str, object]) -> str:
    """The figures as Markdown."""
    memory, speed = found["wnut17_train_in_memory"], found["speed"]
    assert isinstance(memory, dict)
    assert isinstance(speed, dict)
    names = {
        "wnut17_development": "WNUT-17 development",
        "conll2003_development": "CoNLL-2003 development",
        "conll2003_test": "CoNLL-2003 test",
    }
    rows = [
        (names[name], f"{row['without']:.4f}", f"{row['with']:.4f}")
        for name, row in memory["f1"].items()
    ]
    lines = [
        f"Model {found['model']} {found['version']}; WNUT-17's training set "
        f"({memory['tokens']:,} tokens, labels mapped) in memory:",
        "",
        table(("F1", "without memory", "with"), rows),
        "",
        f"With {speed['stored_tokens']:,} tokens of CoNLL-2003's training set in memory, one "
        f"thread tags its test set at {speed['tokens_per_second_with']:,} tokens a second instead "
        f"of {speed['tokens_per_second_without']:,}: {speed['slower_percent']} % more "
        "processor time.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="conll2003")
    parser.add_argument("--no-page", action="store_true", help="leave docs/memory.md alone")
    options = parser.parse_args()
    found = measure(options.model)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    if options.no_page:
        return
    OUTPUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    begin, end = page.index(MARKS[0]) + len(MARKS[0]), page.index(MARKS[1])
    PAGE.write_text(f"{page[:begin]}\n{page_part(found)}\n{page[end:]}", encoding="utf-8")


if __name__ == "__main__":
    main()
