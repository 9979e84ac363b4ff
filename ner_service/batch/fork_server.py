"""The program that `nursery` starts: it imports everything, once, and forks workers.

It is a program of its own, which imports nothing itself, so that all that workers need is imported
under `everything_stays`.
"""

import os
import signal
import socket
import sys
import traceback
from typing import NoReturn

from ner_service.starting import everything_stays


def main() -> None:
    """Fork a worker for each connection that comes in at standard input, until that is closed."""
    os.dup2(2, 1)  # what a library prints is seen, and is not the job's output
    with everything_stays():
        # What every worker needs, but ONNX Runtime: it starts a thread.
        import ner_service.batch.tagging
        import ner_service.batch.worker  # noqa: F401
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for workers: they just end
    with socket.socket(fileno=0) as control:
        while _next_connection(control):
            pass


def _next_connection(control: socket.socket) -> bool:
    """Fork a worker for the next connection; False if there will be none."""
    message, files, *_ = socket.recv_fds(control, 1, 1)
    if not message:
        return False
    with socket.socket(fileno=files[0]) as connection:
        if os.fork() == 0:
            _be_worker(control, connection)
    return True


def _be_worker(control: socket.socket, connection: socket.socket) -> NoReturn:
    """Serve shards from a connection and end."""
    from ner_service.batch.worker import serve

    control.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    status = 1
    try:
        with connection.makefile("rb") as inbound, connection.makefile("wb") as outbound:
            serve(inbound, outbound)
        status = 0
    except (BrokenPipeError, ConnectionResetError):  # the job has ended
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
