import json
from pathlib import Path

import pytest

from tests.benchmarks.stages import cut_shards, load_worker, shares_of

TEXTS = [f"Ines Costa flew from Lisbon to Bank {number} in Spain." for number in range(9)]


def test_every_stage_of_tagging_is_clocked():
    lines = [json.dumps({"text": text}).encode() + b"\n" for text in TEXTS]
    worker = load_worker(Path("models/conll2003"), "full")
    shares = shares_of(worker, list(cut_shards(lines)))
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
