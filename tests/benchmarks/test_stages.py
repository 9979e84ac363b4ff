import json

import pytest

from ner_service.tagger import Tagger
from tests.benchmarks.stages import cut_shards, shares_of

TEXTS = [f"Ines Costa flew from Lisbon to Bank {number} in Spain." for number in range(9)]


def test_every_stage_of_tagging_is_clocked():
    lines = [json.dumps({"text": text}).encode() + b"\n" for text in TEXTS]
    tagger = Tagger.load("models/conll2003", threads=1)
    shares = shares_of(tagger, list(cut_shards(lines)))
    assert set(shares) == {
        "JSON",
        "tokenise",
        "sentence starts",
        "windows",
        "look-up",
        "features of new words",
        "word encoder",
        "batches",
        "sentence encoder",
        "Viterbi",
        "probabilities",
        "rest",
    }
    assert min(shares.values()) >= 0
    assert sum(shares.values()) == pytest.approx(1)
