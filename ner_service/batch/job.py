"""A job from its inputs to its output, resumable at any moment."""

import importlib.metadata
import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

from ner_service.batch.engine import run_engine
from ner_service.batch.options import Options
from ner_service.batch.pipe import run_to_standard_output
from ner_service.batch.plan import Plan, Summary, load_settings
from ner_service.batch.progress import Progress
from ner_service.batch.records import ShardHead, StrictError
from ner_service.batch.sources import (
    Source,
    describe,
    find_sources,
    latest_change,
)
from ner_service.batch.store import ShardStore
from ner_service.batch.worker import WorkerSettings
from ner_service.errors import NerError
from ner_service.tagger import ModelInfo


def run_job(plan: Plan, model: str, options: Options) -> Summary:
    """Tag all inputs.

    Raises:
        NerError: the job cannot go on. Finished shards are kept.
    """
    began = time.monotonic()
    info, settings = load_settings(model, options)
    summary = (
        run_to_standard_output(plan, info, settings)
        if plan.output is None
        else _run_to_file(plan, plan.output, info, settings)
    )
    summary.seconds = time.monotonic() - began
    return summary


def _run_to_file(plan: Plan, output: str, info: ModelInfo, settings: WorkerSettings) -> Summary:
    store = ShardStore(output.rstrip("/"))
    sources = find_sources(plan.inputs, settings.options, is_own=store.is_own)
    try:
        with store.storage.locked(store.folder):
            return _run(plan, store, sources, info, settings)
    except OSError as error:
        place = error.filename or output
        reason = error.strerror or error
        raise NerError(f"{place}: {reason}; finished shards are kept") from None


def _run(
    plan: Plan,
    store: ShardStore,
    sources: Sequence[Source],
    info: ModelInfo,
    settings: WorkerSettings,
) -> Summary:
    job = _identify(sources, info, settings.options)
    modified = latest_change(sources)
    resumable = all(source.size is not None for source in sources)
    if resumable and not plan.fresh:
        finished = store.find_finished(job, modified)
        if finished is not None:
            return Summary.of_finished(finished["summary"])
    heads = store.begin(job, fresh=plan.fresh, resumable=resumable)
    kept = {key: head.digest for key, head in heads.items()}
    summary = Summary(job["model"])
    keys = []
    size = job["input"]["bytes"] if resumable else 0
    with Progress(size, quiet=plan.quiet) as progress:
        if not resumable:
            progress.say("standard input cannot be resumed: if interrupted, the job starts over")
        with closing(run_engine(plan, sources, settings, kept)) as results:
            for done in results:
                is_kept = done.data is None
                head = heads[done.key] if done.data is None else ShardHead.of(done.data)
                if plan.strict and head.rejects:
                    raise StrictError(head.rejects[0])
                if done.data is not None:
                    store.save(done.key, done.data)
                keys.append(done.key)
                summary.add(head, kept=is_kept)
                progress.update(summary, done.consumed, kept_tokens=head.tokens if is_kept else 0)
    manifest = {"job": job, "modified": modified, "summary": summary.to_dict()}
    store.finish(sorted(keys), manifest, info, settings.options)
    return summary


def _identify(sources: Sequence[Source], info: ModelInfo, options: Options) -> dict[str, Any]:
    job: dict[str, Any] = {
        "input": describe(sources),
        "model": {"name": info.name, "version": info.version},
        "options": asdict(options),
        "program": importlib.metadata.version("ner-service"),
    }
    as_read_again: dict[str, Any] = json.loads(json.dumps(job))  # lists for tuples
    return as_read_again
