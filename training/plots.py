"""Plots of a run and of an evaluation, as PNG."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_BLUE, _ORANGE, _GREY, _INK = "#2f6f9f", "#c8702a", "#b8bec4", "#22303c"
_DPI = 130


def png(figure: Figure) -> bytes:
    """Draw a figure."""
    buffer = io.BytesIO()
    # Without the time and the version of the drawing library, equal figures are equal files.
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def learning_curve(curve: Mapping[str, Any]) -> Figure:
    """Development F1, loss and gradient norm by epoch."""
    figure = Figure(figsize=(8.6, 2.9), layout="constrained")
    axes = figure.subplots(1, 3)
    panels = (
        ("dev_f1", "development F1", _BLUE),
        ("train_loss", "training loss of a window", _ORANGE),
        ("gradient_norm", "gradient norm before clipping", _ORANGE),
    )
    for axis, (name, title, colour) in zip(axes, panels, strict=True):
        values = curve[name]
        epochs = range(1, len(values) + 1)
        axis.plot(epochs, values, color=colour, marker="o", markersize=3, linewidth=1.5)
        _dress(axis, title)
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if name == "dev_f1" and (best := curve["best_epoch"]):
            axis.plot([best], [values[best - 1]], "o", color=_INK, markersize=6)
            axis.set_title(
                f"best {values[best - 1]:.4f}, epoch {best}", fontsize=8, loc="right", color=_INK
            )
    return figure


def label_scores(per_label: Mapping[str, Mapping[str, float]], title: str) -> Figure:
    """Precision, recall and F1 of each label, the number at each bar."""
    figure = Figure(figsize=(7.6, 0.9 + 0.75 * max(1, len(per_label))), layout="constrained")
    axis = figure.subplots()
    rates = (("precision", _GREY), ("recall", "#7fa8c4"), ("f1", _BLUE))
    for place, (name, colour) in enumerate(rates):
        offsets = [row + (place - 1) * 0.26 for row in range(len(per_label))]
        values = [scores[name] for scores in per_label.values()]
        bars = axis.barh(offsets, values, height=0.24, color=colour, label=name)
        axis.bar_label(bars, fmt="%.3f", padding=3, fontsize=8)
    axis.set_yticks(
        range(len(per_label)), [f"{label} ({s['gold']})" for label, s in per_label.items()]
    )
    axis.invert_yaxis()
    axis.set_xlim(0, 1.08)
    _dress(axis, f"{title}: scores by label (gold entities)")
    axis.grid(visible=False, axis="y")
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


def confusion_matrix(labels: Sequence[str], counts: Sequence[Sequence[int]], title: str) -> Figure:
    """Gold labels against predicted ones, the share of its row behind each number."""
    size = 1.6 + 0.62 * len(labels)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axis = figure.subplots()
    shares = [[value / max(1, sum(row)) for value in row] for row in counts]
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, values in enumerate(counts):
        for column, value in enumerate(values):
            dark = shares[row][column] > 0.55
            is_corner = row == column == len(labels) - 1
            axis.text(
                column,
                row,
                "" if is_corner else str(value),
                ha="center",
                va="center",
                color="white" if dark else _INK,
                fontsize=9,
            )
    names = [*labels[:-1], "none"]
    axis.set_xticks(range(len(labels)), names, rotation=0 if len(labels) < 6 else 45)
    axis.set_yticks(range(len(labels)), names)
    axis.set_xlabel("predicted")
    axis.set_ylabel("gold")
    axis.set_title(f"{title}: entities by label", fontsize=10, loc="left", color=_INK)
    axis.tick_params(length=0)
    return figure


def reliability_diagram(tables: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Share of right entities against their mean score, one panel a table.

    After DeGroot and Fienberg 1983, "The Comparison and Evaluation of Forecasters".
    """
    figure = Figure(figsize=(3.9 * len(tables) + 0.2, 3.9), layout="constrained")
    panels = figure.subplots(1, len(tables), squeeze=False)[0]
    for axis, (title, table) in zip(panels, tables.items(), strict=True):
        bins = table["bins"]
        greatest = max(1, *(each["count"] for each in bins))
        width = 1 / len(bins)
        axis.bar(
            [each["low"] + width / 2 for each in bins],
            [each["count"] / greatest for each in bins],
            width=width * 0.92,
            color=_GREY,
            alpha=0.45,
            label="entities (fullest bin: 1)",
        )
        axis.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle="--")
        filled = [each for each in bins if each["count"]]
        shares = [each["correct"] for each in filled]
        intervals = [wilson(each["correct"], each["count"]) for each in filled]
        axis.errorbar(
            [each["score"] for each in filled],
            shares,
            yerr=[
                [max(0.0, share - low) for share, (low, _) in zip(shares, intervals, strict=True)],
                [
                    max(0.0, high - share)
                    for share, (_, high) in zip(shares, intervals, strict=True)
                ],
            ],
            color=_BLUE,
            ecolor="#9dbdd4",
            marker="o",
            markersize=4,
            linewidth=1.2,
            label="right, with 95 % interval",
        )
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1.02)
        axis.set_xlabel("mean score")
        _dress(axis, f"{title}: ECE {table['ece']:.4f}")
    panels[0].set_ylabel("share that is right")
    panels[0].legend(loc="best", frameon=False, fontsize=8)
    return figure


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share out of `count` trials (Wilson 1927)."""
    z = 1.96
    middle = share + z * z / (2 * count)
    width = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return (middle - width) / scale, (middle + width) / scale


def _dress(axis: Axes, title: str) -> None:
    axis.set_title(title, fontsize=10, loc="left", color=_INK)
    axis.grid(visible=True, color="#e6e9ec", linewidth=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.tick_params(labelsize=8, colors=_INK)
