"""`ner-service redact` and `ner-service restore`: one text in, one text out.

Heavy imports wait until one of them runs.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from typing_extensions import TypedDict

from ner_service.errors import ConfigError, NerError
from ner_service.redaction.naming import RedactionMode

_Input = Annotated[str, typer.Argument(help="A text file in UTF-8; - is standard input.")]
_Output = Annotated[str | None, typer.Option(help="File to write [standard output].")]
_Key = Annotated[
    Path | None,
    typer.Option(help="File with a random secret, such as `openssl rand -hex 32` gives."),
]


class MappingFile(TypedDict):
    """What `redact --mapping` writes and `restore` reads."""

    mapping: dict[str, str] | str
    counts: dict[str, int]


def redact(
    text: _Input = "-",
    model: Annotated[str, typer.Option(help="Name or path of a model.")] = "conll2003",
    mode: Annotated[
        RedactionMode,
        typer.Option(help="What a name becomes: [PER], ***, [PER:<hash>] or [PER_1]."),
    ] = "pseudonym",
    labels: Annotated[
        str | None, typer.Option(help="Labels to redact, such as PER,LOC [all].")
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Leave names of a lower score in place.")
    ] = 0.0,
    mapping: Annotated[
        Path | None, typer.Option(help="File to write the mapping to, for restore.")
    ] = None,
    session: Annotated[
        Path | None, typer.Option(help="Mapping file of an earlier text: same name, same number.")
    ] = None,
    key_file: _Key = None,
    output: _Output = None,
) -> None:
    """Take the names out of a text. With a key, hashes are keyed and the mapping is sealed."""
    from ner_service.entities import filter_entities
    from ner_service.redaction import redacting, sealing
    from ner_service.tagger import Tagger

    if mapping is not None and mode != "pseudonym":
        raise typer.BadParameter(f"--mapping: only pseudonyms can be restored, not {mode}")
    key = _read_key(key_file)
    earlier = _read_mapping(session, key)[0] if session else None
    content = _read_text(text)
    tagger = Tagger.load(model)
    document = tagger.tag(content)
    wanted = frozenset(labels.split(",")) if labels else None
    if unknown := (wanted or frozenset()).difference(tagger.info.labels):
        raise typer.BadParameter(f"--labels: the model has no {', '.join(sorted(unknown))}")
    document = replace(
        document,
        entities=filter_entities(document.entities, labels=wanted, threshold=threshold),
    )
    redacted = redacting.redact(
        document, mode=mode, key=key, session=earlier, labels=tagger.info.labels
    )
    if mapping is not None:
        names = redacted.mapping if key is None else sealing.seal(redacted.mapping, key)
        _write_private(mapping, {"mapping": names, "counts": redacted.counts})
    _write_text(redacted.text, output)


def restore(
    text: _Input = "-",
    mapping: Annotated[
        Path, typer.Option(help="Mapping file that redact wrote for this text.")
    ] = Path("mapping.json"),
    key_file: _Key = None,
    output: _Output = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if a placeholder is lost or doubled.")
    ] = False,
) -> int:
    """Put names back into a redacted text; lost and doubled placeholders go to standard error."""
    from ner_service.redaction import restoring

    names, counts = _read_mapping(mapping, _read_key(key_file))
    restored = restoring.restore(_read_text(text), names, counts=counts)
    _write_text(restored.text, output)
    for fault, placeholders in (("lost", restored.lost), ("doubled", restored.doubled)):
        for placeholder in placeholders:
            typer.echo(f"ner-service: {fault}: {placeholder}", err=True)
    return int(strict and bool(restored.lost or restored.doubled))


def _read_text(name: str) -> str:
    # As bytes: reading as text would change line ends.
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return content.decode()
    except OSError as error:
        raise NerError(f"{name}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise NerError(f"{name}: not UTF-8 at byte {error.start}") from None


def _write_text(text: str, output: str | None) -> None:
    if output is None:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
        return
    try:
        Path(output).write_bytes(text.encode())
    except OSError as error:
        raise NerError(f"{output}: {error.strerror}") from None


def _read_key(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        return file.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None


def _read_mapping(file: Path, key: bytes | None) -> tuple[dict[str, str], dict[str, int]]:
    from pydantic import TypeAdapter, ValidationError

    from ner_service.redaction.sealing import unseal

    try:
        content = TypeAdapter(MappingFile).validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    except ValidationError:
        raise ConfigError(f"{file}: expected a mapping file that redact wrote") from None
    names = content["mapping"]
    if isinstance(names, dict):
        return names, content["counts"]
    if key is None:
        raise ConfigError(f"{file}: the mapping is sealed, expected --key-file")
    return unseal(names, key), content["counts"]


def _write_private(file: Path, content: MappingFile) -> None:
    """Write JSON that nobody else on the machine may read: it holds the names."""
    try:
        file.touch(mode=0o600)
        file.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise NerError(f"{file}: {error.strerror}") from None
