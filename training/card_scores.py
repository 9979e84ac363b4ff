"""The parts of a model card that tell how good the model is; each is empty if nothing is known."""

from collections.abc import Mapping
from typing import Any

from training.markdown import percent, table
from training.measure import CONDITION_NAMES
from training.metrics_file import (
    CONFUSION_PLOT,
    DEVELOPMENT,
    LABELS_PLOT,
    RELIABILITY_PLOT,
    TEST,
    Metrics,
)


def scores_section(metrics: Metrics) -> str:
    """Precision, recall and F1 on every set, in every condition."""
    sets = metrics.get("sets", {})
    if not sets:
        return ""
    measured = {name for each in sets.values() for name in each["conditions"]}
    names = [name for name in CONDITION_NAMES if name in measured]
    rows = []
    for each in sets.values():
        conditions = each["conditions"]
        first = next(iter(conditions.values()))
        rows.append(
            [
                each["title"],
                percent(first["precision"]),
                percent(first["recall"]),
                *(percent(conditions[n]["f1"]) if n in conditions else "" for n in names),
            ]
        )
    head = ["", "precision", "recall", *(f"F1 {CONDITION_NAMES[name]}" for name in names)]
    notes = [f"- {each['title']}: {each['note']}" for each in sets.values() if each["note"]]
    lines = [
        "## Scores",
        "An entity counts if its bounds and its label are right (conlleval; seqeval's strict mode "
        "gives the same). Precision and recall are those of the first F1 of the row. Raw text is "
        "what the service meets: its own tokens and sentence ends, exact character ranges.",
        table(head, rows),
        "\n".join(notes),
    ]
    return "\n\n".join(line for line in lines if line)


def labels_section(metrics: Metrics) -> str:
    """Scores by label, of the test set if it was measured."""
    chosen = _chosen(metrics)
    if chosen is None:
        return ""
    first = next(iter(chosen["conditions"].values()))
    rows = [
        [label, *(percent(s[n]) for n in ("precision", "recall", "f1")), s["gold"], s["predicted"]]
        for label, s in first["per_label"].items()
    ]
    head = ["label", "precision", "recall", "F1", "gold", "predicted"]
    return (
        f"### By label: {chosen['title']}\n\n{table(head, rows)}\n\n"
        f"![Scores by label]({LABELS_PLOT})"
    )


def seeds_section(metrics: Metrics) -> str:
    """Mean and interval over models of other seeds."""
    seeds = metrics.get("seeds")
    if not seeds or not seeds["sets"]:
        return ""
    rows = [
        [
            each["title"],
            CONDITION_NAMES[condition],
            f"{percent(found['mean'])} ± {percent(found['half_width'])}",
            ", ".join(percent(value) for value in found["values"]),
        ]
        for each in seeds["sets"].values()
        for condition, found in each["conditions"].items()
    ]
    return (
        "### Other seeds\n\n"
        f"F1 of {len(seeds['models'])} models that differ by their seed alone: mean, half the "
        "width of its 95 % interval (Student's t), and each.\n\n"
        f"{table(['', '', 'mean', 'each'], rows)}"
    )


def novelty_section(metrics: Metrics) -> str:
    """Scores on entities that were seen in training, and on others."""
    rows = []
    for each in metrics.get("sets", {}).values():
        if "novelty" in each:
            seen, unseen = each["novelty"]["seen"], each["novelty"]["unseen"]
            rows.append(
                [each["title"], percent(seen["f1"]), seen["gold"]]
                + [percent(unseen["f1"]), unseen["gold"]]
            )
    if not rows:
        return ""
    head = ["", "F1 seen", "gold", "F1 unseen", "gold"]
    return (
        "### Entities seen in training, and others\n\n"
        "Seen: the training set has an entity of the same surface, case aside.\n\n"
        f"{table(head, rows)}"
    )


def consistency_section(metrics: Metrics) -> str:
    """What it gave that the words of a document share their labels."""
    if "consistency" not in metrics:
        return ""
    fit = metrics["consistency"]
    weight, f1 = fit["weight"], fit["f1"]
    rows = [[f"{step * fit['step']:.1f}", percent(value)] for step, value in enumerate(f1)]
    return "\n\n".join(
        [
            "## Words that share their labels",
            "What the model believes of a word in one sentence counts as evidence for the word's "
            "other occurrences in the document (after Krishnan and Manning 2006). Its weight, "
            f"{weight}, was fitted on the development set, where 0 is without:",
            table(["weight", "development F1"], rows),
        ]
    )


