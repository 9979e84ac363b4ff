"""What a model has seen of words."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ner_service.artifact.vocabulary import UNKNOWN_ID
from ner_service.inference.features import WordFeaturizer
from ner_service.memory.votes import KNOWN, NEW, TRAINED


def seen_by(featurizer: WordFeaturizer) -> Callable[[Sequence[str]], NDArray[np.int64]]:
    """Give the function that says of words: TRAINED, KNOWN or NEW."""

    def seen(words: Sequence[str]) -> NDArray[np.int64]:
        features = featurizer.features(words)
        is_known = (features.vector_rows >= 0).any(axis=1)
        return np.where(features.one_hot_ids != UNKNOWN_ID, TRAINED, np.where(is_known, KNOWN, NEW))

    return seen
