"""The fake tagger's server on a machine whose clock jumps by days: every look at it is a surprise.

Only the wall clock jumps, as on a real machine; the monotonic clock cannot.
"""

import itertools
import time

JUMPS = itertools.cycle((86_400.0, -86_400.0, 0.0, 40 * 86_400.0))
_true_time = time.time


def jumping_time() -> float:
    return _true_time() + next(JUMPS)


if __name__ == "__main__":
    time.time = jumping_time
    import runpy

    runpy.run_module("tests.serve_fake", run_name="__main__")
