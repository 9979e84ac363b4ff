"""Batching, deadlines and clients that leave, without HTTP around them."""

import asyncio
import threading
import time

import pytest

from ner_service.api.batcher import AT_ONCE
from ner_service.api.faults import ClientGoneError, DeadlineError
from ner_service.api.service import Service
from ner_service.errors import TextError
from tests.fakes import FakeTagger
from tests.services import RUNNING, make_service, names, occupy, run, tag, until


@pytest.fixture(autouse=True)
def _always_through_the_queue(monkeypatch):
    """A closed gate would block the event loop if small requests stayed on its thread."""
    monkeypatch.setattr("ner_service.api.service.TINY", -1)


def test_documents_come_back_in_order():
    async def main() -> None:
        service = make_service(FakeTagger())
        assert names(await tag(service, "Bob", "x", "Ann left Paris")) == [
            ["Bob"],
            [],
            ["Ann", "Paris"],
        ]
        service.close()

    run(main)


def test_a_lone_small_request_changes_no_thread(monkeypatch):
    monkeypatch.setattr("ner_service.api.service.TINY", 500)
    tagger = FakeTagger()
    threads = set()
    tagger.network = lambda: threads.add(threading.current_thread())

    async def main() -> None:
        service = make_service(tagger)
        await tag(service, "Bob")
        assert threads == {threading.current_thread()}
        await asyncio.gather(tag(service, "Bob"), tag(service, "Ann"))
        assert len(threads) == 2
        service.close()

    run(main)


def test_requests_that_wait_together_share_a_batch():
    tagger = FakeTagger()

    async def main() -> None:
        service = make_service(tagger)
        await occupy(service, tagger)
        others = [asyncio.create_task(tag(service, f"Name{i}")) for i in range(5)]
        await until(lambda: service.admission.documents == AT_ONCE + 5)
        await asyncio.sleep(0.02)
        tagger.gate.set()
        assert [names(await other) for other in others] == [[[f"Name{i}"]] for i in range(5)]
        assert tagger.batches == [*RUNNING, [f"Name{i}" for i in range(5)]]
        service.close()

    run(main)


def test_the_deadline_is_kept_and_the_request_leaves_the_queue():
    tagger = FakeTagger()

    async def main() -> None:
        service = make_service(tagger, deadline_seconds=0.1)
        begin = time.perf_counter()
        running = await occupy(service, tagger)
        with pytest.raises(DeadlineError):
            await tag(service, "waiting")
        for one in running:
            with pytest.raises(DeadlineError):
                await one
        assert time.perf_counter() - begin < 5
        tagger.gate.set()
        assert names(await tag(service, "Bob")) == [["Bob"]]
        assert tagger.batches == [*RUNNING, ["Bob"]]
        service.close()

    run(main)


def test_a_client_that_left_is_dropped_from_the_queue():
    tagger = FakeTagger()

    async def main() -> None:
        service = make_service(tagger)
        await occupy(service, tagger)

        async def leave():
            return {"type": "http.disconnect"}

        with pytest.raises(ClientGoneError):
            await tag(service, "left", receive=leave)
        mate = asyncio.create_task(tag(service, "Mate"))
        await asyncio.sleep(0.02)
        tagger.gate.set()
        assert names(await mate) == [["Mate"]]
        assert tagger.batches == [*RUNNING, ["Mate"]]
        service.close()

    run(main)


def test_a_cancelled_request_harms_nobody_in_its_batch():
    tagger = FakeTagger()

    async def main() -> None:
        service = make_service(tagger)
        running = await occupy(service, tagger)
        doomed = asyncio.create_task(tag(service, "Doomed"))
        mate = asyncio.create_task(tag(service, "Mate"))
        await until(lambda: service.admission.documents == AT_ONCE + 2)
        await asyncio.sleep(0.02)
        doomed.cancel()
        tagger.gate.set()
        assert names(await mate) == [["Mate"]]
        assert [names(await one) for one in running] == [[[]]] * AT_ONCE
        with pytest.raises(asyncio.CancelledError):
            await doomed
        assert service.admission.documents == 0
        service.close()

    run(main)


