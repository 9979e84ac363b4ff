"""How far a job is: a bar on a terminal, plain lines anywhere else."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ner_service.batch.plan import Summary
from ner_service.errors import NerError

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Tells of documents, words a second and the time left. A context manager."""

    def __init__(self, total_bytes: int, *, quiet: bool = False, stream: TextIO | None = None):
        """Follow a job over `total_bytes` of input, 0 if nobody knows."""
        self._total = total_bytes
        self._quiet = quiet
        self._stream = stream or sys.stderr
        self._began = self._told = time.monotonic()
        self._read = 0
        self._kept_tokens = 0
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> "Progress":
        if not self._quiet and self._stream.isatty():
            self._bar = _make_bar(self._stream)
            self._task = self._bar.add_task("tag", total=self._total or None, documents=0, rate=0.0)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, summary: Summary, consumed: int, *, kept_tokens: int = 0) -> None:
        """A shard more.

        Args:
            summary: so far.
            consumed: bytes of input that the shard took.
            kept_tokens: its tokens if an earlier run tagged it: they tell nothing of the rate.
        """
        self._read += consumed
        self._kept_tokens += kept_tokens
        now = time.monotonic()
        rate = (summary.tokens - self._kept_tokens) / max(now - self._began, 1e-9)
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task, completed=self._read, documents=summary.documents, rate=rate
            )
        elif not self._quiet and now - self._told >= _SECONDS_BETWEEN_LINES:
            self._told = now
            share = f"{self._read / self._total:.0%}, " if self._total else ""
            self.say(f"{share}{summary.documents:,} documents, {rate:,.0f} words/s")

    def say(self, message: str) -> None:
        """A line for whoever watches."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.console.print(message, markup=False, highlight=False)
        else:
            self._stream.write(f"ner-service: {message}\n")
            self._stream.flush()


def describe_summary(summary: Summary) -> str:
    """The last line of a job."""
    labels = ", ".join(f"{label} {count:,}" for label, count in sorted(summary.entities.items()))
    found = f"{sum(summary.entities.values()):,} entities" + (f" ({labels})" if labels else "")
    kept = f", {summary.shards_kept:,} of {summary.shards:,} shards kept"
    return (
        f"{summary.documents:,} documents, {summary.tokens:,} words, {found}, "
        f"{summary.rejected:,} rejected, {summary.seconds:.1f} s"
        + (kept if summary.shards_kept else "")
    )


def write_summary(path: Path, summary: Summary) -> None:
    """Write the summary as JSON.

    Raises:
        NerError: the file cannot be written.
    """
    try:
        path.write_text(json.dumps(summary.to_dict(), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise NerError(f"{path}: {error.strerror}") from None


def _make_bar(stream: TextIO) -> "RichProgress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress

    return RichProgress(
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[documents]:,} documents"),
        TextColumn("{task.fields[rate]:,.0f} words/s"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(file=stream),
    )
