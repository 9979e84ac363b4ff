"""Load at twice the measured capacity: what is answered is right and in time, the rest is refused.

Requests of 1 to 32 documents come at fixed moments, whether or not earlier ones were answered, so
that a slow server is not spared. Only to 127.0.0.1, for a given time, and no more than counted.
"""

import asyncio
import json
import multiprocessing
import random
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field

from ner_service.tagger import Document, Tagger
from tests.server import REAL, Server, running
from tests.soak.hostile import request
from tests.soak.observe import failures_in, memory_of, outcomes_of

MODEL = "conll2003"
CASES = 200
OVERLOAD = 2.0
DEADLINE = 10.0
SETTINGS = {"threads": 1, "deadline_seconds": DEADLINE, "model": MODEL}
CLIENTS = 16  # of the measurement of capacity
MEASURE_SECONDS = 8.0
RECOVERY_SECONDS = 5.0
# Of the capacity: what a second of measuring varies by on a machine that does other things as well.
RECOVERED = 0.8
LARGEST_RATE = 5_000.0
MEMORY_TOLERANCE = 0.05
ALLOWED = frozenset({200, 429, 503, 504})
PEOPLE = ("Bob", "Peter Blackburn", "Ines Costa", "Yasser Arafat", "Ms. Smith")
PLACES = ("New York", "Lisbon", "SPAIN", "West Indies", "Germany")
SENTENCES = (
    "{person} bought a toy Yoda in {place}.",
    "{place} rejects a call of {person} to boycott British lamb.",
    "The U.N. Security Council met in {place} on Thursday; {person} did not come.",
    "nothing to see here, it was said in {place}",
    "{person} (Reuters) beat {place} 2-1 in the Asian Cup on 22 August 1996 .",
)


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and what the Tagger says to its texts."""

    sent: bytes
    documents: list[Document]
    # Answers that were compared already: the same bytes are right again.
    right: set[bytes] = field(default_factory=set)


@dataclass(slots=True)
class LoadRun:
    """What came of it; seconds unless said.

    Attributes:
        capacity: requests answered a second when clients wait for their answers.
        rate: requests sent a second under load, as asked for.
        sent_rate: and as sent.
        statuses: answers by status; anything but a number is a broken connection.
        wrong_answers: of status 200 that are not the Tagger's.
        accepted: 50th, 99th and largest time of answers of status 200.
        refused: likewise of 429.
        memory: own bytes of the server, every second under load.
        memory_change: the last fifth of them against the second, as a ratio less one.
        capacity_afterwards: that of a new server and a new client, when all is over: a machine that
            has others to serve as well may have become slower meanwhile.
        recovery: requests answered in each second that was counted behind the last one sent.
        recovery_begins: when those seconds began, from the last request sent.
    """

    seconds: float
    documents_a_request: float = 0.0
    capacity: float = 0.0
    capacity_afterwards: float = 0.0
    rate: float = 0.0
    sent_rate: float = 0.0
    deadline: float = DEADLINE
    statuses: dict[str, int] = field(default_factory=dict)
    wrong_answers: int = 0
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    memory_change: float = 0.0
    recovery: list[int] = field(default_factory=list)
    recovery_begins: list[float] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    log: int = 0

    def figures(self) -> dict:
        """Everything, without the series of memory."""
        memory = [min(self.memory), max(self.memory)]
        return {**asdict(self), "memory": memory, "recovered_after": self.recovered_after}

    @property
    def recovered_after(self) -> float | None:
        """From the last request sent until a second in which the capacity was there again."""
        expected = RECOVERED * min(self.capacity, self.capacity_afterwards)
        for begin, count in zip(self.recovery_begins, self.recovery, strict=True):
            if count >= expected:
                return begin
        return None

    @property
    def faults(self) -> list[str]:
        """What must not be, in words."""
        found = []
        if strange := set(self.statuses) - {str(status) for status in ALLOWED}:
            found.append(f"answers besides 200, 429, 503 and 504: {sorted(strange)}")
        if not self.statuses.get("200"):
            found.append("nothing was answered")
        if self.wrong_answers:
            found.append(f"{self.wrong_answers} answers are not the Tagger's")
        if self.accepted and self.accepted[1] > self.deadline:
            found.append(f"99 % of the accepted took {self.accepted[1]:.1f} s")
        if abs(self.memory_change) > MEMORY_TOLERANCE:
            found.append(f"memory changed by {self.memory_change:.1%}")
        if self.recovered_after is None or self.recovered_after > RECOVERY_SECONDS:
            found.append(f"the capacity was back after {self.recovered_after} s")
        if self.log:
            found.append(f"{self.log} failures in the log")
        return found


def load(seconds: float, *, seed: int = 1) -> LoadRun:
    """Put a server of its own under load for so long."""
    cases = make_cases(seed, count=CASES)
    with running(*REAL, **SETTINGS) as server:
        run = LoadRun(seconds)
        run.documents_a_request = statistics.fmean(len(case.documents) for case in cases)
        asyncio.run(_run(server, cases, run))
        run.outcomes = outcomes_of(server)
        run.log = len(failures_in(server))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as another:
        run.capacity_afterwards = another.submit(fresh_capacity, seed).result()
    return run


def fresh_capacity(seed: int) -> float:
    """The capacity of a server that has just been started."""
    cases = make_cases(seed, count=CASES)
    with running(*REAL, **SETTINGS) as server:
        return asyncio.run(_measured(server, cases))


def make_cases(seed: int, count: int) -> list[Case]:
    """Requests with the answers they must get."""
    draw = random.Random(seed)
    tagger = Tagger.load(MODEL, threads=1)
    cases = []
    for _ in range(count):
        texts = [_text(draw) for _ in range(draw.choice((1, 8, 32)))]
        body = json.dumps({"documents": [{"text": text} for text in texts]}).encode()
        cases.append(Case(request(body, close=False), tagger.tag_batch(texts)))
    return cases


def _text(draw: random.Random) -> str:
    sentences = draw.choices(SENTENCES, k=draw.randint(1, 4))
    return " ".join(
        sentence.format(person=draw.choice(PEOPLE), place=draw.choice(PLACES))
        for sentence in sentences
    )


def is_right(case: Case, body: bytes) -> bool:
    """Whether an answer is the Tagger's; scores to 1e-5."""
    if body in case.right:
        return True
    answer = json.loads(body)
    same = not answer["errors"] and len(answer["documents"]) == len(case.documents)
    for found, expected in zip(answer["documents"], case.documents, strict=False):
        same = same and [_key(entity) for entity in found["entities"]] == [
            (entity.text, entity.label, entity.start, entity.end) for entity in expected.entities
        ]
        same = same and all(
            abs(entity["score"] - other.score) <= 1e-5
            for entity, other in zip(found["entities"], expected.entities, strict=False)
        )
    if same:
        case.right.add(body)
    return bool(same)


