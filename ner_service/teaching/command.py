"""`ner-service memory import | export` and `ner-service feedback export`.

Heavy imports wait until one of them runs.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ner_service.errors import ArtifactError, ConfigError

memory_app = typer.Typer(
    name="memory", help="Taught examples, from and to column files.", no_args_is_help=True
)
feedback_app = typer.Typer(
    name="feedback", help="Corrections, as a corpus for training.", no_args_is_help=True
)

_Folder = Annotated[Path, typer.Option("--memory", help="Folder given to `serve --memory`.")]
_Model = Annotated[str, typer.Option(help="Name or path of a model.")]
_Output = Annotated[Path | None, typer.Option(help="File to write [standard output].")]


@memory_app.command("import")
def import_examples(
    file: Annotated[Path, typer.Argument(help="Column file: token first, tag last.")],
    memory: _Folder,
    model: _Model = "conll2003",
) -> None:
    """Add the sentences of a column file to the memory; no server may be using it."""
    from ner_service.memory.conll import read_conll
    from ner_service.memory.store import ExampleStore
    from ner_service.teaching.lessons import shelf_files

    examples = read_conll(file)
    path, _ = shelf_files(memory, _name(model))
    store = ExampleStore(path)
    store.add(examples)
    store.close()
    sys.stderr.write(f"{len(examples)} examples added to {path}\n")


@memory_app.command("export")
def export_examples(memory: _Folder, model: _Model = "conll2003", output: _Output = None) -> None:
    """Write what the memory holds as a column file; a server may go on using it."""
    from ner_service.memory.conll import write_conll
    from ner_service.memory.store import read_examples
    from ner_service.teaching.lessons import shelf_files

    path, _ = shelf_files(memory, _name(model))
    _write(write_conll(read_examples(path)), output)


@feedback_app.command("export")
def export_feedback(
    memory: _Folder,
    model: _Model = "conll2003",
    output: _Output = None,
    most: Annotated[
        int | None, typer.Option(min=1, help="Only so many, the most uncertain.")
    ] = None,
    mistakes: Annotated[
        bool, typer.Option("--mistakes", help="Only what the model still gets wrong.")
    ] = False,
) -> None:
    """Write corrections as a column file, those first of whose texts the model is least sure."""
    from ner_service.memory.conll import write_conll
    from ner_service.tagger import Tagger
    from ner_service.teaching.feedback import chosen, rank, read_feedback
    from ner_service.teaching.lessons import shelf_files

    tagger = Tagger.load(model)
    _, path = shelf_files(memory, tagger.info.name)
    ranked = rank(read_feedback(path), tagger)
    if not ranked:
        raise ConfigError(f"{path}: expected feedback, got none")
    wrong = sum(not one.agrees for one in ranked)
    examples = chosen(ranked, most=most, mistakes=mistakes)
    _write(write_conll(examples), output)
    sys.stderr.write(
        f"{len(examples)} of {len(ranked)} corrections written; "
        f"the model gets {wrong} of them wrong\n"
    )


def _name(model: str) -> str:
    """The name that a model gives itself, without loading it."""
    from ner_service.artifact.locate import resolve_model
    from ner_service.artifact.store import CONFIG

    file = resolve_model(model) / CONFIG
    try:
        return str(json.loads(file.read_bytes())["name"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ArtifactError(f"{file}: expected a model's name") from None


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8", newline="\n")
