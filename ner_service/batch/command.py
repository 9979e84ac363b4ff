"""`ner-service tag`: what the command line says, as a job. Heavy imports wait until it runs."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from ner_service.batch.nursery import Nursery
from ner_service.starting import everything_stays

_Inputs = Annotated[list[str], typer.Argument(help="Files, folders, globs; - is standard input.")]

EXIT_REJECTED = 3


@contextmanager
def early_nursery(arguments: Sequence[str]) -> Iterator[Nursery | None]:
    """The nursery of a `tag` on this machine, started before the command line is read.

    That is a guess: one that is not needed ends unused, and one that is missing is started later.
    """
    if arguments[:1] == ["tag"] and not {"--help", "ray", "--engine=ray"} & {*arguments}:
        with closing(Nursery()) as nursery:
            yield nursery
    else:
        yield None


def tag(
    context: typer.Context,
    inputs: _Inputs,
    model: Annotated[str, typer.Option(help="Name or path of a model.")] = "conll2003",
    output: Annotated[
        str | None, typer.Option(help="File to write, resumable [standard output].")
    ] = None,
    output_format: Annotated[
        Literal["jsonl", "csv", "parquet", "conll", "brat", "html"] | None,
        typer.Option(help="Format of the output [by its name, else jsonl]."),
    ] = None,
    input_format: Annotated[
        Literal["text", "jsonl", "csv", "parquet", "conll"] | None,
        typer.Option(help="Format of the inputs [by their names, else text]."),
    ] = None,
    unit: Annotated[
        Literal["document", "line", "paragraph"],
        typer.Option(help="What of a text file is one document."),
    ] = "document",
    text_field: Annotated[str, typer.Option(help="Field or column of the text.")] = "text",
    id_field: Annotated[str, typer.Option(help="Field or column of the id.")] = "id",
    keep: Annotated[
        str | None, typer.Option(help="Fields to pass through, such as title,date.")
    ] = None,
    token_column: Annotated[
        int | None, typer.Option(min=0, help="Column of the tokens in CoNLL files, from 0.")
    ] = None,
    delimiter: Annotated[str, typer.Option(help="Between CSV columns [by the name].")] = "",
    scheme: Annotated[
        Literal["BIO", "IOB1", "IOBES"], typer.Option(help="Tags of CoNLL output.")
    ] = "BIO",
    labels: Annotated[
        str | None, typer.Option(help="Labels wanted, such as PER,LOC [all].")
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(help="Least score, or least score of a label: PER=0.8; repeatable [0]."),
    ] = None,
    offset_unit: Annotated[
        Literal["codepoint", "utf16", "byte"], typer.Option(help="Unit of the offsets.")
    ] = "codepoint",
    precision: Annotated[
        Literal["full", "half", "int8"],
        typer.Option(help="int8 is faster and a little less exact; half is for a GPU."),
    ] = "full",
    backend: Annotated[
        Literal["auto", "onnx", "torch"], typer.Option(help="What runs the network.")
    ] = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes, one thread each [all cores].")
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="This machine, or a Ray cluster.")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster: auto, or HOST:PORT [a new one here].")
    ] = None,
    shard_documents: Annotated[int, typer.Option(min=1, help="Most documents of a shard.")] = 2000,
    max_document: Annotated[
        int, typer.Option(min=1, help="A document of more code points is rejected.")
    ] = 1_000_000,
    max_line_bytes: Annotated[
        int, typer.Option(min=1, help="A line of more bytes is rejected, unread.")
    ] = 16 * 2**20,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over, replace the output.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at a rejected record.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Tell nothing on the way.")] = False,
    summary: Annotated[Path | None, typer.Option(help="File for the summary, JSON.")] = None,
) -> int:
    """Find the names in files of any size. Exit code 3: some records were rejected."""
    with everything_stays():
        from ner_service.batch.job import run_job
        from ner_service.batch.names import output_format_of
        from ner_service.batch.options import Options
        from ner_service.batch.plan import Plan
        from ner_service.batch.progress import describe_summary, write_summary

    format_by_name, compression = output_format_of(output)
    options = Options(
        input_format=input_format,
        unit=unit,
        text_field=text_field,
        id_field=id_field,
        keep=_names(keep) or (),
        token_column=token_column,
        delimiter=delimiter,
        labels=_names(labels),
        threshold=parse_threshold(threshold or []),
        offset_unit=offset_unit,
        backend=backend,
        precision=precision,
        output_format=output_format or format_by_name,
        compression=compression,
        scheme=scheme,
        shard_documents=shard_documents,
        max_document=max_document,
        max_line_bytes=max_line_bytes,
    )
    plan = Plan(
        inputs=tuple(inputs),
        output=output,
        engine=engine,
        address=address,
        workers=workers,
        fresh=fresh,
        strict=strict,
        quiet=quiet,
        nursery=context.obj,
    )
    done = run_job(plan, model, options)
    if summary is not None:
        write_summary(summary, done)
    if not quiet:
        typer.echo(f"ner-service: {describe_summary(done)}", err=True)
    return EXIT_REJECTED if done.rejected else 0


def _names(value: str | None) -> tuple[str, ...] | None:
    return tuple(name.strip() for name in value.split(",")) if value else None


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
