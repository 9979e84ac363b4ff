"""Pages of the documentation: their examples, and a shell that runs them as a reader would."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def blocks(page: str) -> list[tuple[str, str]]:
    """Language ("" if none is named) and content of every block of code."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)


def shell(command: str, folder: Path) -> str:
    """What a command prints in a shell that has the environment's commands on its path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env={**os.environ, "PATH": path, "NER_MODELS": str(ROOT / "models")},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout
