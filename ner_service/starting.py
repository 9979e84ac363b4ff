"""What a process makes when it starts, modules, schemas and models, stays as long as the process.

The garbage collector does not know. Looking through all of it again and again takes a sixth of the
time that importing takes, and as much once more when the process ends.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def everything_stays() -> Iterator[None]:
    """No collection looks for garbage in what is made meanwhile, neither now nor later.

    In processes that are forked afterwards its pages stay shared.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
