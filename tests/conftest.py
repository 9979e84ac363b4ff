"""What every test shares: no network, Hypothesis without wall-clock deadlines, tiny models."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

# Set before the first import of a library that reads them: no test may reach a hub.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
# Small networks gain nothing from threads, and on a busy machine spinning threads cost minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

# A deadline measures how busy the machine is, not the code.
hypothesis.settings.register_profile("house", deadline=None, print_blob=True)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session", autouse=True)
def _sound_coverage() -> Iterator[None]:
    """Leave out what a process that was killed while it wrote its coverage has left behind."""
    yield
    for file in Path.cwd().glob(".coverage.*"):
        try:
            with contextlib.closing(sqlite3.connect(file)) as data:
                sound = data.execute("pragma quick_check").fetchone() == ("ok",)
        except sqlite3.OperationalError:  # locked: somebody is writing it
            continue
        except sqlite3.DatabaseError:
            sound = False
        if not sound:
            file.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with random weights: a two-way LSTM under a CRF, all inputs on."""
    from tests.tiny import save_tiny  # not for tests that never need torch

    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory):
    """A short run on the sample of tests/data, long enough to learn its training sentences."""
    from tests.training_runs import sample_settings, train

    folder = tmp_path_factory.mktemp("trained")
    return train(sample_settings(folder, epochs=40), folder)


@pytest.fixture(scope="session")
def trained_model(trained) -> Path:
    """The model directory of that run."""
    return trained.model
