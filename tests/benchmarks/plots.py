"""The plots of the page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Figures = Mapping[str, Any]

_BLUE, _ORANGE, _GREY = "#2f6690", "#d1782b", "#8a8f98"
_COLOURS = {"full": _BLUE, "int8": _ORANGE}
_CONTENDERS = {
    "flair": "Flair, our size",
    "spacy": "spaCy en_core_web_sm, NER alone",
    "full": "ner-service",
    "int8": "ner-service, int8",
}


def draw_plots(measures: Figures, folder: Path) -> None:
    """Draw what was measured, one file a plot."""
    drawings = {
        "peers_race": ("peers", _draw_peers),
        "stages": ("stages", _draw_stages),
        "kernel": ("kernel", _draw_kernel),
        "growth": ("growth", _draw_growth),
    }
    style = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
    with mpl.rc_context(style):
        for measure, (name, draw) in drawings.items():
            if measure in measures:
                figure = draw(measures[measure])
                # No date or version inside: the same figures give the same file.
                figure.savefig(folder / f"{name}.png", dpi=120, metadata={"Software": None})


def _draw_peers(figures: Figures) -> Figure:
    names = [name for name in _CONTENDERS if name in figures["contenders"]]
    figure = Figure(figsize=(7, 0.6 + 0.5 * len(names)), layout="constrained")
    axes = figure.subplots()
    rates = [figures["contenders"][name]["steady_words_per_second"] for name in names]
    medians = [rate["median"] for rate in rates]
    errors = [
        [rate["median"] - rate["min"] for rate in rates],
        [rate["max"] - rate["median"] for rate in rates],
    ]
    colours = [_COLOURS.get(name, _GREY) for name in names]
    axes.barh([_CONTENDERS[name] for name in names], medians, xerr=errors, color=colours)
    axes.set_xlabel(f"words/s, {figures['processes']} processes, without start")
    axes.locator_params(axis="x", nbins=6)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    return figure


def _draw_stages(figures: Figures) -> Figure:
    figure = Figure(figsize=(7, 2.4), layout="constrained")
    axes = figure.subplots()
    precisions = list(figures["precisions"])
    stages = list(figures["precisions"][precisions[0]]["stages"])
    lefts = dict.fromkeys(precisions, 0.0)
    colours = mpl.colormaps["tab20"].colors  # type: ignore[attr-defined]
    for index, stage in enumerate(stages):
        shares = [figures["precisions"][p]["stages"][stage]["median"] * 100 for p in precisions]
        axes.barh(
            precisions, shares, left=list(lefts.values()), label=stage, color=colours[index % 20]
        )
        lefts = {p: lefts[p] + share for p, share in zip(precisions, shares, strict=True)}
    axes.set_xlabel("% of the time")
    axes.invert_yaxis()
    figure.legend(loc="outside upper center", ncols=5, fontsize=7, frameon=False)
    return figure


def _draw_kernel(figures: Figures) -> Figure:
    figure = Figure(figsize=(9, 3), layout="constrained")
    titles = {"length": "slots a window", "batch": "windows a batch", "width": "units a direction"}
    all_axes = figure.subplots(1, len(titles), sharey=True)
    for axes, (axis, title) in zip(all_axes, titles.items(), strict=True):
        for precision, colour in _COLOURS.items():
            points = [
                point
                for point in figures["points"]
                if point["axis"] == axis and point["precision"] == precision
            ]
            _line(
                axes,
                [point["value"] for point in points],
                [point["tokens_per_second"] for point in points],
                colour=colour,
                label=precision,
            )
        axes.set_xlabel(title)
        if axis != "width":
            _doubling(axes)
    all_axes[0].set_ylim(bottom=0)
    all_axes[0].set_ylabel("tokens/s, one thread")
    all_axes[0].yaxis.set_major_formatter("{x:,.0f}")
    all_axes[0].legend(frameon=False)
    return figure


def _draw_growth(figures: Figures) -> Figure:
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    time_axes, memory_axes = figure.subplots(1, 2)
    sizes = [size["megabytes"] for size in figures["sizes"]]
    _line(time_axes, sizes, [size["seconds"] for size in figures["sizes"]], colour=_BLUE)
    time_axes.set_ylabel("seconds")
    time_axes.set_yscale("log")
    memory = [
        {key: size["all_processes_bytes"][key] / 2**20 for key in ("median", "min", "max")}
        for size in figures["sizes"]
    ]
    _line(memory_axes, sizes, memory, colour=_BLUE)
    memory_axes.set_ylabel("peak memory of all processes, MiB")
    memory_axes.set_ylim(bottom=0)
    for axes in (time_axes, memory_axes):
        axes.set_xlabel("input, MB")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    return figure


def _doubling(axes: Axes) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")


def _line(
    axes: Axes,
    values: list[float],
    spreads: list[Mapping[str, float]],
    *,
    colour: str,
    label: str | None = None,
) -> None:
    """A line through the medians, a band from the least to the most."""
    medians = [spread["median"] for spread in spreads]
    axes.plot(values, medians, marker="o", markersize=3, color=colour, label=label)
    least, most = ([spread[key] for spread in spreads] for key in ("min", "max"))
    axes.fill_between(values, least, most, color=colour, alpha=0.2, linewidth=0)