def _key(entity: dict) -> tuple[str, str, int, int]:
    return entity["text"], entity["label"], entity["start"], entity["end"]


class Connections:
    """Open connections that are used again and again, one request at a time each."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, sent: bytes) -> tuple[int, bytes]:
        """One answer."""
        reader, writer = await self._take()
        try:
            writer.write(sent)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            body = await reader.readexactly(int(length))
        except BaseException:
            writer.close()
            raise
        self._free.append((reader, writer))
        return int(head[9:12]), body

    async def _take(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._free:
            reader, writer = self._free.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()  # idle for longer than the server keeps connections: clients know that
        return await asyncio.open_connection("127.0.0.1", self._port)

    def close(self) -> None:
        """Close all that are not in use."""
        for _, writer in self._free:
            writer.close()


async def _measured(server: Server, cases: Sequence[Case]) -> float:
    connections = Connections(server.port)
    try:
        return await _capacity(connections, cases)
    finally:
        connections.close()


async def _capacity(connections: Connections, cases: Sequence[Case]) -> float:
    await _closed_loop(connections, cases, MEASURE_SECONDS / 2)  # warm up
    return statistics.fmean(await _closed_loop(connections, cases, MEASURE_SECONDS))


async def _run(server: Server, cases: Sequence[Case], run: LoadRun) -> None:
    connections = Connections(server.port)
    times: dict[int, list[float]] = {200: [], 429: []}
    try:
        run.capacity = await _capacity(connections, cases)
        run.rate = min(OVERLOAD * run.capacity, LARGEST_RATE)
        waiting = await _open_loop(server, connections, cases, run, times)
        # What was accepted meanwhile still waits in front of what comes now.
        await _recover(connections, cases, run)
        await asyncio.gather(*waiting)
    finally:
        connections.close()
    run.accepted, run.refused = _percentiles(times[200]), _percentiles(times[429])
    run.memory_change = _change(run.memory)


async def _recover(connections: Connections, cases: Sequence[Case], run: LoadRun) -> None:
    """Count what is answered, second by second, until the capacity is there again."""
    begin = time.monotonic()
    while (passed := time.monotonic() - begin) < 6 * RECOVERY_SECONDS:
        (count,) = await _closed_loop(connections, cases, 1.0)
        run.recovery_begins.append(round(passed, 2))
        run.recovery.append(count)
        if count >= RECOVERED * run.capacity:
            return


async def _closed_loop(
    connections: Connections, cases: Sequence[Case], seconds: float
) -> list[int]:
    """Answers of status 200 in each second, of clients that wait for one before the next."""
    begin = time.monotonic()
    counts = [0] * int(seconds)

    async def client(index: int) -> None:
        while time.monotonic() < begin + seconds:
            index = (index + CLIENTS) % len(cases)
            status, _ = await connections.ask(cases[index].sent)
            if status != 200:
                await asyncio.sleep(0.05)
            second = int(time.monotonic() - begin)
            if status == 200 and second < len(counts):
                counts[second] += 1

    await asyncio.gather(*(client(index) for index in range(CLIENTS)))
    return counts


async def _open_loop(
    server: Server,
    connections: Connections,
    cases: Sequence[Case],
    run: LoadRun,
    times: dict[int, list[float]],
) -> set[asyncio.Task[None]]:
    """Send at the rate of the run; give what is not answered yet."""
    running: set[asyncio.Task[None]] = set()

    async def one(case: Case) -> None:
        begin = time.monotonic()
        try:
            async with asyncio.timeout(6 * run.deadline):
                status, body = await connections.ask(case.sent)
        except (OSError, EOFError, TimeoutError) as error:
            _count(run.statuses, type(error).__name__)
            return
        _count(run.statuses, str(status))
        if status in times:
            times[status].append(time.monotonic() - begin)
        if status == 200 and not is_right(case, body):
            run.wrong_answers += 1

    begin = time.monotonic()
    total = int(run.rate * run.seconds)
    measured = begin
    sent = 0
    while sent < total and time.monotonic() < begin + run.seconds:
        due = min(int((time.monotonic() - begin) * run.rate) + 1, total)
        for index in range(sent, due):
            task = asyncio.create_task(one(cases[index % len(cases)]))
            running.add(task)
            task.add_done_callback(running.discard)
        sent = due
        if time.monotonic() >= measured:
            run.memory.append(memory_of(server.process.pid))
            measured += 1
        await asyncio.sleep(0.01)
    run.sent_rate = sent / (time.monotonic() - begin)
    return set(running)


def _change(memory: Sequence[int]) -> float:
    fifth = max(len(memory) // 5, 1)
    return statistics.median(memory[-fifth:]) / statistics.median(memory[fifth : 2 * fifth]) - 1


def _percentiles(times: list[float]) -> list[float]:
    times.sort()
    last = len(times) - 1
    return [round(times[int(share * last)], 4) for share in (0.5, 0.99, 1.0)] if times else []


def _count(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1
