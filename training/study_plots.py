"""Plots of a study."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_INK, _GRID = "#22303c", "#e6e9ec"
_DEV, _TEST = "#7fa8c4", "#2f6f9f"
_COLOURS = ("#2f6f9f", "#c8702a", "#4f8f4f", "#8a5aa8", "#a8323c", "#5d6b78", "#b09a2e")


def scores(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Development and test F1 of every row, with intervals where there are several seeds."""
    shown = [row for row in rows if row["mean"]]
    figure = Figure(figsize=(8.4, 0.9 + 0.3 * max(1, len(shown))), layout="constrained")
    axis = figure.subplots()
    for split, colour, name, shift in (
        ("validation", _DEV, "development", -0.14),
        ("test", _TEST, "test", 0.14),
    ):
        places = [place + shift for place, row in enumerate(shown) if split in row["mean"]]
        found = [row["mean"][split] for row in shown if split in row["mean"]]
        axis.errorbar(
            [100 * each["f1"] for each in found],
            places,
            xerr=[100 * each["half_width"] for each in found],
            fmt="o",
            markersize=4,
            capsize=2,
            color=colour,
            label=name,
        )
    axis.set_yticks(range(len(shown)), [row["title"] for row in shown])
    axis.invert_yaxis()
    axis.set_xlabel("F1")
    _dress(axis, "F1 of every row; bars: 95 % interval over seeds")
    _legend(axis)
    return figure


def curves(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Development F1 by epoch, the cells on the left and the other factors on the right."""
    figure = Figure(figsize=(10.4, 4.0), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    groups = (("cells", ("release", "cell")), ("other factors", ("inputs", "output", "optimiser")))
    for axis, (title, factors) in zip(panels, groups, strict=True):
        chosen = [row for row in rows if row["factor"] in factors and row["runs"]]
        for number, row in enumerate(chosen):
            values = row["runs"][0]["dev_f1_by_epoch"]
            axis.plot(
                range(1, len(values) + 1),
                [100 * value for value in values],
                color=_COLOURS[number % len(_COLOURS)],
                linestyle="-" if number < len(_COLOURS) else "--",
                linewidth=2.2 if row["factor"] == "release" else 1.3,
                label=row["title"],
            )
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlabel("epoch")
        _dress(axis, f"Development F1, {title}, first seed")
        _legend(axis, chosen=bool(chosen))
    return figure


def speed(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Development F1 against speed."""
    figure = Figure(figsize=(7.6, 4.4), layout="constrained")
    axis = figure.subplots()
    shown = [row for row in rows if row["factor"] in ("release", "cell") and row["mean"]]
    for number, row in enumerate(shown):
        rates = [run["tokens_per_second"] for run in row["runs"] if run["failed"] is None]
        axis.plot(
            [max(rates) / 1000],
            [100 * row["mean"]["validation"]["f1"]],
            "o" if number < len(_COLOURS) else "s",
            color=_COLOURS[number % len(_COLOURS)],
            markersize=7,
            label=row["title"],
        )
    axis.set_xlabel("thousand tokens a second, one thread")
    axis.set_ylabel("F1 on the development set")
    _dress(axis, "What a cell costs and gives")
    _legend(axis, chosen=bool(shown))
    return figure


def distances(found: Mapping[str, Mapping[str, Any]]) -> Figure:
    """How the gradient fades with the distance, before and after training."""
    figure = Figure(figsize=(9.6, 3.9), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axis, name in zip(panels, ("fresh", "trained"), strict=True):
        for colour, row in zip(_COLOURS, found.values(), strict=False):
            profile = row[name]
            steps = range(len(profile["median"]))
            axis.plot(steps, profile["median"], color=colour, linewidth=1.6, label=row["title"])
            axis.fill_between(
                steps, profile["lower"], profile["upper"], color=colour, alpha=0.15, linewidth=0
            )
        axis.set_yscale("log")
        axis.set_ylim(1e-8, 1e2)
        axis.set_xlabel("distance T - t in time steps")
        _dress(axis, f"Norm of dL_T/dh_t relative to t = T, {name} weights")
    _legend(panels[1], chosen=bool(found))
    return figure


def histories(runs: Sequence[Mapping[str, Any]]) -> Figure:
    """Gradient norm and loss step by step; a cross where a run broke off."""
    figure = Figure(figsize=(9.6, 3.9), layout="constrained")
    panels = figure.subplots(1, 2)
    for axis, name, title in (
        (panels[0], "gradient_norms", "Gradient norm before clipping"),
        (panels[1], "losses", "Training loss of a window"),
    ):
        for colour, run in zip(_COLOURS, runs, strict=False):
            points = [(s, v) for s, v in enumerate(run[name], start=1) if v is not None]
            steps, values = [s for s, _ in points], [v for _, v in points]
            axis.plot(steps, values, color=colour, linewidth=1.0, label=run["title"])
            if run["failed"] is not None and points:
                axis.plot(steps[-1:], values[-1:], "x", color=colour, markersize=8)
        axis.set_yscale("log")
        axis.set_xlabel("step")
        _dress(axis, title)
    _legend(panels[1], chosen=bool(runs))
    return figure


def _legend(axis: Axes, *, chosen: bool = True) -> None:
    if chosen:
        axis.legend(frameon=False, fontsize=7)


def _dress(axis: Axes, title: str) -> None:
    axis.set_title(title, fontsize=10, loc="left", color=_INK)
    axis.grid(visible=True, color=_GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.tick_params(labelsize=8, colors=_INK)
