"""Who tags the shards: this machine, or a cluster."""

import os
from collections.abc import Generator, Mapping, Sequence

from ner_service.batch.local import run_local
from ner_service.batch.plan import Plan
from ner_service.batch.shards import Done, ShardKey
from ner_service.batch.sources import Source, make_sections
from ner_service.batch.worker import WorkerSettings
from ner_service.errors import ConfigError


def run_engine(
    plan: Plan,
    sources: Sequence[Source],
    settings: WorkerSettings,
    kept: Mapping[ShardKey, str],
    *,
    ordered: bool = False,
) -> Generator[Done, None, None]:
    """Tag all shards but those kept; `ordered` gives them in the order of the input."""
    sections = make_sections(sources)
    if plan.engine == "local":
        workers = plan.workers or len(os.sched_getaffinity(0))
        return run_local(
            sections, settings, kept, workers=workers, ordered=ordered, nursery=plan.nursery
        )
    if ordered:
        raise ConfigError("engine ray: expected --output, results come in any order")
    if any(source.size is None for source in sources):
        raise ConfigError("engine ray: expected files, standard input cannot be read by a cluster")
    try:
        from ner_service.batch.ray_engine import run_ray
    except ImportError:
        raise ConfigError("engine ray: expected ray, install ner-service[ray]") from None
    return run_ray(list(sections), settings, kept, address=plan.address, workers=plan.workers)
