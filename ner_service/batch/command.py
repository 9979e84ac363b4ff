"""`ner-service tag`: what the command line says, as a job. Heavy imports wait until it runs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ner_service.text.offsets import OffsetUnit

_Inputs = Annotated[list[str], typer.Argument(help="Files, folders, globs; - is standard input.")]
_INPUT, _TAGGING, _OUTPUT, _RUNNING = "Input", "Tagging", "Output", "Running"


def tag(
    inputs: _Inputs,
    model: Annotated[str, typer.Option(help="Name or path of a model.")] = "conll2003",
    precision: Annotated[
        Literal["full", "int8"], typer.Option(help="int8 is faster and a little less exact.")
    ] = "full",
    backend: Annotated[
        Literal["auto", "onnx", "torch"], typer.Option(help="What runs the network.")
    ] = "auto",
    labels: Annotated[
        str | None, typer.Option(help="Labels wanted, such as PER,LOC [all].")
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(help="Least score, or least score of a label: PER=0.8; repeatable [0]."),
    ] = None,
    offset_unit: Annotated[OffsetUnit, typer.Option(help="Unit of the offsets.")] = "codepoint",
    output: Annotated[str | None, typer.Option(help="File to write [standard output].")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes, one thread each [all cores].")
    ] = None,
    summary: Annotated[Path | None, typer.Option(help="File for the summary, JSON.")] = None,
) -> int:
    """Find the names in files of any size."""
    from ner_service.batch.job import JobPlan, run_job
    from ner_service.batch.options import Options

    options = Options(
        labels=tuple(labels.split(",")) if labels else None,
        threshold=parse_threshold(threshold or []),
        offset_unit=offset_unit,
        backend=backend,
        precision=precision,
    )
    plan = JobPlan(inputs=tuple(inputs), output=output, workers=workers, summary=summary)
    return run_job(plan, model, options)


def parse_threshold(values: list[str]) -> float | dict[str, float]:
    """Read `0.5` or `PER=0.8`; a label that is not named has no threshold.

    Raises:
        BadParameter: a value is not a number from 0 to 1, or both forms are mixed.
    """
    by_label: dict[str, float] = {}
    common = 0.0
    for value in values:
        label, _, number = value.rpartition("=")
        try:
            least = float(number)
        except ValueError:
            least = -1.0
        if not 0 <= least <= 1:
            raise typer.BadParameter(f"--threshold: expected 0.5 or PER=0.5, got {value}")
        if label:
            by_label[label] = least
        else:
            common = least
    if by_label and common:
        raise typer.BadParameter("--threshold: expected one number or labels, got both")
    return by_label or common