def test_a_bad_document_fails_alone():
    tagger = FakeTagger()
    tagger.poison = "poison"

    async def main() -> None:
        service = make_service(tagger)
        await occupy(service, tagger)
        bad = asyncio.create_task(tag(service, "poison"))
        mate = asyncio.create_task(tag(service, "Mate"))
        await until(lambda: service.admission.documents == AT_ONCE + 2)
        await asyncio.sleep(0.02)
        tagger.gate.set()
        assert names(await mate) == [["Mate"]]
        with pytest.raises(RuntimeError):
            await bad
        assert service.alive
        service.close()

    run(main)


def test_a_fault_of_preparing_stays_with_its_document():
    tagger = FakeTagger()
    prepare = tagger.prepare

    def fail(text: str):
        if text == "bad":
            raise TextError("not this one")
        return prepare(text)

    tagger.prepare = fail

    async def main() -> None:
        service = make_service(tagger)
        bad, good = await tag(service, "bad", "Bob")
        assert isinstance(bad, TextError)
        assert names([good]) == [["Bob"]]
        assert isinstance((await tag(service, "bad"))[0], TextError)
        service.close()

    run(main)


def test_a_big_request_does_not_keep_a_small_one_waiting():
    tagger = FakeTagger()
    tagger.gate.clear()
    finished: list[str] = []

    async def tagged(service: Service, name: str, *texts: str) -> None:
        await tag(service, *texts)
        finished.append(name)

    async def main() -> None:
        service = make_service(tagger, batch_tokens=200, turn_tokens=100)
        long = "Bob left. " * 3_000  # one document of 9,000 tokens
        tasks = [asyncio.create_task(tagged(service, "big", long, *["word " * 50] * 100))]
        await until(lambda: len(tagger.batches) == AT_ONCE)
        tasks.append(asyncio.create_task(tagged(service, "small", "Ann")))
        await until(lambda: service.admission.documents == 102)
        await asyncio.sleep(0.02)
        tagger.gate.set()
        await asyncio.gather(*tasks)
        assert finished == ["small", "big"]
        assert "Ann" in tagger.batches[AT_ONCE]
        service.close()

    run(main)


def test_a_long_text_is_answered_like_a_short_one():
    async def main() -> None:
        service = make_service(FakeTagger(), turn_tokens=50)
        text = "Bob saw Ann. " * 2_000
        (document,) = await tag(service, text)
        assert len(document.entities) == 4_000
        assert all(text[e.start : e.end] == e.text for e in document.entities)
        assert len(document.tag_ids) == len(document.tokens)
        service.close()

    run(main)


def test_the_queue_is_measured():
    tagger = FakeTagger()
    tagger.gate.clear()

    async def main() -> None:
        service = make_service(tagger)
        waiting = asyncio.create_task(tag(service, "Bob left", "x"))
        await until(lambda: len(tagger.batches) == 1)
        assert b"ner_queue_documents 2.0" in service.metrics.expose()
        tagger.gate.set()
        await waiting
        exposed = service.metrics.expose().decode()
        assert "ner_queue_documents 0.0" in exposed
        assert "ner_batch_documents_sum 2.0" in exposed
        assert "ner_batch_tokens_sum 3.0" in exposed
        assert 'ner_tokens_total{model="fake"} 3.0' in exposed
        service.close()

    run(main)


def test_a_clock_that_jumps_changes_no_deadline(monkeypatch):
    async def main() -> None:
        service = make_service(FakeTagger(), deadline_seconds=5)
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 86_400)
        assert names(await tag(service, "Bob")) == [["Bob"]]
        monkeypatch.setattr(time, "time", lambda: now - 86_400)
        assert names(await tag(service, "Ann")) == [["Ann"]]
        service.close()

    run(main)


