import json
import re
import warnings

import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from tests.training_runs import SAMPLE
from training.evaluate import main

TEST = SAMPLE / "test.txt"


def read_predictions(path):
    gold, predicted = [[]], [[]]
    for line in path.read_text("utf-8").splitlines():
        if not line:
            gold.append([])
            predicted.append([])
            continue
        _, expected, found = line.split()
        gold[-1].append(expected)
        predicted[-1].append(found)
    return gold[:-1], predicted[:-1]


def run(capsys, model, *arguments):
    assert main(["--model", str(model), *map(str, arguments)]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("tokens", ["gold", "raw"])
@pytest.mark.parametrize("casing", [(), ("--lowercase",), ("--uppercase",)])
def test_reported_f1_is_seqevals_on_the_predictions_file(
    trained_model, capsys, tmp_path, tokens, casing
):
    file = tmp_path / "tags.txt"
    arguments = ("--corpus", TEST, "--tokens", tokens, *casing, "--predictions", file, "--json")
    result = json.loads(run(capsys, trained_model, *arguments))
    gold, predicted = read_predictions(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = f1_score(gold, predicted, mode="strict", scheme=IOB2, zero_division=0)
    assert result["f1"] == pytest.approx(expected, abs=1e-6)
    assert result["evaluated"]["tokens"] == tokens


def test_json_has_the_agreed_keys(trained_model, capsys):
    result = json.loads(run(capsys, trained_model, "--corpus", TEST, "--json"))
    assert {"precision", "recall", "f1", "per_label", "ece"} <= result.keys()
    assert set(result["per_label"]) == {"PER", "LOC", "ORG", "MISC"}
    assert 0 <= result["ece"] <= 1
    counts = result["counts"]
    assert counts["gold"] == sum(row["gold"] for row in result["per_label"].values())


def test_training_set_is_known_by_heart(trained_model, capsys):
    result = json.loads(run(capsys, trained_model, "--corpus", SAMPLE / "train.txt", "--json"))
    assert result["f1"] > 0.9


def test_documents_share_windows_as_in_training(trained_model, capsys, tmp_path):
    lines = TEST.read_text("utf-8").splitlines()
    unmarked = tmp_path / "unmarked.txt"
    unmarked.write_text(
        "\n".join(line for line in lines if not line.startswith("-DOCSTART-")) + "\n", "utf-8"
    )
    results = [
        json.loads(run(capsys, trained_model, "--corpus", corpus, "--json"))
        for corpus in (TEST, unmarked)
    ]
    counts = [result["counts"] for result in results]
    assert counts[0]["documents"] < counts[1]["documents"] == counts[1]["sentences"]
    assert counts[0]["sentences"] == counts[1]["sentences"]
    assert [r["evaluated"]["documents_marked"] for r in results] == [True, False]


def test_labels_restrict_gold_and_predicted(trained_model, capsys, tmp_path):
    file = tmp_path / "tags.txt"
    arguments = ("--corpus", TEST, "--labels", "PER,LOC", "--predictions", file, "--json")
    result = json.loads(run(capsys, trained_model, *arguments))
    assert set(result["per_label"]) == {"PER", "LOC"}
    tags = {tag[2:] for column in read_predictions(file) for row in column for tag in row}
    assert tags <= {"", "PER", "LOC"}


def test_labels_of_another_corpus_are_mapped(trained_model, capsys, tmp_path):
    corpus = tmp_path / "other.conll"
    corpus.write_text("Ines\tB-person\nCosta\tI-person\nwon\tO\na\tO\ncup\tB-thing\n", "utf-8")
    arguments = ("--corpus", corpus, "--map", "person=PER", "--json")
    result = json.loads(run(capsys, trained_model, *arguments))
    assert result["counts"]["gold"] == 1
    assert set(result["per_label"]) == {"PER"}


def test_both_backends_and_precisions_run(trained_model, capsys):
    for options in (("--backend", "torch"), ("--precision", "int8")):
        table = run(capsys, trained_model, "--corpus", TEST, *options)
        assert table.splitlines()[-2].startswith("all ")


def test_numbered_and_tabbed_corpora_are_read(trained_model, capsys):
    dialects = SAMPLE.parent / "dialects"
    for name in ("numbered.iob2", "tweets_bio.conll", "iobes.txt"):
        result = json.loads(run(capsys, trained_model, "--corpus", dialects / name, "--json"))
        assert result["counts"]["gold"] > 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--corpus", str(TEST), "--labels", "PER,FOO"], 2, "'FOO'"),
        (["--corpus", str(TEST), "--map", "PER"], 2, "--map"),
        (["--corpus", str(TEST), "--backend", "torch", "--precision", "int8"], 2, "int8"),
        (["--corpus", "no/such/corpus/file"], 1, "no/such/corpus/file"),
    ],
)
def test_errors_are_one_line_with_a_status(trained_model, capsys, arguments, status, message):
    assert main(["--model", str(trained_model), *arguments]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_missing_model_is_a_failure(capsys):
    assert main(["--model", "no-such-model", "--corpus", str(TEST)]) == 1
    assert "no-such-model" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["--frob"], ["--model", "m", "--corpus", "c", "--lowercase", "--uppercase"]]
)
def test_wrong_usage_is_one_line_and_status_2(capsys, arguments):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_report_is_one_page_without_outside_hosts(trained_model, capsys, tmp_path):
    arguments = ("--corpus", TEST, "--report", tmp_path, "--train", SAMPLE / "train.txt")
    run(capsys, trained_model, *arguments)
    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]
    page = (tmp_path / "index.html").read_text("utf-8")
    assert not re.search("https?:", page)
    for part in ("Seen and unseen", "upper case", "typing noise", "Costliest tokens", "Mistakes"):
        assert part in page
