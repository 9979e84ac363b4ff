import json
import re
import sys

import pytest

from tests.benchmarks.bench import QUICK, Bench, Sizes
from tests.benchmarks.client import request
from tests.benchmarks.parity import compare
from tests.benchmarks.report import number, render, write_report
from tests.benchmarks.run import with_earlier
from tests.benchmarks.targets import targets_met
from tests.benchmarks.timing import in_turn, ratios, run_command, spread

STAGES = {"tokenise": spread([0.1, 0.3]), "sentence encoder": spread([0.7, 0.9])}
RATES = {
    "words_per_second": spread([10.0]),
    "recurrence_words_per_second": spread([20.0]),
    "share_of_recurrence_rate": spread([0.5]),
    "stages": STAGES,
}
CONTENDER = {
    "start_seconds": spread([1.0]),
    "seconds": spread([2.0]),
    "words_per_second": spread([50_000.0]),
    "steady_words_per_second": spread([123_456.0]),
}
RACE = {"whole": spread([5.0]), "steady": spread([7.0])}
BYTES = {"resident": 200 * 2**20, "files": 2**20, "peak": 2**28}
COMPARED = {
    "tags": 1000,
    "tags_changed": 3,
    "share": 0.003,
    "largest": 0.01,
    "mean": 0.001,
    "entities_in_both": 10,
    "entities_in_one": 1,
}
MEASURES = {
    "peers_race": {
        "stories": 2000,
        "words": 250_000,
        "processes": 2,
        "flair_arrangement": {"chosen": "processes 2, threads 1, batches of 32"},
        "contenders": {"full": CONTENDER, "int8": CONTENDER, "spacy": CONTENDER},
        "times_faster": {"full": {"spacy": RACE}, "int8": {"spacy": RACE}},
    },
    "stages": {"stories": 1, "words": 1, "slots": 1, "precisions": {"full": RATES, "int8": RATES}},
    "kernel": {
        "length": 100,
        "batch": 16,
        "hidden_width": 200,
        "word_width": 128,
        "gemm_gflops": spread([90.0]),
        "points": [
            {
                "axis": axis,
                "value": value,
                "precision": precision,
                "tokens_per_second": spread([80_000.0]),
                "share_of_gemm": spread([0.9]),
            }
            for axis in ("length", "batch", "width")
            for value in (10, 20)
            for precision in ("full", "int8")
        ],
    },
    "http_race": {
        "sentence_words": 20,
        "requests": 400,
        "clients": 64,
        "load_requests": 4000,
        "latency_seconds": {
            "service": spread([0.002]),
            "empty": spread([0.001]),
            "empty_same_parser": spread([0.0008]),
        },
        "latency_ratio": {"empty": spread([2.0]), "empty_same_parser": spread([2.5])},
        "requests_per_second": {
            "service": spread([900.0]),
            "empty": spread([1500.0]),
            "empty_same_parser": spread([1800.0]),
        },
        "rate_ratio": {"empty": spread([0.6]), "empty_same_parser": spread([0.5])},
    },
    "service": {
        "seconds_to_ready": spread([1.0]),
        "requests": 100_000,
        "different_texts": 12_000,
        "loaded": BYTES,
        "after": BYTES,
    },
    "growth": {
        "workers": 2,
        "sizes": [
            {
                "megabytes": size,
                "seconds": spread([size]),
                "largest_process_bytes": spread([2.0**27]),
                "all_processes_bytes": spread([2.0**28]),
            }
            for size in (10, 100)
        ],
        "compared": {"megabytes": 100, "with_megabytes": 10},
        "time_ratio": spread([10.0]),
        "memory_ratio": spread([1.1]),
    },
    "parity": {
        "test_set": "eng.testb",
        "documents": 231,
        "tokens": 46_435,
        "f1": {"onnx": 0.91, "int8": 0.9095},
        "compared": {"onnx / torch": {**COMPARED, "tags_changed": 0}, "int8 / onnx": COMPARED},
    },
    "training_speed": {
        "configuration": "training/configs/conll2003.toml",
        "device": "CPU",
        "threads": 2,
        "windows_a_batch": 4,
        "tokens_per_second": spread([3000.0]),
    },
}
RESULTS = {
    "quick": False,
    "machine": {
        "processor": "A processor",
        "cores": 2,
        "memory_gib": 24.0,
        "system": "Linux",
        "python": "3.11",
        "versions": {"numpy": "2"},
        "peer_versions": {},
        "model": {
            "name": "conll2003",
            "version": "abc",
            "cell": "lstm",
            "directions": 2,
            "hidden_width": 200,
            "word_width": 128,
            "vectors_width": 400,
            "tags": 17,
        },
    },
    "measures": MEASURES,
    "runs": {name: {"date": "2026-01-01", "commit": None, "load_before": 0.1} for name in MEASURES},
}


def test_page_has_every_measure_and_its_plots_exist(tmp_path):
    write_report(RESULTS, tmp_path)
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert page.count("\n## ") == len(MEASURES) + 1  # and the targets
    plots = re.findall(r"\]\((benchmarks/[^)]+)\)", page)
    assert len(plots) == 4
    for plot in plots:
        assert (tmp_path / plot).stat().st_size > 1000
    assert (tmp_path / "benchmarks.json").is_file()
    assert "quick run" not in page


def test_measure_that_was_left_out_is_no_part_of_the_page():
    page = render({**RESULTS, "quick": True, "measures": {"parity": MEASURES["parity"]}})
    assert page.count("\n## ") == 2
    assert "These are not measurements" in page


def test_missed_target_is_told():
    met = {target.what: target.met for target in targets_met(MEASURES)}
    assert met["full: times as fast as spacy, without start"]
    assert not met["full: times as fast as spacy, whole command"]
    assert not met["full: of the bare recurrence's rate"]
    assert met["tags that differ between ONNX Runtime and torch"]
    assert "**no**" in render(RESULTS)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0312499, "0.0312"),
        (1.0, "1"),
        (98_765, "98,800"),
        (1000, "1,000"),
        (999.6, "1,000"),
        (0.00001, "0.00001"),
        (123.4, "123"),
    ],
)
def test_number_has_three_digits(value, text):
    assert number(value) == text


def test_ratio_is_taken_round_by_round():
    assert ratios([2, 9, 4], [1, 3, 4]) == {"median": 2, "min": 1, "max": 3, "runs": 3}


def test_contenders_take_turns():
    order: list[str] = []
    contenders = {name: lambda n=name: order.append(n) or float(len(order)) for name in "abc"}
    results = in_turn(contenders, 2)
    assert order == ["a", "b", "c", "b", "c", "a"]
    assert results == {"a": [1, 6], "b": [2, 4], "c": [3, 5]}


def test_command_is_timed_and_its_children_count():
    child = "import time; x = bytearray(60_000_000); time.sleep(0.6)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    run = run_command([sys.executable, "-c", parent])
    assert run.seconds > 0.5
    assert 60_000_000 < run.largest_bytes < run.together_bytes


def test_failing_command_is_told():
    with pytest.raises(RuntimeError, match="no good"):
        run_command([sys.executable, "-c", "raise SystemExit('no good')"])


def test_settings_survive_the_way_to_another_process(tmp_path):
    bench = Bench(tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, QUICK, quick=True)
    assert Bench.from_json(bench.to_json()) == bench
    assert Sizes().rounds >= 5


def test_request_is_whole():
    head, _, body = request("Bob").partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/entities HTTP/1.1")
    assert body == b'{"text": "Bob"}'
    assert f"Content-Length: {len(body)}".encode() in head


def test_answers_are_compared_by_tags_and_scores(tiny_model):
    from ner_service.tagger import Tagger

    tagger = Tagger.load(tiny_model, threads=1)
    texts = ["Bob bought a toy Yoda in Lisbon .", "the bank of Costa"]
    same = compare(tagger.tag_batch(texts), tagger.tag_batch(texts))
    assert (same["tags_changed"], same["largest"], same["entities_in_one"]) == (0, 0.0, 0)
    assert same["tags"] == 12


def test_some_parts_anew_keep_the_others_of_the_same_model(tmp_path):
    file = tmp_path / "benchmarks.json"
    file.write_text(json.dumps(RESULTS))
    one = {**RESULTS, "measures": {"parity": "new"}, "runs": {"parity": "now"}}
    merged = with_earlier(one, file)
    assert merged["measures"] == {**MEASURES, "parity": "new"}
    assert merged["runs"] == {**RESULTS["runs"], "parity": "now"}
    other = {**one, "machine": {**RESULTS["machine"], "cores": 4}}
    assert with_earlier(other, file) == other
    assert with_earlier(one, tmp_path / "none.json") == one
