"""A study's results as JSON and as tables in Markdown, beside the plots that they show."""

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from training import study_plots
from training.config import TrainConfig
from training.corpus import Corpus
from training.markdown import percent, table
from training.plots import png
from training.spread import spread
from training.study_config import Factor, StudyConfig, settings_of

Result = dict[str, Any]

RESULTS, GRADIENTS, PAGE = "results.json", "gradients.json", "README.md"
_HEADINGS: dict[Factor, str] = {
    "cell": "Cell and directions",
    "inputs": "Inputs",
    "output": "Output layer",
    "optimiser": "Optimiser",
}
_HEAD = ("row", "dev F1", "test F1", "seeds", "parameters", "seconds an epoch", "tokens/s")
_DIGITS = 6


def write_report(
    study: StudyConfig,
    *,
    whole: Corpus,
    used: Corpus,
    results: Sequence[Result],
    histories: Sequence[Result],
) -> None:
    """Write everything into the study's folder.

    Args:
        study: what was asked.
        whole: the corpus.
        used: what of it was trained and measured on.
        results: of all runs of the table.
        histories: of the runs that were watched step by step.
    """
    folder = Path(study.output)
    folder.mkdir(parents=True, exist_ok=True)
    rows = summarise(study, results)
    budget = describe_budget(study, whole, used)
    _write_json(folder / RESULTS, {"budget": budget, "rows": rows})
    gradients: Result = {"by_distance": fading(rows), "histories": list(histories)}
    _write_json(folder / GRADIENTS, gradients)
    figures = {
        "f1.png": study_plots.scores(rows),
        "curves.png": study_plots.curves(rows),
        "speed.png": study_plots.speed(rows),
        "gradient-distance.png": study_plots.distances(gradients["by_distance"]),
        "gradient-history.png": study_plots.histories(histories),
    }
    for name, figure in figures.items():
        (folder / name).write_bytes(png(figure))
    (folder / PAGE).write_text(page(rows, budget, gradients), encoding="utf-8")


def summarise(study: StudyConfig, results: Sequence[Result]) -> list[Result]:
    """The runs of each row, with the mean over its seeds and the 95 % interval's half width."""
    rows = []
    for row in study.row:
        runs = [result for result in results if result["row"] == row.key]
        whole = [run for run in runs if run["failed"] is None]
        summary: Result = {}
        for split in ("validation", "test"):
            values = [run[split]["f1"] for run in whole if split in run]
            if values:
                found = spread(values)
                summary[split] = {
                    "f1": round(found.mean, _DIGITS),
                    "half_width": round(found.half_width, _DIGITS),
                }
        rows.append(
            {
                "key": row.key,
                "title": row.title,
                "factor": row.factor,
                "set": list(row.set),
                "mean": summary,
                "runs": runs,
            }
        )
    return rows


def describe_budget(study: StudyConfig, whole: Corpus, used: Corpus) -> Result:
    """What all rows have in common; `settings` are those of the release row."""
    settings = settings_of(study, study.release, seed=study.seeds[0], epochs=study.epochs)
    return {
        "base": study.base,
        "set": list(study.set),
        "documents": len(set(used.splits["train"]["document_id"])),
        "documents_in_corpus": len(set(whole.splits["train"]["document_id"])),
        "tokens": sum(map(len, used.splits["train"]["tokens"])),
        "tokens_in_corpus": sum(map(len, whole.splits["train"]["tokens"])),
        "epochs": study.epochs,
        "seeds": list(study.seeds),
        "leading": study.leading,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "settings": TypeAdapter(TrainConfig).dump_python(settings, mode="json"),
    }


def fading(rows: Sequence[Result]) -> dict[str, Result]:
    """By row, how the gradient fades with the distance, in the first seed's run."""
    found = {}
    for row in rows:
        run = row["runs"][0] if row["runs"] else {}
        if "gradient_trained" in run:
            names = {name: run[f"gradient_{name}"] for name in ("fresh", "trained")}
            found[row["key"]] = {"title": row["title"], "seed": run["seed"], **names}
    return found


def page(rows: Sequence[Result], budget: Mapping[str, Any], gradients: Mapping[str, Any]) -> str:
    """The page that shows it all."""
    parts = ["# The recurrent family compared", _introduction(budget)]
    release = [row for row in rows if row["factor"] == "release"]
    for factor, heading in _HEADINGS.items():
        members = [row for row in rows if row["factor"] == factor]
        if members:
            lines = [_line(row) for row in [*release, *members]]
            parts += [f"## {heading}", table(_HEAD, lines)]
    parts += [
        _NOTES,
        "![F1 of every row](f1.png)",
        "![Development F1 by epoch](curves.png)",
        "![F1 against speed](speed.png)",
    ]
    if gradients["by_distance"]:
        parts += ["## Vanishing gradients", _VANISHING, _fading_table(gradients["by_distance"])]
        parts.append("![Gradient by distance](gradient-distance.png)")
    if gradients["histories"]:
        parts += ["## Exploding gradients", _EXPLODING, _history_table(gradients["histories"])]
        parts.append("![Gradient norms step by step](gradient-history.png)")
    return "\n\n".join(parts) + "\n"


