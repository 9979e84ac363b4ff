"""The model card: `README.md` next to a model, every figure in it from `metrics.json`.

`python -m training.card --model DIR` writes it anew; what was not measured is left out.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from ner_service.artifact.locate import resolve_model
from ner_service.artifact.store import write_manifest
from ner_service.errors import ConfigError
from training.card_scores import (
    calibration_section,
    consistency_section,
    labels_section,
    mistakes_section,
    novelty_section,
    pairs_section,
    scores_section,
    seeds_section,
    sentences_section,
)
from training.markdown import percent, table
from training.metrics_file import CURVE_PLOT, METRICS, Metrics, read_metrics
from training.usage import OneLineParser, run_command

CARD = "README.md"

Section = Callable[[Metrics], str]

# What is known of the sources that the project's own configurations name.
_SOURCES = {
    "conll2003": (
        "CoNLL-2003, English (Tjong Kim Sang and De Meulder 2003). Its texts are Reuters news "
        "stories, licensed for research use only; neither they nor the annotations are contained "
        "here. What is contained is learnt from them: weights, the list of known words, and hashes "
        "of the training entities."
    ),
    "wnut17": "WNUT-17, emerging entities (Derczynski et al. 2017), CC BY 4.0.",
    "uner": "Universal NER (Mayhew et al. 2024), CC BY-SA 4.0.",
    "btc": "Broad Twitter Corpus (Derczynski et al. 2016), CC BY 4.0.",
    "glove": "GloVe 6B word vectors (Pennington et al. 2014), PDDL 1.0.",
    "explosion-md": "Word vectors of the spaCy project's md models, CC0.",
    "reuters21578": "Reuters-21578, research use; labelled by other models, not contained here.",
    "bbc": "BBC news stories, non-commercial research; labelled by other models, not contained.",
    "all-mpnet-base-v2": (
        "MPNet (Song et al. 2020), Apache 2.0, a pre-trained language model that the teachers read "
        "which labelled the other texts; neither contained here nor needed."
    ),
    "wikinews": "Wikinews stories, CC BY 2.5; labelled by other models, not contained.",
}


def write_card(path: Path, metrics: Metrics) -> None:
    """Write the card of a model; the manifest must be written anew afterwards."""
    (path / CARD).write_text(make_card(metrics), encoding="utf-8")


def make_card(metrics: Metrics) -> str:
    """The card as Markdown."""
    sections: tuple[Section, ...] = (
        _head,
        scores_section,
        labels_section,
        seeds_section,
        novelty_section,
        consistency_section,
        calibration_section,
        mistakes_section,
        sentences_section,
        pairs_section,
        _data,
        _training,
        _limits,
    )
    return "\n\n".join(text for section in sections if (text := section(metrics))) + "\n"


def _head(metrics: Metrics) -> str:
    model, network = metrics["model"], metrics["model"]["network"]
    cell = "no recurrence" if network["cell"] == "none" else network["cell"].replace("_", " ")
    directions = "bidirectional " if network["bidirectional"] and network["cell"] != "none" else ""
    size = f"{network['layers']} x {network['hidden_width']}"
    inputs = [
        f"one-hot of {model['known_words']} known words" if network["one_hot"] else "",
        *(f"vectors `{t['name']}` ({t['words']} words)" for t in model["vector_tables"]),
        "" if network["characters"] == "none" else f"characters ({network['characters']})",
        "word shape" if network["shape"] else "",
    ]
    rows = [
        ["finds", ", ".join(model["labels"])],
        ["scheme", model["scheme"]],
        ["inputs", "; ".join(part for part in inputs if part)],
        ["recurrence", f"{directions}{cell}, {size} units"],
        ["output", "CRF" if network["output"] == "crf" else "softmax, legal moves only"],
        ["parameters beside the vectors", f"{model['parameters']:,}"],
        ["weights", f"SHA-256 begins with `{model['weights_sha256']}`"],
    ]
    return (
        f"# {model['name']}\n\n"
        "A named entity tagger for ner-service. This card is made from "
        f"[{METRICS}]({METRICS}) by `python -m training.card`; shares are in percent.\n\n"
        f"{table(['', ''], rows)}"
    )


def _data(metrics: Metrics) -> str:
    training = metrics.get("training")
    if not training:
        return ""
    corpus = training["corpus"]
    rows = [
        [name, *(f"{split[n]:,}" for n in ("documents", "sentences", "tokens"))]
        for name, split in corpus["splits"].items()
    ]
    lines = ["## Data", table(["split", "documents", "sentences", "tokens"], rows)]
    if not corpus["documents_marked"]:
        lines.append(
            "The source marks no documents: each sentence was its own, so the model saw no context "
            "beyond the sentence."
        )
    settings = training["settings"]
    sources = [settings["data"]["path"], *(v["path"] for v in settings["vectors"])]
    sources += training["texts"]
    lines.append("\n".join(f"- {_source(source)}" for source in sources))
    lines.append(
        "The validation split chooses the epoch that is kept, the seed and the temperature; it is "
        "not trained on."
    )
    return "\n\n".join(lines)


def _training(metrics: Metrics) -> str:
    training = metrics.get("training")
    if not training:
        return ""
    settings = training["settings"]
    optimiser = settings["optimiser"]
    rows = [
        ["seed", settings["seed"]],
        ["epochs asked for", settings["epochs"]],
        ["optimiser", f"{optimiser['name']}, learning rate {optimiser['learning_rate']}"],
        ["windows a step", settings["batch_windows"]],
        ["lower-cased windows", percent(settings["lower"])],
        ["upper-cased windows", percent(settings["upper"])],
        ["capitalised windows", percent(settings["title"])],
    ]
    curve = metrics.get("curve")
    if curve and curve["best_epoch"]:
        best = curve["dev_f1"][curve["best_epoch"] - 1]
        rows.insert(2, ["best epoch", f"{curve['best_epoch']}, development F1 {percent(best)}"])
        rows.insert(3, ["minutes", round(curve["seconds"] / 60)])
    lines = ["## Training"]
    if "averaged" in metrics:
        names = ", ".join(f"`{name}`" for name in metrics["averaged"])
        lines.append(
            f"The weights are the mean of those of {names}, which have one beginning "
            "(Wortsman et al. 2022); what follows is told of the last of them."
        )
    if "shrunk" in metrics:
        larger = metrics["shrunk"]
        lines.append(
            "The network was made smaller when it was trained (`training.shrink`): "
            f"`{larger['from']}` has {larger['hidden_width']} units in each direction and word "
            f"rows of {larger['word_width']} numbers. What follows is told of its training."
        )
    lines.append(table(["", ""], rows))
    if curve and curve["dev_f1"]:
        lines.append(f"![Learning curve]({CURVE_PLOT})")
    config_file = training["config_file"]
    if config_file and training["texts"]:
        commands = {"averaged": "average", "shrunk": "shrink"}
        behind = "".join(
            f", and `python -m training.{command}`"
            for key, command in commands.items()
            if key in metrics
        )
        lines.append(
            f"Again: `python -m training.self_train --config {config_file}`, with teachers that "
            f"label the texts{behind}; docs/training.md has the commands."
        )
    elif config_file:
        lines.append(
            "Again:\n\n```sh\nmake train  # or\n"
            f"python -m training.train --config {config_file}\n```"
        )
    lines.append(f"All settings stand in [{METRICS}]({METRICS}).")
    return "\n\n".join(lines)


def _limits(metrics: Metrics) -> str:
    labels = ", ".join(metrics["model"]["labels"])
    lines = [
        f"- It knows {labels} as its training data draws them, and nothing else: no dates, amounts "
        "or products unless they are among these.",
        "- It was made for texts like those it was trained on. The tables above say what other "
        "texts, other cases and typing errors cost; texts unlike all of these were not measured.",
        "- Other languages than that of the training data were not measured and will not work.",
        "- Names are found by their form and context, not checked against the world: an invented "
        "name is as good as a real one, and names of groups that the training data has few of are "
        "missed more often.",
        "- A score is a probability as far as new text is like the development set; the table "
        "under Calibration says how far it is off elsewhere.",
    ]
    return "## Limits\n\n" + "\n".join(lines)


def _source(path: str) -> str:
    name = Path(path).name
    for key, text in _SOURCES.items():
        if key in path.lower():
            return f"`{name}`: {text}"
    return f"`{name}`"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 2 for wrong usage, 1 for a failure."""
    parser = OneLineParser(prog="python -m training.card", description=__doc__)
    parser.add_argument("--model", required=True, help="model directory or name")
    options = parser.parse_args(arguments)

    def work() -> None:
        path = resolve_model(options.model)
        metrics = read_metrics(path)
        if metrics is None:
            raise ConfigError(f"{path}: expected {METRICS} of these weights; see training.report")
        write_card(path, metrics)
        write_manifest(path)

    return run_command(work)


if __name__ == "__main__":
    sys.exit(main())
