"""Figures to docs/reliability.json and docs/reliability.md; nothing in them is typed by hand."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Results = Mapping[str, Any]

_HEAD = """# Reliability

What was done to the service, and what came of it. This page is written by `make soak` from
[`reliability.json`](reliability.json), which holds the figures of the last run of each part."""


def merge(results: Results, folder: Path) -> dict[str, Any]:
    """Put the figures of parts that were run in the place of older ones."""
    file = folder / "reliability.json"
    old = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {**old, **results}


def write_report(results: Results, folder: Path) -> None:
    """Write the figures and the page into a folder."""
    text = json.dumps(results, indent=1, sort_keys=True)
    (folder / "reliability.json").write_text(text + "\n", encoding="utf-8")
    (folder / "reliability.md").write_text(render(results), encoding="utf-8")


def render(results: Results) -> str:
    """The page; a part that was never run is left out."""
    parts = [_HEAD]
    for name, section in _SECTIONS.items():
        if name in results:
            parts.append(section(results[name]))
    parts.append(_HOW)
    return "\n\n".join(parts) + "\n"


def _schema(figures: Results) -> str:
    return f"""## Requests from the OpenAPI document

Schemathesis drew {figures["cases"]:,} requests from the service's own OpenAPI document, with data
that fits it and data that does not, in the phases {", ".join(figures["phases"])}. It found
{_nothing(figures["failures"])}: no answer of 5xx, every answer as the document says. The log told
of {_nothing(figures["log"])}.

{_table("outcome", "answers", figures["outcomes"])}"""


def _fuzz(figures: Results) -> str:
    memory = [f"{bytes_ / 2**20:.1f}" for bytes_ in figures["memory"]]
    files = figures["files"]
    return f"""## Bad input over the wire

{sum(figures["bodies"].values()):,} hostile requests, {figures["clients"]} at a time, against
{figures["against"]}. Answers of 500, hangs, missing or broken answers: {len(figures["wrong"])}. The
slowest was over after {figures["slowest"]:.1f} s, its time-outs included. Failures in the log:
{figures["log"]}.

{_table("kind", "requests", figures["bodies"])}

{_table("answer", "times", figures["statuses"])}

`cut` is a connection that was closed without an answer, as it has to be when not even the head of a
request came; `left` is a client that did not wait for one.

The server's own memory in MiB: {memory[0]} before, with its cache of words full, {memory[1]} after
the first tenth, {memory[2]} in the middle, {memory[3]} at the end. Open files: {files[0]} before,
{files[-1]} at the end."""


def _load(figures: Results) -> str:
    accepted, refused = (_times(figures[name]) for name in ("accepted", "refused"))
    low, high = (f"{bytes_ / 2**20:.1f}" for bytes_ in figures["memory"])
    recovered = figures["recovered_after"]
    back = "not back in time" if recovered is None else f"back after {recovered:.1f} s"
    return f"""## Load

The model that is shipped answered {figures["capacity"]:.0f} requests a second, of
{figures["documents_a_request"]:.1f} documents each on average, to clients that wait for their
answers; they and the load ran on the same machine as the server. Then, for
{figures["seconds"]:.0f} seconds, {figures["sent_rate"]:.0f} requests a second were sent, whether or
not earlier ones were answered.

{_table("answer", "times", figures["statuses"])}

- Answers of 200 that differ from the Tagger's: {figures["wrong_answers"]}.
- Accepted requests took {accepted}; their deadline was {figures["deadline"]:.0f} s.
- Refused requests were told so in {refused}.
- The server's own memory was between {low} and {high} MiB; the end differs from the beginning by
  {figures["memory_change"]:+.1%}.
- After the last request the capacity was {back}; a new server answered
  {figures["capacity_afterwards"]:.0f} requests a second then.
- Failures in the log: {figures["log"]}.{_verdict(figures["faults"])}"""


def _faults(figures: Results) -> str:
    rows = [f"| {test['name']} | {test['outcome']} |" for test in figures["tests"]]
    return "\n".join(
        [
            "## Faults",
            "",
            f"{figures['passed']} of {len(rows)} tests of faults passed; each starts servers of",
            "its own and does to them what the name says.",
            "",
            "| test | outcome |",
            "|---|---|",
            *rows,
        ]
    )


_SECTIONS = {"schema": _schema, "fuzz": _fuzz, "load": _load, "faults": _faults}
_HOW = """## Doing it again

```sh
make soak                      # everything, with two minutes of load
make soak SOAK_SECONDS=600     # with ten
make soak ARGS="--only fuzz"   # one part: schema, fuzz, load or faults
```

All traffic goes to 127.0.0.1, from a fixed seed, in fixed numbers. `make test` does the same in
small: some hundred requests from the OpenAPI document, a thousand hostile ones, and every fault."""


def _table(left: str, right: str, counts: Mapping[str, int]) -> str:
    rows = [f"| {name.replace('_', ' ')} | {count:,} |" for name, count in sorted(counts.items())]
    return "\n".join([f"| {left} | {right} |", "|---|--:|", *rows])


def _times(times: Sequence[float]) -> str:
    if not times:
        return "no time, since there were none"
    middle, late, last = (f"{seconds:.2f} s" for seconds in times)
    return f"{middle} (median), {late} (99 %), {last} (at most)"


def _verdict(faults: Sequence[str]) -> str:
    return "".join(f"\n- **Not as it should be**: {fault}." for fault in faults)


def _nothing(count: int) -> str:
    return "nothing" if count == 0 else f"{count} failures"