def _introduction(budget: Mapping[str, Any]) -> str:
    part = budget["documents"] < budget["documents_in_corpus"]
    amount = (
        f"the first {budget['documents']:,} of {budget['documents_in_corpus']:,} training documents"
        f" ({budget['tokens']:,} of {budget['tokens_in_corpus']:,} tokens)"
        if part
        else f"all {budget['documents']:,} training documents ({budget['tokens']:,} tokens)"
    )
    limits = "It says which choice is better at this budget, not how far any row could get." + (
        " Part of the corpus and few epochs: every figure is well below what the same row reaches"
        " with all documents and more epochs."
        if part
        else ""
    )
    return (
        "Written by `python -m training.study --config training/configs/study.toml`; every figure"
        f" stands with its seed and settings in [{RESULTS}]({RESULTS}) and"
        f" [{GRADIENTS}]({GRADIENTS}).\n\n"
        f"**One budget for every row: {amount}, {budget['epochs']} epochs.** {limits}\n\n"
        f"The first row of each table is `{budget['base']}` under this budget; every other one"
        " changes one thing in it."
    )


_NOTES = """Every row has one run with the first seed. The first row and those that are best on the
development set have more; their figures are means with the 95 % interval (Student's t), which
is also the yardstick for the rows with one seed: smaller differences show nothing. The test set
chose nothing. Scores are entity-level and strict, of the exported ONNX graphs. Parameters are those
of the network; the word vectors that are trained along are not counted. Seconds an epoch and
tokens/s are processor time of one thread, the latter from given words to entities with scores, word
rows cached."""

_VANISHING = """The norm of dL_T/dh_t, T the last token of a window's last entity and L_T the
cross-entropy of that time step, relative to that at t = T; for the LSTM the state is h and c
together. Medians over development windows, quartiles in the plot (Pascanu, Mikolov and Bengio 2013,
"On the difficulty of training recurrent neural networks")."""

_EXPLODING = """The norm of the gradient before clipping and the loss, step by step, at a learning
rate that is far too high for the vanilla RNN. Clipping by norm is algorithm 1 of the same paper."""


def _line(row: Mapping[str, Any]) -> list[object]:
    runs = row["runs"]
    whole = [run for run in runs if run["failed"] is None]
    if not whole:
        why = "diverged" if runs else "not run"
        return [row["title"], why, "", len(runs), "", "", ""]
    return [
        row["title"],
        *(_score(row["mean"].get(split), len(whole)) for split in ("validation", "test")),
        len(whole) if len(whole) == len(runs) else f"{len(whole)}, {len(runs) - len(whole)} failed",
        f"{whole[0]['parameters']:,}",
        f"{min(run['cpu_seconds_an_epoch'] for run in whole):.1f}",
        f"{max(run['tokens_per_second'] for run in whole):,}",
    ]


def _score(found: Mapping[str, float] | None, seeds: int) -> str:
    if found is None:
        return ""
    width = f" ± {percent(found['half_width'])}" if seeds > 1 else ""
    return percent(found["f1"]) + width


def _fading_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    head = ("row", "weights", "1 step", "10 steps", "50 steps", "below 1 % after")
    lines = []
    for row in found.values():
        for name in ("fresh", "trained"):
            profile = row[name]
            values = [
                f"{profile['median'][k]:.2g}" if k < len(profile["median"]) else ""
                for k in (1, 10, 50)
            ]
            reach = profile["reach"]
            lines.append([row["title"], name, *values, "never" if reach is None else reach])
    return table(head, lines)


def _history_table(histories: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for run in histories:
        norms = [norm for norm in run["gradient_norms"] if norm is not None]
        lines.append(
            [
                run["title"],
                "none" if run["clip_norm"] is None else run["clip_norm"],
                len(norms),
                f"{sorted(norms)[len(norms) // 2]:.3g}" if norms else "",
                f"{max(norms):.3g}" if norms else "",
                run["failed"] or "finished",
            ]
        )
    head = ("run", "clipped at", "steps", "median norm", "largest norm", "end")
    return table(head, lines)


def _write_json(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
