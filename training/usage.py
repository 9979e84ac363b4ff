"""How the commands of this package take arguments and fail."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from ner_service.errors import ConfigError, NerError


class OneLineParser(argparse.ArgumentParser):
    """Says in one line what is wrong with the arguments."""

    def error(self, message: str) -> NoReturn:
        """Leave with exit status 2."""
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def run_command(work: Callable[[], None]) -> int:
    """Do the work; errors in one line on stderr: 2 for wrong usage, 1 for a failure."""
    try:
        work()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except (NerError, FloatingPointError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
