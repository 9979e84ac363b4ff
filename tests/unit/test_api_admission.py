"""What is let in, and what is told to those who are not; without HTTP around it."""

import asyncio

import pytest

from ner_service.api.faults import NotReadyError, QueueFullError
from ner_service.api.service import DEADLINE_SHARE
from ner_service.tagger import TagOptions
from tests.fakes import FakeTagger
from tests.services import make_service, run, tag, until


@pytest.fixture(autouse=True)
def _always_through_the_queue(monkeypatch):
    """A closed gate would block the event loop if small requests stayed on its thread."""
    monkeypatch.setattr("ner_service.api.service.TINY", -1)


def test_what_is_over_the_queue_limit_is_refused_before_any_work():
    tagger = FakeTagger()
    tagger.gate.clear()

    async def main() -> None:
        service = make_service(tagger, max_queue_documents=3, max_queue_tokens=1000)
        waiting = asyncio.create_task(tag(service, "a", "b"))
        await until(lambda: len(tagger.batches) == 1)
        with pytest.raises(QueueFullError) as documents:
            await tag(service, "c", "d")
        with pytest.raises(QueueFullError):
            await tag(service, "e" * 5000)
        assert 1 <= documents.value.retry_after <= 60
        tagger.gate.set()
        await waiting
        assert service.admission.documents == service.admission.tokens == 0
        await tag(service, "e" * 50_000)  # over the limit, but nothing else is there
        service.close()

    run(main)


def test_retry_after_follows_the_speed_of_the_network():
    service = make_service(FakeTagger(), max_queue_tokens=10_000, max_queue_documents=10)
    for _ in range(50):
        service.admission.observe(1000, 1.0)
    with service.admission.admit(documents=1, code_points=50_000):
        with pytest.raises(QueueFullError) as error:
            service.admission.admit(documents=1, code_points=50_000).__enter__()
        assert 9 <= error.value.retry_after <= 11


def test_what_would_wait_until_its_deadline_is_refused_at_once():
    service = make_service(FakeTagger(), deadline_seconds=3 / DEADLINE_SHARE)
    for _ in range(50):
        service.admission.observe(1_000, 1.0)
        service.admission.observe(10, 1.0)  # a batch so small says nothing
    with service.admission.admit(documents=1, code_points=10_000):
        assert service.admission.has_room(documents=1, tokens=900)
        assert not service.admission.has_room(documents=1, tokens=1_100)
    assert service.admission.has_room(documents=1, tokens=100_000)  # nothing else is there


def test_batches_that_end_at_uneven_moments_do_not_move_what_is_admitted():
    service = make_service(FakeTagger(), deadline_seconds=3 / DEADLINE_SHARE)
    rooms = set()
    for number in range(1000):
        service.admission.observe(1_000, 0.01 if number % 2 else 0.19)  # 10,000 a second
        if number >= 500:
            with service.admission.admit(documents=1, code_points=50_000):
                rooms |= {n for n in range(0, 30_000, 100) if has_room(service, n)}
    assert 18_500 <= max(rooms) <= 21_500
    service.close()


def has_room(service, tokens: int) -> bool:
    return service.admission.has_room(documents=1, tokens=tokens)


@pytest.mark.parametrize(
    ("options", "most"),
    [
        (TagOptions(), 1.0),
        (TagOptions(candidates=0.5), 2.0),
        (TagOptions(explain=True), 2.0),
        (TagOptions(nbest=1), 4.0),
        (TagOptions(nbest=10, explain=True), 6.0),
    ],
)
def test_what_is_asked_beside_the_entities_takes_room_and_turns(options: TagOptions, most: float):
    tagger = FakeTagger()
    tagger.gate.clear()
    text = "word " * 300
    plain = 1 + len(text) // 5

    async def main() -> None:
        service = make_service(tagger)
        waiting = asyncio.create_task(tag(service, text, options=options))
        await until(lambda: service.admission.tokens > 0)
        assert plain * max(most - 1, 1) <= service.admission.tokens <= plain * most
        tagger.gate.set()
        await waiting
        assert service.admission.tokens == 0
        service.close()

    run(main)


def test_a_stopping_service_takes_nothing_more():
    service = make_service(FakeTagger())
    service.admission.closed = True

    async def main() -> None:
        with pytest.raises(NotReadyError):
            await tag(service, "a")

    run(main)
