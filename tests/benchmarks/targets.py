"""What the figures are held against."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_MEBIBYTE = 2**20

EMPTY_ENDPOINTS = {
    "empty": "empty endpoint on h11",
    "empty_same_parser": "empty endpoint on httptools",
}
"""What a request is held against, by name in the figures."""


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the table."""

    what: str
    wanted: str
    measured: str
    met: bool


def targets_met(measures: Mapping[str, Any]) -> list[Target]:
    """The targets whose measure was made."""
    found: list[Target] = []
    for name, judge in _JUDGES.items():
        if name in measures:
            found += judge(measures[name])
    return found


def _at_least(what: str, value: float, bound: float, unit: str = "") -> Target:
    return Target(what, f"at least {bound:g}{unit}", f"{value:.3g}{unit}", value >= bound)


def _at_most(what: str, value: float, bound: float, unit: str = "") -> Target:
    return Target(what, f"at most {bound:g}{unit}", f"{value:.3g}{unit}", value <= bound)


def _peers_race(figures: Mapping[str, Any]) -> Iterator[Target]:
    for ours, bound in (("full", 6), ("int8", 10)):
        for peer, values in figures["times_faster"][ours].items():
            for kind, words in (("steady", "without start"), ("whole", "whole command")):
                what = f"{ours}: times as fast as {peer}, {words}"
                yield _at_least(what, values[kind]["median"], bound)


def _stages(figures: Mapping[str, Any]) -> Iterator[Target]:
    for precision, bound in (("full", 60), ("int8", 45)):
        share = figures["precisions"][precision]["share_of_recurrence_rate"]["median"] * 100
        yield _at_least(f"{precision}: of the bare recurrence's rate", share, bound, " %")


def _http_race(figures: Mapping[str, Any]) -> Iterator[Target]:
    for name, title in EMPTY_ENDPOINTS.items():
        latency = figures["latency_ratio"][name]["median"]
        yield _at_most(f"one sentence over HTTP, times the median of an {title}", latency, 3)
    for name, title in EMPTY_ENDPOINTS.items():
        rate = figures["rate_ratio"][name]["median"] * 100
        yield _at_least(f"64 clients: of the requests/s of an {title}", rate, 50, " %")


def _service(figures: Mapping[str, Any]) -> Iterator[Target]:
    loaded, after = (figures[state]["resident"] / _MEBIBYTE for state in ("loaded", "after"))
    yield _at_most("resident with the model loaded", loaded, 300, " MiB")
    yield _at_most(f"resident after {figures['requests']:,} requests", after, 350, " MiB")
    yield _at_most("start to ready", figures["seconds_to_ready"]["median"], 1.5, " s")


def _growth(figures: Mapping[str, Any]) -> Iterator[Target]:
    sizes = figures["compared"]
    what = f"{sizes['megabytes']:g} MB against {sizes['with_megabytes']:g} MB"
    yield _at_most(f"{what}: times the memory", figures["memory_ratio"]["median"], 1.2)
    yield _at_most(f"{what}: times the time", figures["time_ratio"]["median"], 10.5)


def _parity(figures: Mapping[str, Any]) -> Iterator[Target]:
    changed = figures["compared"]["onnx / torch"]["tags_changed"]
    yield _at_most("tags that differ between ONNX Runtime and torch", changed, 0)
    drop = abs(figures["f1"]["int8"] - figures["f1"]["onnx"])
    yield _at_most("int8: change of F1", drop, 0.001)


_JUDGES = {
    "peers_race": _peers_race,
    "stages": _stages,
    "http_race": _http_race,
    "service": _service,
    "growth": _growth,
    "parity": _parity,
}
