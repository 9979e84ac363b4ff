"""What a job is asked to do: all that may change the output, so it also identifies the job."""

from dataclasses import dataclass
from typing import Literal

from ner_service.entities import Threshold
from ner_service.errors import ConfigError
from ner_service.inference.backend import BackendName, Precision
from ner_service.tags import Scheme
from ner_service.text import OffsetUnit

InputFormat = Literal["text", "jsonl", "csv", "parquet", "conll"]
OutputFormat = Literal["jsonl", "csv", "parquet", "conll", "brat", "html"]
Compression = Literal["", "gz", "zst"]
TextUnit = Literal["document", "line", "paragraph"]

RESERVED_FIELDS = frozenset({"id", "model", "entities"})
"""Names that the output has of its own; a field passed through may not have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a job.

    Attributes:
        input_format: of every input; by each file's name if None.
        unit: what of a text file is one document.
        text_field: field or column of the text.
        id_field: field or column of the id.
        keep: fields or columns passed through to the output.
        token_column: column of the tokens in CoNLL files, counted from 0; the first if None, or
            the second where the first numbers them.
        delimiter: of CSV columns; by the file's name if empty.
        labels: the labels wanted, all if None.
        threshold: least score, or least score by label.
        offset_unit: unit of the offsets written.
        backend: what runs the network.
        precision: of the network.
        output_format: what is written.
        compression: of the output.
        scheme: of the tags in CoNLL output.
        shard_documents: most documents of a shard.
        shard_bytes: a shard ends once it holds that many bytes.
        max_line_bytes: a longer line is rejected.
        max_document: a document of more code points is rejected.
    """

    input_format: InputFormat | None = None
    unit: TextUnit = "document"
    text_field: str = "text"
    id_field: str = "id"
    keep: tuple[str, ...] = ()
    token_column: int | None = None
    delimiter: str = ""
    labels: tuple[str, ...] | None = None
    threshold: Threshold = 0.0
    offset_unit: OffsetUnit = "codepoint"
    backend: BackendName = "auto"
    precision: Precision = "full"
    output_format: OutputFormat = "jsonl"
    compression: Compression = ""
    scheme: Scheme = "BIO"
    shard_documents: int = 2000
    shard_bytes: int = 2**17
    max_line_bytes: int = 16 * 2**20
    max_document: int = 1_000_000

    def __post_init__(self) -> None:
        """Check what the command line's types cannot.

        Raises:
            ConfigError: a field passed through has a name of the output's own, or comes twice.
        """
        if clash := RESERVED_FIELDS.intersection(self.keep):
            raise ConfigError(f"keep: the output has fields {sorted(clash)} of its own")
        if self.compression and self.output_format in ("parquet", "brat"):
            raise ConfigError(f"output {self.output_format} cannot be compressed as a whole")
        if len(set(self.keep)) < len(self.keep):
            raise ConfigError("keep: expected each field once")
