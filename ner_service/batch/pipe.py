"""A job whose output is standard output: nothing is kept, results come in the input's order."""

import os
import sys
from contextlib import closing

from ner_service.batch.engine import run_engine
from ner_service.batch.plan import Plan, Summary
from ner_service.batch.progress import Progress
from ner_service.batch.records import ShardHead, StrictError
from ner_service.batch.sources import find_sources
from ner_service.batch.worker import WorkerSettings
from ner_service.batch.writers import write_head, write_tail
from ner_service.errors import ConfigError, NerError
from ner_service.tagger import ModelInfo


def run_to_standard_output(plan: Plan, info: ModelInfo, settings: WorkerSettings) -> Summary:
    """Tag all inputs to standard output.

    Raises:
        ConfigError: the format is none for a stream.
        NerError: the job cannot go on, or nobody reads its output.
    """
    options = settings.options
    if options.output_format in ("parquet", "brat"):
        raise ConfigError(f"output {options.output_format}: expected --output")
    sources = find_sources(plan.inputs, options)
    summary = Summary({"name": info.name, "version": info.version})
    target = sys.stdout.buffer
    # A bar between the lines of the output would help nobody.
    quiet = plan.quiet or sys.stdout.isatty()
    with Progress(sum(source.size or 0 for source in sources), quiet=quiet) as progress:
        try:
            target.write(write_head(info, options))
            with closing(run_engine(plan, sources, settings, {}, ordered=True)) as results:
                for done in results:
                    data = done.data or b""
                    head = ShardHead.of(data)
                    if plan.strict and head.rejects:
                        raise StrictError(head.rejects[0])
                    for reject in head.rejects:
                        sys.stderr.write(f"ner-service: rejected {reject}\n")
                    target.write(data[data.index(b"\n") + 1 :])
                    target.flush()
                    summary.add(head)
                    progress.update(summary, done.consumed)
            target.write(write_tail(options))
            target.flush()
        except OSError as error:
            # Nobody reads on; the interpreter must not try to flush again at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise NerError(f"standard output: {error.strerror or error}") from None
    return summary
