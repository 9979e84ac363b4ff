"""The command line: `ner-service serve | tag | redact | restore | memory | feedback | models`.

Commands import what they need when they run, so that `--help` is quick. Errors go to standard error
in one line: exit 2 for usage, 1 for failure.
"""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer.exceptions import TyperException

from ner_service.batch.command import early_nursery, tag
from ner_service.errors import NerError
from ner_service.redaction.command import redact, restore
from ner_service.starting import everything_stays
from ner_service.teaching.command import feedback_app, memory_app

app = typer.Typer(
    name="ner-service",
    help="Find names in texts, with exact offsets and probabilities.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Backend = Literal["auto", "onnx", "torch"]
Precision = Literal["full", "half", "int8"]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on [8000].")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Name or path of a model [conll2003]; repeat for several."),
    ] = None,
    backend: Annotated[Backend | None, typer.Option(help="What runs the network.")] = None,
    precision: Annotated[
        Precision | None, typer.Option(help="half is for a GPU, int8 for bulk.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of the network [cores less one, 4 at most].")
    ] = None,
    rules: Annotated[
        list[str] | None, typer.Option(help="File of rules; repeat for several.")
    ] = None,
    memory: Annotated[
        Path | None, typer.Option(help="Folder of taught examples: switches the memory on.")
    ] = None,
) -> None:
    """Serve models over HTTP. Every setting is also an environment variable: NER_PORT=9000."""
    with everything_stays():
        from pydantic import ValidationError

        from ner_service.api.server import serve as run_server
        from ner_service.api.settings import Settings

    given = {
        "host": host,
        "port": port,
        "model": tuple(model) if model else None,
        "backend": backend,
        "precision": precision,
        "threads": threads,
        "rules": tuple(rules) if rules else None,
        "memory": memory,
    }
    try:
        settings = Settings.model_validate(
            {name: value for name, value in given.items() if value is not None}
        )
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise typer.BadParameter(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
    run_server(settings)


app.command()(tag)
app.command()(redact)
app.command()(restore)
app.add_typer(memory_app)
app.add_typer(feedback_app)


@app.command()
def models() -> None:
    """List the models that can be asked for by name."""
    from ner_service.artifact.locate import list_models

    for path in list_models():
        print(f"{path.name}\t{path}")


def main() -> None:
    """Run the command line."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        # Reading the command line takes as long as half of what workers import.
        with early_nursery(arguments) as nursery:
            result = app(arguments, prog_name="ner-service", standalone_mode=False, obj=nursery)
    except TyperException as error:
        print(f"ner-service: {one_line(error.format_message())}", file=sys.stderr)
        return error.exit_code
    except NerError as error:
        print(f"ner-service: {one_line(str(error))}", file=sys.stderr)
        return 1
    except (typer.Abort, KeyboardInterrupt):
        return 130
    return result if isinstance(result, int) else 0


def one_line(message: str) -> str:
    """Put a message into one line."""
    return " ".join(message.split())
