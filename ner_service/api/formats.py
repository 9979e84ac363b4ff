"""The forms of an answer of `/v1/entities`, chosen by `?format=`."""

from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl

from fastapi import Request

from ner_service.api.dialects.spacy import displacy_json, doc_json
from ner_service.api.exchange import all_sound
from ner_service.api.faults import FieldError, FieldFault
from ner_service.api.parsing import Item
from ner_service.api.presentation import Outcome, Presentation, answer_json
from ner_service.api.schemas import EntitiesRequest
from ner_service.tagger import Document

Writer = Callable[[EntitiesRequest, Sequence[Item], Sequence[Outcome], Presentation], bytes]
SpacyWriter = Callable[[Sequence[Document], Presentation, bool], bytes]


def answer_format(request: Request) -> Writer:
    """Give the writer of the form that a request asks for.

    Raises:
        FieldError: there is no such form.
    """
    query = request.scope["query_string"]
    if not query:
        return _entities
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name == "format":
            if value not in FORMATS:
                raise FieldError(FieldFault("format", f"expected one of {', '.join(FORMATS)}"))
            return FORMATS[value]
    return _entities


def _entities(
    _: EntitiesRequest,
    items: Sequence[Item],
    outcomes: Sequence[Outcome],
    presentation: Presentation,
) -> bytes:
    return answer_json(items, outcomes, presentation)


def _spacy(write: SpacyWriter) -> Writer:
    """Make a writer of one of spaCy's forms; these have no place for the fault of one document."""

    def written(
        query: EntitiesRequest,
        _: Sequence[Item],
        outcomes: Sequence[Outcome],
        presentation: Presentation,
    ) -> bytes:
        if presentation.offset_unit != "codepoint":
            raise FieldError(FieldFault("offset_unit", "expected codepoint for this format"))
        return write(all_sound(outcomes), presentation, query.text is not None)

    return written


FORMATS: dict[str, Writer] = {
    "entities": _entities,
    "displacy": _spacy(displacy_json),
    "spacy": _spacy(doc_json),
}
