"""Bytes of a request -> validated request. Every rule on what may come in is applied here, once."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ner_service.api.faults import FieldError, FieldFault, InvalidJsonError, LimitError
from ner_service.api.schemas import UNION_TAGS, DocumentIn, EntitiesRequest
from ner_service.errors import NerError, TextError, TooLongError

Request = TypeVar("Request", bound=BaseModel)

# At most this many faulty fields are listed in one answer.
MAX_FAULTS = 20
# What may be repeated of a field's name: a name is the client's text, too.
SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
LONE_SURROGATE = "contains a lone surrogate, which no text can"
EITHER_TEXT = "expected either `text` or "
MESSAGES = {
    "extra_forbidden": "is not a known field",
    "finite_number": "expected a finite number",
    "model_type": "expected an object",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One document to tag: a text or its words, or the fault that keeps it from being tagged."""

    id: str | None
    content: str | Sequence[str]
    fault: NerError | None = None


def load_json(body: bytes | bytearray) -> Any:
    """Parse JSON strictly: UTF-8 only, no key twice in an object, no bottomless nesting.

    Lone surrogates and NaN pass here: what reads them refuses them and can name the field.

    Raises:
        InvalidJsonError: the body is not JSON in UTF-8.
        FieldError: JSON that no request can be.
    """
    try:
        return _DECODER.decode(body.decode())
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise InvalidJsonError(f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise InvalidJsonError("nested too deeply") from None
    except ValueError:  # Python refuses to convert integers of more than 4300 digits.
        raise FieldError(FieldFault("body", "contains a number that is out of range")) from None


def _object_without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = counts.most_common(1)[0][0]
        raise FieldError(FieldFault(_safe_name(twice), "is given twice in one object"))
    return members


# Made once: with options, json.loads makes a new one for every body.
_DECODER = json.JSONDecoder(object_pairs_hook=_object_without_repetition)


def parse(model: type[Request], data: Any) -> Request:
    """Validate parsed JSON.

    Raises:
        FieldError: naming every faulty field, repeating nothing of what came.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    faults = [
        FieldFault(_field_name(detail["loc"]), MESSAGES.get(detail["type"], detail["msg"]))
        for detail in details[:MAX_FAULTS]
    ]
    raise FieldError(*faults)


def parse_request(
    body: bytes, *, max_documents: int, max_text_length: int
) -> tuple[EntitiesRequest, list[Item]]:
    """Turn a body into the request and its documents.

    A fault of one of several documents stays with its item; that of a single text is raised.

    Raises:
        InvalidJsonError: the body is not JSON in UTF-8.
        LimitError: too many documents.
        TooLongError: the single text is too long.
        FieldError: anything else that is wrong.
    """
    data = load_json(body)
    if not isinstance(data, dict):
        raise FieldError(FieldFault("body", "expected an object"))
    # Before validation, which looks at every document.
    check_count(data.get("documents"), maximum=max_documents)
    request = parse(EntitiesRequest, data)
    if (request.text is None) == (request.documents is None):
        raise FieldError(FieldFault("text", f"{EITHER_TEXT}`documents`"))
    if request.documents is not None:
        return request, [
            document_item(document, place=f"documents.{index}.", max_text_length=max_text_length)
            for index, document in enumerate(request.documents)
        ]
    return request, [text_item(request.text or "", max_text_length=max_text_length)]


def check_count(documents: object, *, maximum: int, field: str = "documents") -> None:
    """Refuse a list of documents that is empty or over the limit."""
    if not isinstance(documents, list):
        return  # not given, or the schema's to refuse
    if not documents:
        raise FieldError(FieldFault(field, f"expected 1 to {maximum} documents, got 0"))
    if len(documents) > maximum:
        raise LimitError(f"expected at most {maximum} documents, got {len(documents)}")


def text_item(text: str, *, max_text_length: int, field: str = "text") -> Item:
    """Turn a single text into an item; its faults are raised, being those of the request."""
    if len(text) > max_text_length:
        raise TooLongError(f"expected at most {max_text_length} code points, got {len(text)}")
    if not is_text(text):
        raise FieldError(FieldFault(field, LONE_SURROGATE))
    return Item(None, text)


def document_item(document: DocumentIn, *, place: str, max_text_length: int) -> Item:
    """Turn one of several documents into an item, which carries its own fault if it has one."""
    content: str | Sequence[str]
    if document.text is not None and document.tokens is None:
        content, length = document.text, len(document.text)
        sound = is_text(content)
    elif document.tokens is not None and document.text is None:
        content = document.tokens
        if "" in content:
            raise FieldError(FieldFault(f"{place}tokens", "expected no empty token"))
        length = sum(map(len, content)) + max(len(content) - 1, 0)
        sound = is_text("".join(content))
    else:
        raise FieldError(FieldFault(f"{place}text", f"{EITHER_TEXT}`tokens`"))
    if document.id is not None and not is_text(document.id):
        return Item(None, "", TextError(f"id {LONE_SURROGATE}"))
    fault: NerError | None = None
    if length > max_text_length:
        fault = TooLongError(f"expected at most {max_text_length} code points, got {length}")
    elif not sound:
        fault = TextError(f"the document {LONE_SURROGATE}")
    return Item(document.id, content, fault)


def is_text(value: str) -> bool:
    """Say whether a string has no lone surrogates, that is, whether UTF-8 can express it."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _field_name(place: tuple[int | str, ...]) -> str:
    parts = [_safe_name(part) for part in place if part not in UNION_TAGS and part != "[key]"]
    return ".".join(parts) or "body"


def _safe_name(part: int | str) -> str:
    name = str(part)
    return name if SAFE_NAME.match(name) else "(unnamed)"