def test_the_thread_outlives_what_should_not_happen(monkeypatch):
    async def main() -> None:
        service = make_service(FakeTagger())

        def fail(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(service._batcher, "_observe", fail)
        with pytest.raises(ZeroDivisionError):
            await tag(service, "Bob")
        monkeypatch.undo()
        assert names(await tag(service, "Ann")) == [["Ann"]]
        assert service.alive
        service.close()

    run(main)


@pytest.mark.parametrize("count", [1, AT_ONCE])
def test_requests_whose_event_loop_is_gone_leave_room_for_others(count):
    tagger = FakeTagger()
    service = make_service(tagger)

    async def leave() -> None:
        await occupy(service, tagger, count)

    async def main() -> None:
        tagger.gate.set()
        assert names(await tag(service, "Ann")) == [["Ann"]]
        service.close()

    run(leave)
    run(main)


def test_what_must_be_alone_waits_for_batches_and_they_wait_for_it():
    tagger = FakeTagger()
    seen: list[int] = []

    async def main() -> None:
        service = make_service(tagger)
        running = await occupy(service, tagger)
        gate = threading.Event()

        def work() -> None:
            seen.append(len(tagger.batches))
            gate.wait(timeout=30)

        alone = asyncio.create_task(service._batcher.exclusively(work))
        await asyncio.sleep(0.02)
        assert not seen
        waiting = asyncio.create_task(tag(service, "Ann"))
        tagger.gate.set()
        await asyncio.gather(*running)
        await until(lambda: len(seen) == 1)
        await asyncio.sleep(0.02)
        assert tagger.batches == RUNNING
        gate.set()
        assert names(await waiting) == [["Ann"]]
        await alone
        service.close()

    run(main)


def test_an_error_of_what_must_be_alone_goes_to_who_wanted_it():
    async def main() -> None:
        service = make_service(FakeTagger())
        with pytest.raises(ZeroDivisionError):
            await service._batcher.exclusively(lambda: 1 // 0)
        assert names(await tag(service, "Ann")) == [["Ann"]]
        service.close()

    run(main)


def test_what_nobody_waits_for_any_more_is_not_begun():
    tagger = FakeTagger()
    begun: list[str] = []

    async def main() -> None:
        service = make_service(tagger)
        running = await occupy(service, tagger)
        doomed = asyncio.create_task(service._batcher.exclusively(lambda: begun.append("doomed")))
        await asyncio.sleep(0)
        doomed.cancel()
        tagger.gate.set()
        await asyncio.gather(*running)
        await service._batcher.exclusively(lambda: begun.append("next"))
        assert begun == ["next"]
        service.close()

    run(main)


def test_after_the_end_what_is_left_is_still_answered():
    async def main() -> None:
        service = make_service(FakeTagger())
        await tag(service, "Bob")
        service._batcher.close()
        assert names(await tag(service, "Ann")) == [["Ann"]]

    run(main)


def test_parts_of_a_request_come_back_in_order_whichever_batch_is_done_first():
    class Uneven(FakeTagger):
        """What begins with "Slow" needs the network three times more than others do."""

        def tagging_steps(self, documents):
            for _ in range(3 if documents[0].text.startswith("Slow") else 0):
                yield self.network
            return (yield from super().tagging_steps(documents))

    tagger = Uneven()

    async def main() -> None:
        # Every document is a turn, and a batch, of its own.
        service = make_service(tagger, batch_tokens=1, turn_tokens=1)
        texts = ["Slow Ann", "Bob", "Slow Carl", "Dora", "Eve", "Slow Fritz", "Gil"]
        answers = await tag(service, *texts)
        assert [document.text for document in answers] == texts
        assert tagger.batches[:2] == [["Bob"], ["Slow Ann"]]
        service.close()

    run(main)
