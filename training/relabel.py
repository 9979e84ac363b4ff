"""Labels for a student from the emissions of teachers, mixed with those that windows had.

`python -m training.relabel --labelled DIR --emissions DIR... --output DIR [--share S]`
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from ner_service.errors import ConfigError
from ner_service.inference.decoder import Decoder
from ner_service.inference.decoding import DecodingWeights
from training.data import SoftTags
from training.reading_teacher import EMISSIONS, LANGUAGE_MODEL
from training.teacher import LabelledWindow, beliefs, load_labelled, save_labelled
from training.usage import OneLineParser, run_command

_WEIGHTS = ("transitions", "start", "end")


def relabelled(
    windows: Sequence[LabelledWindow],
    emissions: NDArray[np.float32],
    weights: DecodingWeights,
    *,
    share: float,
) -> Iterator[LabelledWindow]:
    """Windows, in no particular order, with what a CRF believes of them.

    Args:
        windows: with the labels that they had.
        emissions: (slots, K) of all windows, one behind the other; O is forced between sentences.
        weights: the CRF's.
        share: of the new marginals in the mean of both.
    """
    Decoder.force_boundaries(
        emissions, np.flatnonzero([word is None for window in windows for word in window.words])
    )
    stops = np.cumsum([len(window.words) for window in windows]).tolist()
    segments = list(zip([0, *stops[:-1]], stops, strict=True))
    for index, new in beliefs(emissions, segments, weights):
        old = windows[index].soft
        soft = SoftTags(
            (share * new.marginals + (1 - share) * old.marginals).astype(np.float16),
            (share * new.moves + (1 - share) * old.moves).astype(np.float32),
        )
        yield replace(windows[index], soft=soft)


def relabel(labelled: Path, teachers: Sequence[Path], output: Path, *, share: float) -> None:
    """Average what teachers wrote and keep the windows with the labels that follow.

    Raises:
        ConfigError: the share is not one, or a teacher read other windows.
    """
    if not 0 < share <= 1:
        raise ConfigError(f"--share: expected more than 0 and at most 1, got {share}")
    windows = load_labelled(labelled)
    slots = sum(len(window.words) for window in windows)
    total = np.zeros((slots, windows[0].soft.moves.shape[0]), dtype=np.float32)
    ends: dict[str, list[NDArray[np.float32]]] = {name: [] for name in _WEIGHTS}
    read: set[str] = set()
    for teacher in teachers:
        with safe_open(teacher / EMISSIONS, framework="numpy") as file:
            read.add(file.metadata()[LANGUAGE_MODEL])
            arrays = {name: file.get_tensor(name) for name in ("emissions", *_WEIGHTS)}
        if arrays["emissions"].shape != total.shape:
            raise ConfigError(
                f"{teacher / EMISSIONS}: expected {total.shape} emissions, the slots and tags of "
                f"{labelled}, got {arrays['emissions'].shape}"
            )
        total += arrays["emissions"].astype(np.float32) / len(teachers)
        for name, kept in ends.items():
            kept.append(arrays[name])
    weights = DecodingWeights(*(np.mean(ends[name], axis=0) for name in _WEIGHTS))
    new = list(relabelled(windows, total, weights, share=share))
    save_labelled(new, output, language_models=sorted(read))


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 2 for a wrong configuration, 1 for a failure."""
    parser = OneLineParser(prog="python -m training.relabel", description=__doc__)
    parser.add_argument("--labelled", type=Path, required=True, help="of training.self_train")
    parser.add_argument("--emissions", type=Path, nargs="+", required=True, help="of teachers")
    parser.add_argument("--output", type=Path, required=True, help="a student's --cache")
    parser.add_argument("--share", type=float, default=0.75, help="of the new labels [0.75]")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return run_command(
        lambda: relabel(options.labelled, options.emissions, options.output, share=options.share)
    )


if __name__ == "__main__":
    sys.exit(main())
