"""Flair's BiLSTM-CRF of our size, JSON lines to JSON lines.

Runs in the peers' environment and imports nothing of ours. The network has random weights, which
cost what trained ones cost; its output layer leans towards O, so that it is not slowed down by
writing out spans that a trained network would not find.
"""

import argparse
import json
import multiprocessing
import string
from collections.abc import Iterator

import flair
import torch
from flair.data import Dictionary
from flair.embeddings import CharacterEmbeddings, StackedEmbeddings, WordEmbeddings
from flair.models import SequenceTagger
from flair.splitter import SegtokSentenceSplitter

_STORIES_A_TASK = 32
_LEANS_TO_O = 20.0


def texts(path: str) -> list[str]:
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def build(options: argparse.Namespace) -> SequenceTagger:
    flair.device = torch.device("cpu")
    words = {word.lower() for text in texts(options.input) for word in text.split()}
    parts = [
        WordEmbeddings(
            None,
            vocab={word: index for index, word in enumerate(sorted(words))},
            embedding_length=options.vector_width,
            name="vectors",
        )
    ]
    if options.characters:
        known = Dictionary()
        for character in string.printable:
            known.add_item(character)
        parts.append(CharacterEmbeddings(known))  # its own default: 25 units each way
    tags = Dictionary(add_unk=False)
    for label in ("LOC", "MISC", "ORG", "PER"):
        tags.add_item(label)
    tags.span_labels = True
    tagger = SequenceTagger(
        embeddings=StackedEmbeddings(parts),
        tag_dictionary=tags,
        tag_type="ner",
        hidden_size=options.hidden_width,
        rnn_layers=1,
        use_crf=True,
        reproject_embeddings=options.word_width,
    )
    with torch.no_grad():
        tagger.linear.bias[tagger.label_dictionary.get_idx_for_item("O")] += _LEANS_TO_O
    return tagger.eval()


class Worker:
    """One process's tagger."""

    def __init__(self, options: argparse.Namespace) -> None:
        torch.set_num_threads(options.threads)
        self._tagger = build(options)
        self._splitter = SegtokSentenceSplitter()
        self._batch = options.batch_size

    def tag(self, stories: list[str]) -> list[str]:
        documents = [self._splitter.split(story) for story in stories]
        self._tagger.predict(
            [sentence for document in documents for sentence in document],
            mini_batch_size=self._batch,
        )
        return [self._line(document) for document in documents]

    @staticmethod
    def _line(document: list) -> str:
        entities = [
            {
                "text": span.text,
                "label": span.tag,
                "start": sentence.start_position + span.start_position,
                "end": sentence.start_position + span.end_position,
                "score": span.score,
            }
            for sentence in document
            for span in sentence.get_spans("ner")
        ]
        return json.dumps({"tokens": sum(map(len, document)), "entities": entities}) + "\n"


_WORKER: list[Worker] = []


def _start(options: argparse.Namespace) -> None:
    _WORKER.append(Worker(options))


def _tag(stories: list[str]) -> list[str]:
    return _WORKER[0].tag(stories)


def tasks(path: str) -> Iterator[list[str]]:
    stories = texts(path)
    for begin in range(0, len(stories), _STORIES_A_TASK):
        yield stories[begin : begin + _STORIES_A_TASK]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--vector-width", type=int, default=100)
    parser.add_argument("--word-width", type=int, default=128)
    parser.add_argument("--hidden-width", type=int, default=200)
    parser.add_argument("--characters", action="store_true")
    options = parser.parse_args()
    with open(options.output, "w", encoding="utf-8") as output:
        if options.processes == 1:
            worker = Worker(options)
            for task in tasks(options.input):
                output.writelines(worker.tag(task))
            return
        start = multiprocessing.get_context("spawn")
        with start.Pool(options.processes, _start, (options,)) as pool:
            for lines in pool.imap(_tag, tasks(options.input)):
                output.writelines(lines)


if __name__ == "__main__":
    main()
