"""The cluster engine: the same shards, as work items of Ray Data.

A read task cuts a section of the input into shards, on whatever node it runs; a pool of actors, one
model each, tags them; the process that started the job writes the results. All of it is
deterministic, so Ray may do any part again when a node is lost.
"""

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence

import pyarrow as pa
import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext, Datasource, ReadTask
from ray.data.block import BlockMetadata
from ray.exceptions import RayError, RayTaskError

from ner_service.batch.nursery import THREAD_VARIABLES
from ner_service.batch.options import Options
from ner_service.batch.records import ShardHead
from ner_service.batch.shards import Done, ShardKey, check_unchanged, cut
from ner_service.batch.sources import Section
from ner_service.batch.worker import ShardTagger, WorkerSettings
from ner_service.errors import NerError

# A read task decompresses and splits lines; most of the time it waits for the actors. Where actors
# asked for whole cores there would be no room for it, and the job would stand still for ever.
_READ_CPUS = 0.1
_ACTOR_CPUS = 1 - _READ_CPUS
_ATTEMPTS = 3

_SHARD = pa.schema(
    [
        ("section", pa.int64()),
        ("number", pa.int64()),
        ("consumed", pa.int64()),
        ("digest", pa.string()),
        ("payload", pa.binary()),  # null if the shard was finished before
    ]
)
_DONE = pa.schema([*list(_SHARD)[:3], ("data", pa.binary())])


class ShardSource(Datasource):
    """The sections of a job's input; a block is one shard."""

    def __init__(
        self, sections: Sequence[Section], options: Options, kept: Mapping[ShardKey, str]
    ) -> None:
        """Leave out the payloads of shards in `kept`."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._sections = sections
        self._options = options
        self._kept = kept

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: DataContext | None = None,
    ) -> list[ReadTask]:
        """A task a section."""
        del parallelism, per_task_row_limit, data_context
        return [self._read_task(section) for section in self._sections]

    def estimate_inmemory_data_size(self) -> int | None:
        """Nobody knows: inputs may be compressed."""
        return None

    def _read_task(self, section: Section) -> ReadTask:
        options = self._options
        kept = {key: value for key, value in self._kept.items() if key.section == section.number}
        metadata = BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None)
        return ReadTask(lambda: _read_shards(section, options, kept), metadata, schema=_SHARD)


class TaggingActor:
    """A model on some node."""

    def __init__(self, settings: bytes) -> None:
        """Load it."""
        self._tagger = ShardTagger(WorkerSettings.from_json(settings))

    def __call__(self, shards: pa.Table) -> pa.Table:
        """Tag a block of shards."""
        data = [
            None if row["payload"] is None else self._tagger.tag(row["payload"], row["digest"])
            for row in shards.to_pylist()
        ]
        columns = [shards.column(name) for name in _DONE.names[:3]]
        return pa.table([*columns, pa.array(data, pa.binary())], schema=_DONE)


def run_ray(
    sections: Sequence[Section],
    settings: WorkerSettings,
    kept: Mapping[ShardKey, str],
    *,
    address: str | None = None,
    workers: int | None = None,
) -> Generator[Done, None, None]:
    """Tag the shards of all sections on a cluster, in any order.

    Args:
        sections: of the inputs, which every node must be able to read.
        settings: the actors'; every node must have the model.
        kept: shards that are finished, with their digests.
        address: of the cluster; one on this machine is started if None.
        workers: most actors; one a core if None.

    Raises:
        NerError: an input has changed, a shard cannot be tagged, or the cluster is lost.
    """
    is_own = not ray.is_initialized()
    try:
        if is_own:
            _connect(address)
        yield from _run_again_if_lost(sections, settings, kept, workers)
    except RayTaskError as error:
        raise NerError(_one_line(_root(error))) from None
    except (RayError, ConnectionError) as error:
        raise NerError(f"ray: {_one_line(error)}") from None
    finally:
        if is_own:
            ray.shutdown()


def _connect(address: str | None) -> None:
    environment = dict.fromkeys(THREAD_VARIABLES, "1")
    try:
        ray.init(
            address=address or "local",  # by itself, Ray would join any cluster that runs here
            runtime_env={"env_vars": environment},
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    except Exception as error:  # Ray has nothing more exact for a cluster that does not start
        raise NerError(f"ray: {_one_line(error)}") from None


def _run_again_if_lost(
    sections: Sequence[Section],
    settings: WorkerSettings,
    kept: Mapping[ShardKey, str],
    workers: int | None,
) -> Iterator[Done]:
    """Ray repeats lost work by itself; where it gives up as a whole, go on with what is done."""
    known, told = dict(kept), set()
    for attempt in range(_ATTEMPTS):
        try:
            for done in _run(sections, settings, known, workers):
                if done.key in told:
                    continue
                told.add(done.key)
                if done.data is not None:
                    known[done.key] = ShardHead.of(done.data).digest
                yield done
            return
        except RayTaskError:
            raise  # the work itself is at fault: it would fail again
        except RayError:
            if attempt + 1 == _ATTEMPTS:
                raise


def _run(
    sections: Sequence[Section],
    settings: WorkerSettings,
    kept: Mapping[ShardKey, str],
    workers: int | None,
) -> Iterator[Done]:
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = 1  # every shard is a block, so that any actor may take it
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    cpus = ray.cluster_resources().get("CPU", 1)  # type: ignore[no-untyped-call]
    most = workers or max(1, int(cpus))
    source = ShardSource(sections, settings.options, kept)
    shards = ray.data.read_datasource(
        source, override_num_blocks=len(sections), num_cpus=_READ_CPUS
    )
    results = shards.map_batches(
        TaggingActor,
        fn_constructor_args=(settings.to_json(),),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=_ACTOR_CPUS,
        # When nodes are lost the pool shrinks: as many actors as before may have no room.
        compute=ActorPoolStrategy(min_size=1, max_size=most, initial_size=most),
    )
    for table in results.iter_batches(batch_size=None, batch_format="pyarrow"):
        for row in table.to_pylist():
            yield Done(ShardKey(row["section"], row["number"]), row["consumed"], row["data"])


def _read_shards(
    section: Section, options: Options, kept: Mapping[ShardKey, str]
) -> Iterator[pa.Table]:
    for shard in cut(section, options):
        payload: bytes | None = shard.payload
        if shard.key in kept:
            check_unchanged(shard, kept)
            payload = None
        row = {
            "section": shard.key.section,
            "number": shard.key.number,
            "consumed": shard.consumed,
            "digest": shard.digest,
            "payload": payload,
        }
        yield pa.Table.from_pylist([row], schema=_SHARD)


def _root(error: BaseException) -> BaseException:
    """What went wrong on the node, below what Ray wraps around it."""
    while (cause := getattr(error, "cause", None) or error.__cause__) is not None:
        error = cause
    return error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
