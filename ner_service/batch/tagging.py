"""A shard to its result: a function of the shard, the model and the options alone."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

from ner_service.batch.options import Options
from ner_service.batch.parsing import parse_record
from ner_service.batch.records import InputDocument, RecordError, Reject, ShardHead
from ner_service.batch.shards import Shard, unpack
from ner_service.batch.tagged import TaggedDocument, offsets_in
from ner_service.batch.writers import write_shard
from ner_service.entities import filter_entities
from ner_service.tagger import Document, ModelInfo, PreparedDocument

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


def tag_shard(tagger: BatchTagger, shard: Shard, options: Options) -> bytes:
    """Tag a shard and write it in the job's format, its head in the first line."""
    documents: list[InputDocument] = []
    rejects: list[Reject] = []
    for record in unpack(shard.payload):
        try:
            documents.append(parse_record(record, options))
        except RecordError as error:
            rejects.append(Reject(record.source, record.line, str(error)))
    tagged: list[TaggedDocument] = []
    for batch in _batches(documents):
        tagged += _tag_batch(tagger, batch, options)
    head = ShardHead(
        digest=shard.digest,
        documents=len(tagged),
        tokens=sum(len(document.prepared.tokens) for document in tagged),
        entities=dict(Counter(entity.label for item in tagged for entity in item.entities)),
        rejects=rejects,
    )
    return head.to_line() + write_shard(tagged, tagger.info, options)


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
        starts, ends = offsets_in(
            answer.text,
            [entity.start for entity in entities],
            [entity.end for entity in entities],
            options.offset_unit,
        )
        yield TaggedDocument(document, ready, answer, entities, starts, ends)
