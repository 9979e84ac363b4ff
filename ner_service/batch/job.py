"""A job: inputs to output."""

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ner_service.batch.options import Options
from ner_service.batch.records import Record
from ner_service.batch.tagging import tag_shard
from ner_service.errors import NerError
from ner_service.tagger import Tagger


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """Where a job reads and writes, and with how many processes.

    Attributes:
        inputs: as given on the command line.
        output: file to write, standard output if None.
        workers: processes, one a core if None.
        summary: file for the summary.
    """

    inputs: tuple[str, ...]
    output: str | None = None
    workers: int | None = None
    summary: Path | None = None


def run_job(plan: JobPlan, model: str, options: Options) -> int:
    """Tag all inputs; returns the exit code: 0, or 3 if some records were rejected."""
    began = time.monotonic()
    tagger = Tagger.load(model, backend=options.backend, precision=options.precision, threads=1)
    documents = rejected = 0
    entities: Counter[str] = Counter()
    try:
        target = open(plan.output, "wb") if plan.output else sys.stdout.buffer  # noqa: SIM115
        for name in plan.inputs:
            data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
            result = tag_shard(tagger, [Record(name, 1, "text", data)], options)
            target.write(result.data)
            documents += result.documents
            entities.update(result.entities)
            rejected += len(result.rejects)
            for reject in result.rejects:
                sys.stderr.write(
                    f"rejected: {reject.source}, line {reject.line}: {reject.reason}\n"
                )
        target.flush()
    except OSError as error:
        raise NerError(f"{error.filename or plan.output}: {error.strerror}") from None
    if plan.summary:
        summary = {
            "documents": documents,
            "entities": dict(sorted(entities.items())),
            "rejected": rejected,
            "seconds": round(time.monotonic() - began, 3),
        }
        plan.summary.write_text(json.dumps(summary) + "\n", encoding="utf-8")
    return 3 if rejected else 0
