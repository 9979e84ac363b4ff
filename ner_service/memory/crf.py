"""How labels that the model lacks get into its CRF.

The tag set is extended behind its last id, so ids stay what they were. A move between two tags of
one new label, or of two different labels one of which is new, scores as such moves between the
known labels do on average; likewise the start, the end and the moves from and to O. New tags have
no emissions: votes alone give them potential, see `votes`. Without votes no path through a new tag
has any probability, and the distribution over all others is what it was.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ner_service.inference.decoding import FORBIDDEN, DecodingWeights
from ner_service.tags import Scheme, legal_transitions, split_tag, tag_inventory

_Kind = tuple[str, str, bool]


def extended_tags(tags: Sequence[str], labels: Sequence[str], scheme: Scheme) -> tuple[str, ...]:
    """The tags, and behind them those of new labels."""
    return (*tags, *tag_inventory(labels, scheme)[1:])


def extended_weights(
    weights: DecodingWeights, tags: Sequence[str], known: int, scheme: Scheme
) -> DecodingWeights:
    """Weights over all tags.

    Args:
        weights: over the known tags.
        tags: all of them, the known ones first.
        known: how many are known.
        scheme: of the tags.
    """
    legality = legal_transitions(tags, scheme)
    parts = [split_tag(tag) for tag in tags]
    transitions = np.full((len(tags), len(tags)), FORBIDDEN)
    transitions[:known, :known] = weights.transitions
    means: dict[_Kind, list[float]] = {}
    for i, j in np.argwhere(legality.transitions[:known, :known]).tolist():
        means.setdefault(_kind(parts[i], parts[j]), []).append(float(transitions[i, j]))
    for i, j in np.argwhere(legality.transitions).tolist():
        if i >= known or j >= known:
            # A model of one label has no moves between two: there, none is better than another.
            transitions[i, j] = np.mean(means.get(_kind(parts[i], parts[j]), [0.0]))
    return DecodingWeights(
        transitions,
        _extended(weights.start, legality.start, parts, known),
        _extended(weights.end, legality.end, parts, known),
    )


def _kind(left: tuple[str, str], right: tuple[str, str]) -> _Kind:
    return left[0], right[0], left[1] == right[1]


def _extended(
    scores: NDArray[np.floating],
    legal: NDArray[np.bool_],
    parts: Sequence[tuple[str, str]],
    known: int,
) -> NDArray[np.float64]:
    result = np.full(len(parts), FORBIDDEN)
    result[:known] = scores
    for index in range(known, len(parts)):
        if legal[index]:
            alike = [scores[k] for k in range(known) if parts[k][0] == parts[index][0]]
            result[index] = float(np.mean(alike))
    return result
