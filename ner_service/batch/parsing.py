"""Records to documents: what a record must hold, and the reason if it does not."""

import json
from typing import NoReturn

from ner_service.batch.conll import parse_columns
from ner_service.batch.options import Options
from ner_service.batch.records import InputDocument, JsonValue, Record, RecordError
from ner_service.errors import TextError
from ner_service.text import reject_lone_surrogates


def parse_record(record: Record, options: Options) -> InputDocument:
    """Understand a record.

    Raises:
        RecordError: it cannot be tagged; the message is the reason.
    """
    if record.fault:
        raise RecordError(record.fault)
    text = _decode(record.data)
    match record.kind:
        case "text":
            kept: dict[str, JsonValue] = dict.fromkeys(options.keep)
            document = InputDocument(_place(record, options), text, kept=kept)
        case "json":
            document = _parse_fields(text, record, options)
        case _:
            document = _parse_conll(text, record, options)
    text = document.text if document.words is None else " ".join(document.words)
    if len(text) > options.max_document:
        raise RecordError(
            f"document too long: {len(text)} code points, at most {options.max_document}"
        )
    _check_unicode(text)
    _check_unicode(str(document.id))
    return document


def _place(record: Record, options: Options) -> str:
    if record.kind == "text" and options.unit == "document":
        return record.source
    return f"{record.source}:{record.line}"


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(
            f"not UTF-8: byte 0x{data[error.start]:02x} at position {error.start}"
        ) from None


def _check_unicode(value: str) -> None:
    if value.isascii():
        return
    try:
        reject_lone_surrogates(value)
    except TextError as error:
        raise RecordError(str(error)) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(parse_constant=_refuse_constant)


def _parse_fields(text: str, record: Record, options: Options) -> InputDocument:
    try:
        fields = _JSON.decode(text)
    except RecursionError:
        raise RecordError("broken JSON: nested too deeply") from None
    except ValueError as error:
        raise RecordError(f"broken JSON: {error}") from None
    if not isinstance(fields, dict):
        raise RecordError(f"expected a JSON object, got {_kind_of(fields)}")
    kept = {name: fields.get(name) for name in options.keep}
    _check_kept(kept)
    identity = _identity(fields.get(options.id_field), record, options)
    value = fields.get(options.text_field)
    if isinstance(value, str):
        return InputDocument(identity, value, kept=kept)
    if value is not None:
        raise RecordError(f"{options.text_field}: expected a string, got {_kind_of(value)}")
    words = fields.get("tokens")
    if words is None:
        raise RecordError(f"no text field: expected {options.text_field!r}")
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise RecordError("tokens: expected a list of strings with text")
    return InputDocument(identity, words=words, starts=[0] if words else [], kept=kept)


def _check_kept(kept: dict[str, JsonValue]) -> None:
    if all(isinstance(value, str) and value.isascii() for value in kept.values()):
        return
    try:
        _check_unicode(json.dumps(kept, ensure_ascii=False, allow_nan=False))
    except ValueError:  # 1e999 is JSON, yet no number here
        raise RecordError("broken JSON: a number out of range") from None


def _identity(value: JsonValue, record: Record, options: Options) -> str | int:
    if value is None:
        return _place(record, options)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RecordError(
            f"{options.id_field}: expected a string or a whole number, got {_kind_of(value)}"
        )
    return value


def _parse_conll(text: str, record: Record, options: Options) -> InputDocument:
    identity, words, starts = parse_columns(text, record.line, options)
    kept: dict[str, JsonValue] = dict.fromkeys(options.keep)
    return InputDocument(identity or _place(record, options), "", words, starts, kept)


def _kind_of(value: JsonValue) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"
