"""Figures to docs/benchmarks.md, its plots and docs/benchmarks.json."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.plots import draw_plots
from tests.benchmarks.targets import EMPTY_ENDPOINTS, targets_met

PLOTS = "benchmarks"
RESULTS = "benchmarks.json"
Results = Mapping[str, Any]

_CONTENDERS = {
    "full": "ner-service, full precision",
    "int8": "ner-service, int8",
    "spacy": "spaCy en_core_web_sm, NER alone",
    "flair": "Flair SequenceTagger of our size",
    "spacy_tokenizer": "spaCy's blank tokenizer alone, one process",
}


def write_report(results: Results, folder: Path) -> None:
    """Write the figures, the plots and the page into a folder."""
    (folder / RESULTS).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    plots = folder / PLOTS
    plots.mkdir(exist_ok=True)
    draw_plots(results["measures"], plots)
    (folder / "benchmarks.md").write_text(render(results), encoding="utf-8")


def render(results: Results) -> str:
    """The page; a part whose measure is missing is left out."""
    parts = [_head(results)]
    for name, section in _SECTIONS.items():
        figures = results["measures"].get(name)
        if figures is not None:
            parts.append(section(figures))
    return "\n\n".join(parts) + "\n"


def number(value: float) -> str:
    """Three digits, thousands parted: 0.0312, 1.25, 12.5, 98,700."""
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 1000:
        return f"{rounded:,.0f}"
    text = f"{rounded:g}"
    return f"{rounded:f}".rstrip("0") if "e" in text else text


def spread(figures: Mapping[str, float], *, scale: float = 1.0) -> str:
    """Median, and least and most in brackets."""
    median, least, most = (number(figures[key] * scale) for key in ("median", "min", "max"))
    return f"{median} ({least} to {most})"


def percent(figures: Mapping[str, float]) -> str:
    return spread(figures, scale=100) + " %"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _head(results: Results) -> str:
    machine = results["machine"]
    model = machine["model"]
    versions = ", ".join(f"{name} {value}" for name, value in machine["versions"].items())
    peers = ", ".join(f"{name} {value}" for name, value in machine["peer_versions"].items())
    warning = (
        "**A quick run: it proves that everything runs. These are not measurements.**\n\n"
        if results["quick"]
        else ""
    )
    rows = [
        ("processor", f"{machine['processor']}, {machine['cores']} cores"),
        ("memory", f"{machine['memory_gib']} GiB"),
        ("system", f"{machine['system']}, Python {machine['python']}, {versions}"),
        ("peers", peers or "none"),
        (
            "model",
            f"{model['name']} {model['version']}: {model['cell']}, {model['hidden_width']} units "
            f"in each of {model['directions']} directions, word rows of {model['word_width']}",
        ),
    ]
    runs = [
        (name, run["date"], run["commit"] or "", number(run["load_before"]))
        for name, run in results["runs"].items()
    ]
    met = [
        (target.what, target.wanted, target.measured, "yes" if target.met else "**no**")
        for target in targets_met(results["measures"])
    ]
    return (
        "# Benchmarks\n\n"
        "Written by `make bench`; no figure here is typed. What is compared was measured in one "
        "run on one machine: contenders take turns; a figure is the median of the rounds, the "
        "least and the most in brackets; a ratio is taken round by round. All figures: "
        "[benchmarks.json](benchmarks.json).\n\n"
        f"{warning}{table(('', ''), rows)}\n\n"
        f"{table(('run', 'date', 'commit', 'load before'), runs)}\n\n## Targets\n\n"
        f"{table(('what', 'target', 'measured', 'met'), met)}"
    )


def _peers_race(figures: Results) -> str:
    contenders = figures["contenders"]
    rows = [
        (
            _CONTENDERS[name],
            spread(measured["seconds"]),
            spread(measured["start_seconds"]),
            spread(measured["words_per_second"]),
            spread(measured["steady_words_per_second"]),
        )
        for name, measured in contenders.items()
    ]
    ratios = [
        (
            _CONTENDERS[ours],
            _CONTENDERS[peer],
            spread(values["whole"]),
            spread(values["steady"]),
        )
        for ours, peers in figures["times_faster"].items()
        for peer, values in peers.items()
    ]
    arrangement = figures["flair_arrangement"]
    flair = (
        f" Flair's faster arrangement of those tried: {arrangement['chosen']}."
        if arrangement
        else ""
    )
    return (
        "## Raw text to JSON lines\n\n"
        f"The first {figures['stories']:,} stories, {figures['words']:,} words as white space "
        f"parts them, with {figures['processes']} processes each: `ner-service tag` with scores, "
        "spaCy's `nlp.pipe` with nothing but its NER component, and Flair's BiLSTM-CRF with our "
        "widths and inputs. Flair's network has random weights, which cost what trained ones "
        "cost, and leans towards O, so that writing spans costs it little. Whole commands are "
        "timed; the start is the same command on one story, and the steady rate leaves it "
        f"out.{flair}\n\n"
        "![Words per second, by contender](benchmarks/peers.png)\n\n"
        + table(("", "seconds", "start, seconds", "words/s", "words/s without start"), rows)
        + "\n\n"
        + table(("", "times as fast as", "whole command", "without start"), ratios)
    )


def _stages(figures: Results) -> str:
    precisions = figures["precisions"]
    rates = [
        (
            precision,
            spread(values["words_per_second"]),
            spread(values["recurrence_words_per_second"]),
            percent(values["share_of_recurrence_rate"]),
        )
        for precision, values in precisions.items()
    ]
    stages = next(iter(precisions.values()))["stages"]
    shares = [
        (stage, *(percent(values["stages"][stage]) for values in precisions.values()))
        for stage in stages
    ]
    return (
        "## Where the time goes\n\n"
        "One process, one thread, JSON lines in memory to JSON lines in memory, "
        f"{figures['words']:,} words, no word met before. Beside it the sentence encoder alone on "
        "the very same batches.\n\n"
        + table(("", "words/s", "sentence encoder alone, words/s", "of its rate"), rates)
        + "\n\n![Share of each stage](benchmarks/stages.png)\n\n"
        + table(("stage", *precisions), shares)
    )


def _kernel(figures: Results) -> str:
    rows = [
        (
            f"{point['axis']} {point['value']}",
            point["precision"],
            spread(point["tokens_per_second"]),
            percent(point["share_of_gemm"]) if point["precision"] == "full" else "",
        )
        for point in figures["points"]
    ]
    return (
        "## The sentence encoder\n\n"
        "One thread, ONNX Runtime, random weights: the rate by length of the windows, windows a "
        f"batch and units a direction. What does not vary is {figures['length']} slots, "
        f"{figures['batch']} windows and {figures['hidden_width']} units. Single-precision matrix "
        f"products of NumPy reach {spread(figures['gemm_gflops'])} GFLOP/s on the same thread in "
        "the same run; the last column is the encoder's matrix products in that measure (above "
        "100 %: its matrices suit the caches better).\n\n"
        "![Tokens per second](benchmarks/kernel.png)\n\n"
        + table(("", "precision", "tokens/s", "of GEMM's peak"), rows)
    )


def _http_race(figures: Results) -> str:
    latency, rates = figures["latency_seconds"], figures["requests_per_second"]
    rows = [
        (
            title,
            spread(latency[name], scale=1000),
            spread(rates[name]),
        )
        for name, title in (("service", "ner-service"), *EMPTY_ENDPOINTS.items())
    ]
    rows += [
        (
            f"ours to the {title}",
            spread(figures["latency_ratio"][name]),
            spread(figures["rate_ratio"][name]),
        )
        for name, title in EMPTY_ENDPOINTS.items()
    ]
    return (
        "## Over HTTP\n\n"
        f"A sentence of {figures['sentence_words']} words a request, each one another, against a "
        "FastAPI POST endpoint that answers `{}`, from the same client on the same machine: "
        f"{figures['requests']} requests one after the other, then "
        f"{figures['load_requests']} from {figures['clients']} clients at once. The "
        "empty endpoint runs under the same uvicorn settings as ours: on h11, the HTTP parser that "
        "uvicorn brings along, and on httptools, the quicker one that ours is built on.\n\n"
        + table(("", "one client: median, ms", f"{figures['clients']} clients: requests/s"), rows)
    )


def _service(figures: Results) -> str:
    def mebibytes(state: str, part: str) -> str:
        return number(figures[state][part] / 2**20)

    rows = [
        (title, mebibytes(state, "resident"), mebibytes(state, "files"))
        for state, title in (
            ("loaded", "model loaded"),
            ("after", f"after {figures['requests']:,} requests"),
        )
    ]
    return (
        "## The service as a process\n\n"
        f"From its start to the first 200 of `/readyz`: {spread(figures['seconds_to_ready'])} s, "
        "imports, the check of the model's hashes and the load included. "
        f"The requests were {figures['different_texts']:,} different texts from 64 clients.\n\n"
        + table(("", "resident, MiB", "of these pages of files, shared by processes"), rows)
    )


def _growth(figures: Results) -> str:
    rows = [
        (
            number(size["megabytes"]),
            spread(size["seconds"]),
            spread(size["all_processes_bytes"], scale=2**-20),
            spread(size["largest_process_bytes"], scale=2**-20),
        )
        for size in figures["sizes"]
    ]
    compared = figures["compared"]
    return (
        "## Cost against size\n\n"
        f"`ner-service tag --workers {figures['workers']}`, JSON lines to a file, the stories over "
        f"and over. {number(compared['megabytes'])} MB take {spread(figures['time_ratio'])} times "
        f"the time of {number(compared['with_megabytes'])} MB and "
        f"{spread(figures['memory_ratio'])} times the memory.\n\n"
        "![Time and memory by size of the input](benchmarks/growth.png)\n\n"
        + table(("MB", "seconds", "peak memory of all processes, MiB", "of the largest, MiB"), rows)
    )


def _parity(figures: Results) -> str:
    f1 = [(name, f"{value:.5f}") for name, value in figures["f1"].items()]
    rows = [
        (
            name,
            f"{values['tags_changed']:,} of {values['tags']:,}",
            f"{values['share'] * 100:.4f} %",
            f"{values['largest']:.6f}",
            f"{values['mean']:.6f}",
            f"{values['entities_in_one']:,} of {values['entities_in_both']:,}",
        )
        for name, values in figures["compared"].items()
    ]
    return (
        "## The same answers\n\n"
        f"{figures['test_set']}, {figures['documents']} documents, {figures['tokens']:,} tokens, "
        "the corpus's own tokens. *onnx* and *torch* are in full precision; all documents are in "
        "one call, or each is *alone* in its own.\n\n"
        + table(("", "F1"), f1)
        + "\n\n"
        + table(
            (
                "",
                "tags changed",
                "share",
                "largest change of a score",
                "mean",
                "entities in one alone, in both",
            ),
            rows,
        )
    )


def _training_speed(figures: Results) -> str:
    return (
        "## Training\n\n"
        f"`{figures['configuration']}` on the {figures['device']}, {figures['threads']} threads, "
        f"{figures['windows_a_batch']} windows a batch: "
        f"{spread(figures['tokens_per_second'])} tokens/s."
    )


def _gpu(figures: Results) -> str:
    encoder = {
        (point["precision"], point["batch"]): spread(point["tokens_per_second"])
        for point in figures["encoder"]
    }
    precisions = list(dict.fromkeys(precision for precision, _ in encoder))
    rows = [
        (f"{batch:,}", *(encoder[precision, batch] for precision in precisions))
        for batch in dict.fromkeys(batch for _, batch in encoder)
    ]
    whole = ", ".join(
        f"{spread(figures['words_per_second'][precision])} in {precision} precision"
        for precision in precisions
    )
    answers = figures["answers"]
    return (
        "## On a GPU\n\n"
        f"{figures['device']}, {figures['processor']}, torch {figures['torch']}, another machine "
        "than above: `python -m tests.benchmarks.gpu`. `ner-service` takes a GPU that torch can "
        "use unless `--backend onnx` is said, and `--precision half` for float16. Tokens/s of the "
        f"sentence encoder ({figures['hidden_width']} units), windows of {figures['length']}, the "
        "copies to the GPU and back included:\n\n"
        + table(("windows a batch", *precisions), rows)
        + f"\n\nRaw text to entities in one process, {figures['words']:,} words in one call, "
        f"batches of at most {figures['slots_a_batch']:,} slots, words/s: {whole}. What feeds and "
        f"reads the GPU, one thread of the processor, is the limit. {answers['in_both']:,} "
        f"entities are the same in both precisions, {answers['in_one']:,} are in one alone."
    )


_SECTIONS: dict[str, Callable[[Results], str]] = {
    "peers_race": _peers_race,
    "stages": _stages,
    "kernel": _kernel,
    "http_race": _http_race,
    "service": _service,
    "growth": _growth,
    "parity": _parity,
    "training_speed": _training_speed,
    "gpu": _gpu,
}
