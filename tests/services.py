"""A service without HTTP around it."""

import asyncio
from collections.abc import Awaitable, Callable

from ner_service.api.batcher import AT_ONCE
from ner_service.api.logs import make_logger
from ner_service.api.parsing import Item
from ner_service.api.service import Service
from ner_service.api.settings import Settings
from ner_service.tagger import TagOptions
from tests.fakes import FakeTagger


def make_service(tagger: FakeTagger, **settings: object) -> Service:
    def load(source: str) -> FakeTagger:
        raise AssertionError(source)

    service = Service(Settings.model_validate(settings), load, make_logger("error"))
    service.models.add(tagger, source="fake")
    return service


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), timeout=30))


async def tag(service: Service, *texts: str, receive=None, options: TagOptions | None = None):
    items = [Item(None, text) for text in texts]
    arrived = asyncio.get_running_loop().time()
    return await service.tag(
        items, service.models.get(None), arrived=arrived, receive=receive, options=options
    )


async def occupy(service: Service, tagger: FakeTagger, count: int = AT_ONCE) -> list[asyncio.Task]:
    """Requests in work, one a batch, until the gate is opened; all that there is room for."""
    tagger.gate.clear()
    tasks = []
    for number in range(count):
        tasks.append(asyncio.create_task(tag(service, f"running {number}")))
        await until(lambda n=number: len(tagger.batches) == n + 1)
    return tasks


RUNNING = [[f"running {number}"] for number in range(AT_ONCE)]


def names(outcomes) -> list[list[str]]:
    return [[entity.text for entity in document.entities] for document in outcomes]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)
