import json
import re
import shutil

import pytest

from ner_service.artifact import load_artifact
from tests.training_runs import SAMPLE
from training.card import main, make_card
from training.corpus import load_corpus, load_split
from training.describe import describe_model, describe_training
from training.markdown import percent, table
from training.measure import EvaluationSet, measure
from training.metrics_file import save_metrics

# Years of publications, and names such as CoNLL-2003 or 6B: no figures of the model.
_NAMES = re.compile(
    r"\(\w[^()]*(19|20)\d\d\)|CoNLL-2003|WNUT-17|SHA-256|95 %|Reuters-21578|GloVe 6B"
)


@pytest.fixture(scope="module")
def metrics(trained):
    """Everything that a card can tell, of the tiny model."""
    model = trained.model
    corpus = load_split(SAMPLE / "test.txt")
    asked = EvaluationSet(
        key="test", title="sample test", path="", conditions=("gold", "raw", "lower"), note="Small."
    )
    figures = measure(model, corpus, asked)
    spread = {"mean": 0.5, "half_width": 0.01, "values": [0.49, 0.5, 0.51]}
    reliability = figures["reliability"] | {"log_loss": 0.25}
    return json.loads(
        json.dumps(
            {
                "model": describe_model(model),
                "training": describe_training(trained.settings, load_corpus(trained.settings.data)),
                "curve": {
                    "dev_f1": [0.25, None, 0.75],
                    "train_loss": [3.0, 2.0, 1.0],
                    "gradient_norm": [1.0, 1.0, 1.0],
                    "best_epoch": 3,
                    "seconds": 600,
                },
                "calibration": {"temperature": 1.5, "before": reliability, "after": reliability},
                "sets": {"test": figures},
                "seeds": {
                    "models": ["a", "b", "c"],
                    "sets": {"test": {"title": "sample test", "conditions": {"gold": spread}}},
                },
                "pairs": {
                    "right": 3,
                    "total": 4,
                    "misses": [
                        {
                            "surface": "Kent",
                            "text": "Floods in Kent | again.",
                            "expected": [["Kent", "LOC"]],
                            "found": [],
                            "right": False,
                        }
                    ],
                },
                "sentences": [
                    {
                        "text": "Bob left",
                        "expected": [["Bob", "PER"]],
                        "found": [["Bob", "PER", 0.987]],
                        "right": True,
                    }
                ],
            }
        )
    )


def test_card_tells_everything_that_was_measured(metrics):
    card = make_card(metrics)
    first = metrics["sets"]["test"]["conditions"]["gold"]
    for part in (
        percent(first["f1"]),
        f"{first['ece']:.4f}",
        "50.00 ± 1.00",
        "3 of 4 pairs right",
        "Bob PER 0.99",
        "Floods in Kent \\| again.",
        "best epoch | 3",
        "Small.",
        "![Learning curve](learning_curve.png)",
    ):
        assert part in card


def test_every_number_of_the_card_is_in_the_metrics(metrics):
    def numbers(value):
        if isinstance(value, dict):
            return set().union(*map(numbers, value.values()), *map(numbers, value))
        if isinstance(value, list):
            return {str(len(value))}.union(*map(numbers, value))
        if isinstance(value, str):
            return set(re.findall(r"\d+(?:\.\d+)?", value))
        if value is None or isinstance(value, bool):
            return set()
        forms = {percent(value), f"{value:.4f}", f"{value:.2f}", f"{value:,}", str(value)}
        return forms | {str(round(value / 60))}

    known = numbers(metrics)
    card = _NAMES.sub("", make_card(metrics)).split("## Limits")[0]
    known.add(str(sum(answer["right"] for answer in metrics["sentences"])))
    found = re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?!\w)", card)
    assert found
    assert [number for number in found if number.rstrip(",") not in known] == []


def test_card_of_a_model_of_which_nothing_is_known_has_no_empty_section(metrics):
    card = make_card({"model": metrics["model"]})
    assert re.findall(r"^#+ .*", card, re.MULTILINE) == ["# sample", "## Limits"]


def test_each_part_may_be_missing(metrics):
    for part in metrics.keys() - {"model"}:
        rest = {key: value for key, value in metrics.items() if key != part}
        assert make_card(rest).startswith("# sample")


def test_corpus_without_documents_is_told(metrics):
    training = metrics["training"]
    corpus = training["corpus"] | {"documents_marked": False}
    card = make_card(metrics | {"training": training | {"corpus": corpus}})
    assert "The source marks no documents" in card


def test_licence_of_the_reuters_texts_is_told(metrics):
    settings = metrics["training"]["settings"]
    data = settings["data"] | {"path": "../shared/data/conll2003"}
    training = metrics["training"] | {"settings": settings | {"data": data}}
    card = make_card(metrics | {"training": training})
    assert "research use only" in card
    assert "contained" in card


def test_command_writes_card_and_manifest(trained, metrics, tmp_path):
    model = shutil.copytree(trained.model, tmp_path / "model")
    save_metrics(model, metrics)
    assert main(["--model", str(model)]) == 0
    assert (model / "README.md").read_text("utf-8") == make_card(metrics)
    load_artifact(model)


def test_command_without_metrics_says_what_to_do(trained_model, capsys):
    assert main(["--model", str(trained_model)]) == 2
    assert "training.report" in capsys.readouterr().err


def test_tables_set_numbers_to_the_right():
    assert table(["a", "b"], [["x", "1,234.5"], ["y", ""]]) == (
        "| a | b |\n| --- | ---: |\n| x | 1,234.5 |\n| y |  |"
    )


def test_card_says_how_to_train_again(metrics):
    training = metrics["training"]
    plain = make_card(metrics | {"training": training | {"config_file": "one.toml", "texts": []}})
    assert "python -m training.train --config one.toml" in plain
    taught = make_card(
        metrics | {"training": training | {"config_file": "two.toml", "texts": ["news.jsonl"]}}
    )
    assert "python -m training.self_train --config two.toml" in taught


def test_card_tells_what_shared_labels_gave(metrics):
    fit = {"weight": 0.5, "step": 0.5, "f1": [0.9, 0.95, 0.94]}
    card = make_card(metrics | {"consistency": fit})
    assert "Its weight, 0.5," in card
    assert "| 0.5 | 95.00 |" in card
    assert "share their labels" not in make_card(
        {k: v for k, v in metrics.items() if k != "consistency"}
    )
