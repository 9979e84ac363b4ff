"""The thread beside the event loop, on its own."""

import asyncio
import threading

from ner_service.api.worker import Worker


def told(worker: Worker, *works) -> asyncio.Future:
    """What the loop is told of all works, in order."""
    loop = asyncio.get_running_loop()
    worker.serve(loop)
    outcomes: list[object] = []
    done = loop.create_future()

    def note(result: object, error: Exception | None) -> None:
        outcomes.append(error or result)
        if len(outcomes) == len(works):
            done.set_result(outcomes)

    for work in works:
        worker.do(work, note)
    return done


def test_works_are_done_on_one_other_thread_in_order():
    async def main() -> None:
        worker = Worker()
        assert worker.alive
        threads = await told(worker, *[threading.get_ident] * 3)
        assert len(set(threads)) == 1
        assert threads[0] != threading.get_ident()
        order: list[int] = []
        await told(worker, *(lambda n=n: order.append(n) for n in range(20)))
        assert order == list(range(20))
        worker.close()
        assert not worker.alive

    asyncio.run(main())


def test_an_error_is_told_and_the_thread_goes_on():
    async def main() -> None:
        worker = Worker()
        error, result = await told(worker, lambda: 1 // 0, lambda: "next")
        assert isinstance(error, ZeroDivisionError)
        assert result == "next"
        worker.close()

    asyncio.run(main())


def test_once_closed_it_works_here_and_now():
    async def main() -> None:
        worker = Worker()
        gate = threading.Event()
        before = told(worker, gate.wait)
        threading.Timer(0.05, gate.set).start()
        worker.close()  # waits for what it had
        assert gate.is_set()
        assert await told(worker, threading.get_ident) == [threading.get_ident()]
        assert await before == [True]

    asyncio.run(main())


def test_a_worker_that_was_never_needed_closes():
    worker = Worker()
    worker.close()
    assert worker.alive


def test_what_a_closed_loop_was_not_told_the_next_one_is():
    worker = Worker()
    gate, done = threading.Event(), threading.Event()
    heard: list[object] = []

    def work() -> str:
        gate.wait(timeout=30)
        done.set()
        return "late"

    async def first() -> None:
        worker.serve(asyncio.get_running_loop())
        worker.do(work, lambda result, _: heard.append(result))

    async def second() -> None:
        assert await told(worker, lambda: "new") == ["new"]
        assert heard == ["late"]
        worker.close()

    asyncio.run(first())
    gate.set()
    assert done.wait(timeout=30)
    asyncio.run(second())
