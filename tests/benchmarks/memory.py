"""What the memory gains, harms and costs on real data: `python -m tests.benchmarks.memory`.

Writes a JSON file, and the table between the marks in docs/memory.md.
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ner_service.memory import Example, Taught, make_example
from ner_service.tagger import PreparedDocument, Tagger
from ner_service.tags import Span, detect_scheme, spans_from_tags
from ner_service.text import Tokens
from training.columns import read_columns
from training.documents import Document
from training.metrics import Scores, score_spans

DATA = Path("../shared/data")
OUTPUT = Path("tests/benchmarks/memory.json")
PAGE = Path("docs/memory.md")
MARKS = ("<!-- measured -->", "<!-- /measured -->")
WNUT_LABELS = {
    "person": "PER", "location": "LOC", "corporation": "ORG", "group": "ORG",
    "product": "MISC", "creative-work": "MISC",
}  # fmt: skip
STORED = 100_000
ROUNDS = 4


class Sentences:
    """A column file's documents as the tagger reads them, and their gold spans."""

    def __init__(self, path: Path, labels: dict[str, str] | None = None) -> None:
        reading = read_columns(path)
        self.scheme = detect_scheme(
            sentence.tags for document in reading.documents for sentence in document
        )
        self.documents: Sequence[Document] = reading.documents
        if not reading.documents_marked:
            self.documents = [[sentence] for document in reading.documents for sentence in document]
        self.labels = labels or {}

    def gold(self, document: Document) -> list[Span]:
        spans, offset = [], 0
        for sentence in document:
            for span in spans_from_tags(sentence.tags, self.scheme):
                label = self.labels.get(span.label, span.label)
                spans.append(Span(span.start_token + offset, span.end_token + offset, label))
            offset += len(sentence.tokens)
        return spans

    def prepared(self, tagger: Tagger) -> list[PreparedDocument]:
        found = []
        for document in self.documents:
            words = [word for sentence in document for word in sentence.tokens]
            starts, place = [], 0
            for sentence in document:
                starts.append(place)
                place += len(sentence.tokens)
            found.append(tagger.prepare_tokens(words, starts))
        return found

    def examples(self, most_tokens: int | None = None) -> list[Example]:
        """Each sentence as an example, the first ones up to so many tokens."""
        found, tokens = [], 0
        for document in self.documents:
            for sentence in document:
                if most_tokens is not None and tokens >= most_tokens:
                    return found
                text, places = Tokens.from_words(sentence.tokens)
                taught = [
                    Taught(
                        places.starts[s.start_token],
                        places.ends[s.end_token - 1],
                        self.labels.get(s.label, s.label),
                    )
                    for s in spans_from_tags(sentence.tags, self.scheme)
                ]
                found.append(make_example(text, taught, sentence.tokens))
                tokens += len(sentence.tokens)
        return found


def score(tagger: Tagger, sentences: Sentences) -> Scores:
    """Strict scores of a tagger over a file."""
    prepared = sentences.prepared(tagger)
    predicted = []
    for begin in range(0, len(prepared), 64):
        for document in tagger.tag_documents(prepared[begin : begin + 64]):
            openings = {start: index for index, start in enumerate(document.tokens.starts)}
            closings = {end: index + 1 for index, end in enumerate(document.tokens.ends)}
            predicted.append(
                [Span(openings[e.start], closings[e.end], e.label) for e in document.entities]
            )
    return score_spans([sentences.gold(document) for document in sentences.documents], predicted)


def f1(scores: Scores) -> float:
    return round(scores.overall.f1, 4)


def seconds(tagger: Tagger, prepared: Sequence[PreparedDocument]) -> float:
    """Processor time of one pass."""
    begin = time.process_time()
    for start in range(0, len(prepared), 64):
        tagger.tag_documents(prepared[start : start + 64])
    return time.process_time() - begin


def slowdown(plain: Tagger, taught: Tagger, sentences: Sentences) -> dict[str, float]:
    """The fastest of some passes each, in turns."""
    prepared = sentences.prepared(plain)
    tokens = sum(len(document.tokens) for document in prepared)
    gc.collect()
    gc.freeze()  # as the service does: what was loaded is no garbage, and is not looked through
    times = [(seconds(plain, prepared), seconds(taught, prepared)) for _ in range(ROUNDS + 1)][1:]
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
    wnut = Sentences(DATA / "wnut17/wnut17train.conll", WNUT_LABELS)
    tweets.teach(wnut.examples())
    news.teach(Sentences(DATA / "conll2003/eng.train").examples(STORED))
    sets = {
        "wnut17_development": Sentences(DATA / "wnut17/emerging.dev.conll", WNUT_LABELS),
        "conll2003_development": Sentences(DATA / "conll2003/eng.testa"),
        "conll2003_test": Sentences(DATA / "conll2003/eng.testb"),
    }
    scores = {
        name: {"without": f1(score(plain, each)), "with": f1(score(tweets, each))}
        for name, each in sets.items()
    }
    return {
        "model": plain.info.name,
        "version": plain.info.version,
        "wnut17_train_in_memory": {"tokens": len(tweets.memory), "f1": scores},
        "speed": {"stored_tokens": len(news.memory)}
        | slowdown(plain, news, sets["conll2003_test"]),
    }


def table(found: dict[str, object]) -> str:
    """The figures as Markdown."""
    memory, speed = found["wnut17_train_in_memory"], found["speed"]
    assert isinstance(memory, dict)
    assert isinstance(speed, dict)
    names = {
        "wnut17_development": "WNUT-17 development",
        "conll2003_development": "CoNLL-2003 development",
        "conll2003_test": "CoNLL-2003 test",
    }
    lines = [
        f"Model {found['model']} {found['version']}; WNUT-17's training set "
        f"({memory['tokens']:,} tokens, labels mapped) in memory:",
        "",
        "| F1 | without memory | with |",
        "|---|---|---|",
    ]
    lines += [
        f"| {names[name]} | {row['without']:.4f} | {row['with']:.4f} |"
        for name, row in memory["f1"].items()
    ]
    lines += [
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
    PAGE.write_text(f"{page[:begin]}\n{table(found)}\n{page[end:]}", encoding="utf-8")


if __name__ == "__main__":
    main()
