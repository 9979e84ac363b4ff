"""A shard to its result: a function of the shard, the model and the options alone."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from ner_service.batch.options import Options
from ner_service.batch.parsing import parse_record
from ner_service.batch.records import InputDocument, Record, RecordError, Reject, ShardResult
from ner_service.batch.writers import TaggedDocument, write_jsonl
from ner_service.entities import Entity, filter_entities
from ner_service.tagger import Document, ModelInfo, PreparedDocument
from ner_service.text import convert_offsets

_CODE_POINTS_A_BATCH = 500_000


class BatchTagger(Protocol):
    """What of the Tagger is needed here."""

    info: ModelInfo

    def prepare(self, text: str) -> PreparedDocument:
        """See `Tagger`."""
        ...

    def prepare_tokens(
        self, words: Sequence[str], starts: Sequence[int] | None = None
    ) -> PreparedDocument:
        """See `Tagger`."""
        ...

    def tag_documents(self, documents: Sequence[PreparedDocument]) -> list[Document]:
        """See `Tagger`."""
        ...


def tag_shard(tagger: BatchTagger, records: Sequence[Record], options: Options) -> ShardResult:
    """Tag the records of a shard and write them in the job's format."""
    documents: list[InputDocument] = []
    rejects: list[Reject] = []
    for record in records:
        try:
            documents.append(parse_record(record, options))
        except RecordError as error:
            rejects.append(Reject(record.source, record.line, str(error)))
    tagged: list[TaggedDocument] = []
    for batch in _batches(documents):
        tagged += _tag_batch(tagger, batch, options)
    return ShardResult(
        data=write_jsonl(tagged, tagger.info),
        documents=len(tagged),
        tokens=sum(len(document.prepared.tokens) for document in tagged),
        entities=Counter(entity.label for document in tagged for entity in document.entities),
        rejects=rejects,
    )


def _batches(documents: Sequence[InputDocument]) -> Iterator[list[InputDocument]]:
    """Consecutive documents of about so many code points: memory stays bounded."""
    batch: list[InputDocument] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text) or 5 * len(document.words or ())
        if size >= _CODE_POINTS_A_BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _tag_batch(
    tagger: BatchTagger, batch: Sequence[InputDocument], options: Options
) -> Iterator[TaggedDocument]:
    prepared = [
        tagger.prepare(document.text)
        if document.words is None
        else tagger.prepare_tokens(document.words, document.starts)
        for document in batch
    ]
    labels = None if options.labels is None else frozenset(options.labels)
    for document, ready, answer in zip(
        batch, prepared, tagger.tag_documents(prepared), strict=True
    ):
        entities = filter_entities(answer.entities, labels=labels, threshold=options.threshold)
        yield TaggedDocument(document, ready, answer, _moved(answer.text, entities, options))


def _moved(text: str, entities: Sequence[Entity], options: Options) -> Sequence[Entity]:
    if options.offset_unit == "codepoint" or not entities or text.isascii():
        return entities
    ends = [offset for entity in entities for offset in (entity.start, entity.end)]
    ends = convert_offsets(text, ends, options.offset_unit)
    return [
        replace(entity, start=start, end=end)
        for entity, start, end in zip(entities, ends[::2], ends[1::2], strict=True)
    ]
