"""Documents -> JSON. Written by hand: an answer is mostly numbers and constant text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from json.encoder import encode_basestring as quote

from ner_service.api.evidence import analysis_of, entities_json, labellings_json
from ner_service.api.faults import FieldError, FieldFault
from ner_service.api.models import ServedModel
from ner_service.api.parsing import Item
from ner_service.api.problems import problem_for
from ner_service.api.schemas import Options
from ner_service.entities import Entity, Threshold, filter_entities
from ner_service.errors import NerError
from ner_service.tagger import Document, TagOptions
from ner_service.text.offsets import OffsetUnit, convert_offsets

Outcome = Document | NerError


@dataclass(frozen=True, slots=True)
class Presentation:
    """What of the tagged documents is shown, and how.

    Attributes:
        model: the model that tagged.
        labels: the labels to show, None for all.
        threshold: the least score to show, one for all or by label.
        offset_unit: what offsets count.
        tokens: whether tokens are shown, too.
        asked: what is shown beside the entities.
    """

    model: ServedModel
    labels: frozenset[str] | None = None
    threshold: Threshold = 0.0
    offset_unit: OffsetUnit = "codepoint"
    tokens: bool = False
    asked: TagOptions = TagOptions()

    @classmethod
    def of(cls, options: Options, model: ServedModel, asked: TagOptions) -> "Presentation":
        """Take a request's options, and what they ask of the tagger.

        Raises:
            FieldError: a label is neither the model's nor that of a rule.
        """
        for field, labels in (("labels", options.labels), ("threshold", options.threshold)):
            if not isinstance(labels, list | dict):
                continue
            if not model.labels.union(*(rules.labels for rules in asked.rules)).issuperset(labels):
                known = ", ".join(model.info.labels)
                raise FieldError(FieldFault(field, f"expected labels of the model: {known}"))
        return cls(
            model,
            None if options.labels is None else frozenset(options.labels),
            options.threshold,
            options.offset_unit,
            "tokens" in options.include,
            asked,
        )

    def entities(self, document: Document) -> tuple[Entity, ...]:
        """Choose the entities to show."""
        if self.labels is None and self.threshold == 0.0:
            return document.entities
        return filter_entities(document.entities, labels=self.labels, threshold=self.threshold)

    def candidates(self, document: Document) -> tuple[Entity, ...] | None:
        """Choose the candidates to show, None if they are not asked for."""
        if self.asked.candidates is None:
            return None
        found = analysis_of(document).candidates(document.entities, self.asked.candidates)
        return filter_entities(found, labels=self.labels)

    def shown(self, document: Document) -> Document:
        """The document with the entities to show alone."""
        return replace(document, entities=self.entities(document))


def answer_json(
    items: Sequence[Item], outcomes: Sequence[Outcome], presentation: Presentation
) -> bytes:
    """Write the answer of `/v1/entities`."""
    documents, errors = [], []
    for index, (item, outcome) in enumerate(zip(items, outcomes, strict=True)):
        if isinstance(outcome, NerError):
            errors.append(error_json(index, item.id, outcome))
        else:
            documents.append(document_json(index, item.id, outcome, presentation))
    return (
        f'{{"model":{presentation.model.identity_json},'
        f'"documents":[{",".join(documents)}],"errors":[{",".join(errors)}]}}'
    ).encode()


def document_json(
    index: int, identifier: str | None, document: Document, presentation: Presentation
) -> str:
    """Write one tagged document."""
    tokens = f',"tokens":[{_tokens_json(document, presentation)}]' if presentation.tokens else ""
    nbest = ""
    if presentation.asked.nbest:
        nbest = f',"nbest":[{labellings_json(document, presentation.offset_unit)}]'
    return (
        f'{{"index":{index},"id":{_quote_or_null(identifier)},'
        f'"entities":[{_entities_json(document, presentation)}]{tokens}{nbest}}}'
    )


def error_json(index: int, identifier: str | None, error: Exception) -> str:
    """Write one document that could not be tagged."""
    problem = problem_for(error)
    return (
        f'{{"index":{index},"id":{_quote_or_null(identifier)},'
        f'"code":{quote(problem.kind.code)},"message":{quote(problem.detail)}}}'
    )


def _entities_json(document: Document, presentation: Presentation) -> str:
    entities = presentation.entities(document)
    asked = presentation.asked
    if asked.candidates is not None or asked.explain or asked.rules:
        tags = presentation.model.info.tags if asked.explain else None
        candidates = presentation.candidates(document)
        return entities_json(document, entities, candidates, tags, presentation.offset_unit)
    starts = [entity.start for entity in entities]
    ends = [entity.end for entity in entities]
    if presentation.offset_unit != "codepoint":
        starts, ends = _convert(document.text, starts, ends, presentation.offset_unit)
    return ",".join(
        f'{{"text":{quote(entity.text)},"label":{quote(entity.label)},'
        f'"start":{start},"end":{end},"score":{entity.score},'
        f'"source":"{entity.source}"}}'
        for entity, start, end in zip(entities, starts, ends, strict=True)
    )


def _tokens_json(document: Document, presentation: Presentation) -> str:
    tokens, model = document.tokens, presentation.model
    starts, ends = tokens.starts, tokens.ends
    if presentation.offset_unit != "codepoint":
        starts, ends = _convert(document.text, starts, ends, presentation.offset_unit)
    columns = zip(
        tokens.texts,
        starts,
        ends,
        document.tag_ids.tolist(),
        model.tagger.word_ids(tokens.texts),
        strict=True,
    )
    return ",".join(
        f'{{"text":{quote(text)},"start":{start},"end":{end},'
        f'{model.tags_json[tag_id]},"word_id":{word_id}}}'
        for text, start, end, tag_id, word_id in columns
    )


def _convert(
    text: str, starts: Sequence[int], ends: Sequence[int], unit: OffsetUnit
) -> tuple[list[int], list[int]]:
    converted = convert_offsets(text, [*starts, *ends], unit)
    return converted[: len(starts)], converted[len(starts) :]


def _quote_or_null(identifier: str | None) -> str:
    return "null" if identifier is None else quote(identifier)