def calibration_section(metrics: Metrics) -> str:
    """What the temperature did, and how far scores are off on every set."""
    parts = []
    if "calibration" in metrics:
        fit = metrics["calibration"]
        parts.append(
            "A score is the exact probability of its entity under the CRF. One temperature, "
            f"{fit['temperature']}, was fitted on the development set (Guo et al. 2017), where "
            "entities that training had and those it had not weigh half each: the log loss went "
            f"from {fit['before']['log_loss']:.4f} to {fit['after']['log_loss']:.4f}, and the "
            f"expected calibration error there, all weighing the same, from "
            f"{fit['before']['ece']:.4f} to {fit['after']['ece']:.4f} "
            f"({len(fit['after']['bins'])} bins of equal width over the predicted entities)."
        )
    rows = [
        [each["title"], *(f"{c[n]['ece']:.4f}" if n in c else "" for n in CONDITION_NAMES)]
        for each in metrics.get("sets", {}).values()
        if (c := each["conditions"])
    ]
    if rows:
        parts.append("Expected calibration error:")
        parts.append(table(["", *CONDITION_NAMES.values()], rows))
    if not parts:
        return ""
    return "\n\n".join(["## Calibration", *parts, f"![Reliability]({RELIABILITY_PLOT})"])


def mistakes_section(metrics: Metrics) -> str:
    """Kinds of mistakes, and credit for what was nearly right."""
    sets = [each for each in metrics.get("sets", {}).values() if "mistakes" in each]
    if not sets:
        return ""
    kinds = list(sets[0]["mistakes"])
    rows = [[each["title"], *(each["mistakes"][kind] for kind in kinds)] for each in sets]
    nearly = [
        [each["title"], *(percent(found["f1"]) for found in each["partial"].values())]
        for each in sets
        if each["partial"]
    ]
    parts = ["## Mistakes", table(["", *kinds], rows)]
    if nearly:
        parts.append("F1 by nervaluate, which gives credit for what is nearly right:")
        parts.append(
            table(["", "bounds, any label", "label, any overlap", "overlap, half credit"], nearly)
        )
    parts.append(f"![Confusion matrix]({CONFUSION_PLOT})")
    return "\n\n".join(parts)


def sentences_section(metrics: Metrics) -> str:
    """The hand-written sentences with what was found in them."""
    answers = metrics.get("sentences")
    if not answers:
        return ""
    right = sum(answer["right"] for answer in answers)
    rows = [
        [answer["text"], _entities(answer["found"]), "yes" if answer["right"] else "**no**"]
        for answer in answers
    ]
    return (
        f"## Known sentences: {right} of {len(answers)} right\n\n"
        f"{table(['text', 'found', 'right'], rows)}"
    )


def pairs_section(metrics: Metrics) -> str:
    """How many pairs are right, and every miss."""
    pairs = metrics.get("pairs")
    if not pairs:
        return ""
    rows = [
        [
            miss["surface"],
            miss["text"],
            miss["expected"][0][1],
            _entities(miss["found"]) or "nothing",
        ]
        for miss in pairs["misses"]
    ]
    lines = [
        f"## Context decides: {pairs['right']} of {pairs['total']} pairs right",
        'Pairs of sentences give one surface two labels ("Washington said he would resign.", "She '
        'flew to Washington."). They were written by hand before the first release model was '
        "trained, and nothing was tuned on them. A pair is right if both sentences are.",
    ]
    if rows:
        lines += ["Every miss:", table(["surface", "text", "expected", "found"], rows)]
    return "\n\n".join(lines)


def _chosen(metrics: Metrics) -> Mapping[str, Any] | None:
    """The set that is shown in detail."""
    sets: Mapping[str, Mapping[str, Any]] = metrics.get("sets", {})
    return sets.get(TEST) or sets.get(DEVELOPMENT)


def _entities(found: list[list[Any]]) -> str:
    return ", ".join(f"{text} {label} {score:.2f}" for text, label, score in found)
