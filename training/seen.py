"""Which entities a model met in training: the rest is what it must know by form and context.

An artifact keeps 64-bit hashes of its training entities' surfaces, not the surfaces: they are
enough to tell the two apart and give nothing of the texts away.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ner_service.artifact.vocabulary import word_keys
from ner_service.errors import ArtifactError
from ner_service.tags import Scheme, spans_from_tags
from training.cases import Case, TextSpan
from training.documents import Document
from training.metrics import Scores, score_spans

SEEN = "training_entities.safetensors"
_KEYS = "keys"


def entity_keys(surfaces: Sequence[str]) -> NDArray[np.uint64]:
    """Keys of surfaces, (N,); case and white space do not count."""
    return word_keys(["".join(surface.split()).casefold() for surface in surfaces])


def training_keys(documents: Iterable[Document], scheme: Scheme) -> NDArray[np.uint64]:
    """Keys of all entities of a training set, rising."""
    surfaces = {
        " ".join(sentence.tokens[span.start_token : span.end_token])
        for document in documents
        for sentence in document
        for span in spans_from_tags(sentence.tags, scheme)
    }
    return np.unique(entity_keys(sorted(surfaces)))


def save_keys(path: Path, keys: NDArray[np.uint64]) -> None:
    """Write keys into a model directory; the manifest must be written anew afterwards."""
    (path / SEEN).write_bytes(save({_KEYS: keys}))


def load_keys(path: Path) -> NDArray[np.uint64] | None:
    """Read the keys of a model directory, None where it has none.

    Raises:
        ArtifactError: the file is damaged.
    """
    file = path / SEEN
    if not file.is_file():
        return None
    try:
        keys: NDArray[np.uint64] = load(file.read_bytes())[_KEYS]
    except (KeyError, SafetensorError) as error:
        raise ArtifactError(f"{file}: expected an array {_KEYS} ({error})") from None
    return keys


def scores_by_novelty(
    cases: Sequence[Case], predicted: Sequence[Sequence[TextSpan]], keys: NDArray[np.uint64]
) -> dict[str, Scores]:
    """Scores over the entities whose surface was `seen` in training, and over those `unseen`.

    Gold and predicted entities are told apart by their own surfaces, so precision is known too.
    """
    surfaces = {
        case.text[span.start : span.end]
        for case, found in zip(cases, predicted, strict=True)
        for span in (*case.gold, *found)
    }
    listed = sorted(surfaces)
    known = dict(zip(listed, np.isin(entity_keys(listed), keys).tolist(), strict=True))

    def part(case: Case, spans: Iterable[TextSpan], wanted: bool) -> list[TextSpan]:
        return [span for span in spans if known[case.text[span.start : span.end]] == wanted]

    return {
        name: score_spans(
            [part(case, case.gold, wanted) for case in cases],
            [part(case, found, wanted) for case, found in zip(cases, predicted, strict=True)],
        )
        for name, wanted in (("seen", True), ("unseen", False))
    }
