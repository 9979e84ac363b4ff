"""Hostile requests over real sockets: no 500, no hang, and memory back to where it was."""

import asyncio
import contextlib
import http.client
import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from ner_service.inference.rows import CAPACITY
from tests.server import Server, running
from tests.soak.hostile import Attack, attacks
from tests.soak.observe import failures_in, files_of, memory_of, outcomes_of

# Without an answer and without an end for so long is a hang.
PATIENCE = 60.0
CLIENTS = 24
# Short timers, so that what is never finished does not hold up the run.
SETTINGS = {
    "header_timeout_seconds": 2,
    "body_timeout_seconds": 2,
    "keep_alive_seconds": 1,
    "stream_idle_seconds": 1,
    "admin_keys": "admin",
}


@dataclass(slots=True)
class FuzzRun:
    """What came of it.

    Attributes:
        bodies: hostile requests that were sent, by kind.
        statuses: answers by status; `cut` is a connection closed without one.
        wrong: what must not be, in words.
        slowest: seconds to the last byte, of the slowest.
        memory: own bytes of the server after the first tenth, in the middle, and at the end.
        files: open files of the server before and after.
    """

    bodies: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0
    memory: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    log: list[dict] = field(default_factory=list)

    def figures(self) -> dict:
        """Everything, with the log's lines counted."""
        return {**asdict(self), "log": len(self.log)}


def fuzz(count: int, *command: str, seed: int = 1, settings: dict | None = None) -> FuzzRun:
    """Send so many hostile requests to a server of its own."""
    with running(*command, **SETTINGS, **(settings or {})) as server:
        run = FuzzRun()
        _fill_caches(server)
        _measure(run, server)
        todo = attacks(seed, count)
        tenth, half = count // 10, count // 2
        for part in (todo[:tenth], todo[tenth:half], todo[half:]):
            asyncio.run(_send_all(server.port, part, run))
            _measure(run, server)
        _check_alive(run, server)
        run.outcomes = outcomes_of(server)
        run.log = failures_in(server)
    return run


def _fill_caches(server: Server) -> None:
    """Let the server meet as many words as it keeps rows of: a full cache is not a leak."""
    for begin in range(0, CAPACITY, CAPACITY // 4):
        words = " ".join(f"w{number}" for number in range(begin, begin + CAPACITY // 4))
        answer = server.http.post(f"{server.url}/v1/entities", json={"text": words}, timeout=60.0)
        answer.raise_for_status()


async def _send_all(port: int, todo: Sequence[Callable[[], Attack]], run: FuzzRun) -> None:
    waiting = iter(todo)

    async def client() -> None:
        for make in waiting:
            await _send(port, make(), run)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


async def _send(port: int, attack: Attack, run: FuzzRun) -> None:
    begin = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            received = await _exchange(port, attack)
    except TimeoutError:
        run.wrong.append(f"{attack.kind}: hangs: {_shorten(attack)}")
        return
    run.slowest = max(run.slowest, time.monotonic() - begin)
    _count(run.bodies, attack.kind)
    _judge(attack, received, run)


async def _exchange(port: int, attack: Attack) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = bytearray()
    try:
        # A server may answer and close before it has been sent everything.
        with contextlib.suppress(ConnectionError):
            for piece in attack.pieces:
                writer.write(piece)
                await writer.drain()
                if attack.pause:
                    await asyncio.sleep(attack.pause)
        if not attack.leaves:
            with contextlib.suppress(ConnectionError):
                while chunk := await reader.read(65536):
                    received += chunk
    finally:
        writer.transport.abort()
    return bytes(received)


def _judge(attack: Attack, received: bytes, run: FuzzRun) -> None:
    try:
        answers = _answers(received)
    except (http.client.HTTPException, ValueError) as error:
        run.wrong.append(f"{attack.kind}: no HTTP ({error!r}): {_shorten(attack)}")
        return
    if not answers:
        _count(run.statuses, "left" if attack.leaves else "cut")
    for status, body in answers:
        _count(run.statuses, str(status))
        if status >= 500 and status not in (503, 504):
            run.wrong.append(f"{attack.kind}: {status}: {_shorten(attack)}")
        if not _is_json(body):
            run.wrong.append(f"{attack.kind}: {status} without JSON: {_shorten(attack)}")
    expected = attack.answers
    if attack.kind == "pipelined":
        expected = min(expected, 1) if any(status == 408 for status, _ in answers) else expected
    if len(answers) < expected:
        run.wrong.append(f"{attack.kind}: {len(answers)} of {expected}: {_shorten(attack)}")


def _count(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def _answers(received: bytes) -> list[tuple[int, bytes]]:
    stream = _Stream(received)
    answers = []
    while stream.tell() < len(received):
        response = http.client.HTTPResponse(stream)  # type: ignore[arg-type]
        response.begin()
        answers.append((response.status, response.read()))
    return answers


class _Stream(io.BytesIO):
    """Bytes that look like a socket to http.client, and stay open from answer to answer."""

    def makefile(self, *_: object) -> "_Stream":
        return self

    def close(self) -> None:
        pass


def _is_json(body: bytes) -> bool:
    """One JSON value, or one a line."""
    try:
        for line in body.split(b"\n"):
            if line:
                json.loads(line)
    except ValueError:
        return body.startswith(b"<!doctype html>")
    return True


def _shorten(attack: Attack) -> str:
    sent = b"".join(attack.pieces)
    return repr(sent if len(sent) < 600 else sent[:400] + b" ... " + sent[-100:])


def _measure(run: FuzzRun, server: Server) -> None:
    # Connections that nobody closes are closed by the server's timers.
    deadline = time.monotonic() + 5
    while run.files and files_of(server.process.pid) > run.files[0] and time.monotonic() < deadline:
        time.sleep(0.1)
    run.files.append(files_of(server.process.pid))
    run.memory.append(memory_of(server.process.pid))


def _check_alive(run: FuzzRun, server: Server) -> None:
    answer = server.http.post(f"{server.url}/v1/entities", json={"text": "Bob left"})
    if answer.status_code != 200 or "Bob" not in answer.text:
        run.wrong.append(f"afterwards: {answer.status_code}")
    metrics = server.http.get(f"{server.url}/metrics").text
    for name in ("ner_queue_documents", "ner_queue_tokens"):
        if f"\n{name} 0.0\n" not in metrics:
            run.wrong.append(f"afterwards: {name} is not 0")
