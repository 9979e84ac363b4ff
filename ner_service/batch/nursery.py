"""Where worker processes come from: one process imports everything, once, and forks them.

It is a fresh program with a single thread, so its forks inherit no lock and no open file of the
job's. It imports little here: a job can start it first and do its own imports meanwhile.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What libraries read to learn how many threads to use; a worker has one."""
MEMORY_VARIABLES = {"MALLOC_TRIM_THRESHOLD_": str(64 * 2**20)}
"""A worker asks for the same large arrays with every shard: what it has freed it may keep, instead
of giving it back to the system (glibc) and having it cleared again page by page."""


class Nursery:
    """The process that forks workers; started at once, and again should it die."""

    def __init__(self) -> None:
        """Start it; it imports what workers need while this process goes on."""
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._launch()

    def fork(self) -> socket.socket:
        """Start a worker and return the connection to it, which ends when the worker does.

        Raises:
            OSError: there are no more files or processes to be had.
        """
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                self._hand_over(theirs)
            except (BrokenPipeError, ConnectionResetError):  # it was killed
                self._control.close()
                self._launch()
                self._hand_over(theirs)
        return ours

    def close(self) -> None:
        """End it and all workers, at once."""
        with self._lock:
            self._control.close()
            processes, self._processes = self._processes, []
            for process in processes:
                # Its group, which holds the workers. It was not waited for yet, so that the number
                # is still its own.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _hand_over(self, connection: socket.socket) -> None:
        socket.send_fds(self._control, [b"+"], [connection.fileno()])

    def _launch(self) -> None:
        package_home = str(Path(__file__).parents[2])
        paths = [package_home, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            **os.environ,
            **dict.fromkeys(THREAD_VARIABLES, "1"),
            **MEMORY_VARIABLES,
            "PYTHONPATH": os.pathsep.join(paths),
        }
        self._control, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                # -P: a file in the working directory must not stand in for a library.
                [sys.executable, "-P", "-m", "ner_service.batch.fork_server"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=environment,
                # A group of its own: Control-C is for the job, which decides what it means.
                process_group=0,
            )
        self._processes.append(process)
