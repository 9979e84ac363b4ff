"""Slow oracles in plain NumPy: what the fast code must agree with, written from the definitions.

The CRF is summed by writing down every path; spans are read by the rules of conlleval; recurrent
cells are one step at a time, and the vanilla network's gradients are worked out by hand.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ner_service.tags import Span

Floats = NDArray[np.float64]
F = Literal["linear", "tanh", "relu"]


# Tags and spans


def opens_chunk(before: str, tag: str) -> bool:
    """conlleval.pl's startOfChunk (Buchholz and Tjong Kim Sang 2000), with S- for single tokens."""
    if tag == "O":
        return False
    prefix, label = tag.split("-", 1)
    return before[0] in "OES" or prefix in "BS" or before.split("-", 1)[1] != label


def closes_chunk(tag: str, behind: str) -> bool:
    """conlleval.pl's endOfChunk: the chunk of `tag` does not go on with `behind`."""
    if tag == "O":
        return False
    prefix, label = tag.split("-", 1)
    return prefix in "ES" or behind[0] in "OBS" or behind.split("-", 1)[1] != label


def spans_by_conlleval(tags: Sequence[str]) -> list[Span]:
    """Pair every opening with the first closing at or behind it."""
    padded = ["O", *tags, "O"]
    places = range(1, len(tags) + 1)
    starts = [i - 1 for i in places if opens_chunk(padded[i - 1], padded[i])]
    ends = [i for i in places if closes_chunk(padded[i], padded[i + 1])]
    return [
        Span(start, end, tags[start].split("-", 1)[1])
        for start, end in zip(starts, ends, strict=True)
    ]


def is_well_formed(tags: Sequence[str], scheme: str) -> bool:
    """Whether the tags are what some set of spans is written as in BIO or IOBES."""
    if scheme == "IOBES":
        chunks = "".join(tag[0] for tag in tags)
        inside = False
        for prefix in chunks:
            if (prefix in "IE") != inside:
                return False
            inside = prefix in "BI"
        if inside:
            return False
    elif any(tag[0] not in "OBI" for tag in tags):
        return False
    return all(
        before[0] in "BI" and before[2:] == tag[2:]
        for before, tag in zip(["O", *tags], tags, strict=False)
        if tag[0] in "IE"
    )


# Conditional random field


@cache
def well_formed_paths(tags: tuple[str, ...], scheme: str, length: int) -> NDArray[np.int64]:
    """Every well-formed path of that length, (P, T); all others do not exist for the CRF."""
    paths = [
        path
        for path in product(range(len(tags)), repeat=length)
        if is_well_formed([tags[i] for i in path], scheme)
    ]
    return np.array(paths, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class EnumeratedCRF:
    """A CRF whose every path is written down.

    Attributes:
        tags: in id order.
        scheme: BIO or IOBES.
        transitions: (K, K).
        start: (K,).
        end: (K,).
        temperature: divides a path's score.
    """

    tags: tuple[str, ...]
    scheme: str
    transitions: Floats
    start: Floats
    end: Floats
    temperature: float = 1.0

    def at(self, temperature: float) -> "EnumeratedCRF":
        return replace(self, temperature=temperature)

    def paths(
        self, emissions: Floats, boundaries: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], Floats]:
        """Paths (P, T) and scores (P,); at a boundary the tag is O and nothing is emitted."""
        length = len(emissions)
        at = np.zeros(length, dtype=bool) if boundaries is None else boundaries
        paths = well_formed_paths(self.tags, self.scheme, length)
        paths = paths[(paths[:, at] == 0).all(axis=1)]
        emitted = np.where(at[:, None], 0.0, emissions.astype(np.float64))
        scores = (
            self.start[paths[:, 0]]
            + emitted[np.arange(length), paths].sum(axis=1)
            + self.transitions[paths[:, :-1], paths[:, 1:]].sum(axis=1)
            + self.end[paths[:, -1]]
        )
        return paths, scores / self.temperature

    def log_partition(
        self, emissions: Floats, boundaries: NDArray[np.bool_] | None = None
    ) -> float:
        _, scores = self.paths(emissions, boundaries)
        peak = scores.max()
        return float(peak + np.log(np.exp(scores - peak).sum()))

    def probabilities(
        self, emissions: Floats, boundaries: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], Floats]:
        """Paths (P, T) and their probabilities (P,)."""
        paths, scores = self.paths(emissions, boundaries)
        return paths, np.exp(scores - self.log_partition(emissions, boundaries))

    def marginals(self, emissions: Floats, boundaries: NDArray[np.bool_] | None = None) -> Floats:
        """(T, K)."""
        result = np.zeros(emissions.shape)
        for path, probability in zip(*self.probabilities(emissions, boundaries), strict=True):
            result[np.arange(len(path)), path] += probability
        return result

    def n_best(
        self, emissions: Floats, n: int, boundaries: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], Floats]:
        """The n likeliest paths (n, T), best first, and their scores (n,)."""
        paths, scores = self.paths(emissions, boundaries)
        order = np.argsort(-scores, kind="stable")[:n]
        return paths[order], scores[order]

    def span_probabilities(
        self, emissions: Floats, boundaries: NDArray[np.bool_] | None = None
    ) -> dict[Span, float]:
        """Of every span that any path holds: all paths that hold this very span, over all paths."""
        found: dict[Span, float] = {}
        for path, probability in zip(*self.probabilities(emissions, boundaries), strict=True):
            for span in spans_by_conlleval([self.tags[i] for i in path]):
                found[span] = found.get(span, 0.0) + float(probability)
        return found

    def span_probability(
        self, emissions: Floats, span: Span, boundaries: NDArray[np.bool_] | None = None
    ) -> float:
        return self.span_probabilities(emissions, boundaries).get(span, 0.0)


def shared_emissions(
    crf: EnumeratedCRF,
    segments: Sequence[Floats],
    forms: Sequence[Sequence[int]],
    documents: Sequence[int],
    *,
    weight: float,
    floor: float,
    margin: float,
) -> list[Floats]:
    """What is left of emissions once the words of a document have shared their labels.

    Args:
        crf: with temperature 1.
        segments: emissions (T, K) of each.
        forms: the word at each step, case aside.
        documents: of each segment.
        weight: of the others' evidence.
        floor: added to a probability before its logarithm.
        margin: a word is passed over if no entity comes so near to O's emission anywhere.
    """
    names = ["", *sorted({tag[2:] for tag in crf.tags if tag != "O"})]
    places = [(i, t) for i, emissions in enumerate(segments) for t in range(len(emissions))]
    evidence = {}
    for i, t in places:
        marginals = crf.marginals(segments[i])[t]
        beliefs = [
            sum(p for p, tag in zip(marginals, crf.tags, strict=True) if tag[2:] == name)
            for name in names
        ]
        logs = np.log(np.array(beliefs) + floor)
        evidence[i, t] = logs - logs.mean()
    result = [emissions.astype(np.float64) for emissions in segments]
    for i, t in places:
        same = [
            (j, u) for j, u in places if documents[j] == documents[i] and forms[j][u] == forms[i][t]
        ]
        near = [max(segments[j][u][1:]) > segments[j][u][0] - margin for j, u in same]
        others = [place for place in same if place != (i, t)]
        if not others or not any(near):
            continue
        said = weight * sum(evidence[place] for place in others) / math.sqrt(len(others))
        for k, tag in enumerate(crf.tags):
            if tag != "O":
                result[i][t, k] += said[names.index(tag[2:])]
    return result


# Recurrent cells


def apply(f: F, z: Floats) -> Floats:
    return {"linear": lambda: z, "tanh": lambda: np.tanh(z), "relu": lambda: np.maximum(z, 0.0)}[
        f
    ]()


def derivative(f: F, z: Floats) -> Floats:
    """df/dz."""
    if f == "tanh":
        return 1.0 - np.tanh(z) ** 2
    return np.ones_like(z) if f == "linear" else (z > 0).astype(z.dtype)


def sigmoid(z: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-z))


@dataclass(frozen=True, slots=True)
class Vanilla:
    """Weights of the vanilla network, or the loss's gradients by them.

    Elman 1990, "Finding Structure in Time". Shapes: w_hx (H, D), w_hh (H, H), b_h (H,),
    w_hy (K, H), b_y (K,).
    """

    w_hx: Floats
    w_hh: Floats
    b_h: Floats
    w_hy: Floats
    b_y: Floats

    @classmethod
    def random(cls, generator: np.random.Generator, *, d: int, h: int, k: int) -> "Vanilla":
        shapes = (h, d), (h, h), (h,), (k, h), (k,)
        return cls(*(generator.normal(size=shape) * 0.5 for shape in shapes))

    def __iter__(self) -> Iterator[Floats]:
        return iter((self.w_hx, self.w_hh, self.b_h, self.w_hy, self.b_y))


def vanilla_states(weights: Vanilla, inputs: Floats, f: F) -> tuple[Floats, Floats]:
    """h_t = f(W_hx x_t + W_hh h_{t-1} + b_h) with h_0 = 0; also what f was applied to, (T, H)."""
    before = np.zeros(len(weights.b_h))
    states, sums = [], []
    for x in inputs:  # (D,)
        z = weights.w_hx @ x + weights.w_hh @ before + weights.b_h
        before = apply(f, z)
        sums.append(z)
        states.append(before)
    return np.array(states), np.array(sums)


def vanilla_outputs(weights: Vanilla, inputs: Floats, f: F) -> Floats:
    """y_t = W_hy h_t + b_y, (T, K)."""
    states, _ = vanilla_states(weights, inputs, f)
    return np.array([weights.w_hy @ h + weights.b_y for h in states])


def softmax(y: Floats) -> Floats:
    exponentials = np.exp(y - y.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def cross_entropies(outputs: Floats, gold_ids: Sequence[int]) -> Floats:
    """L_1 ... L_T: L_t = -log softmax(y_t)[gold_t]; the loss is their sum."""
    return np.array([-np.log(softmax(y)[k]) for y, k in zip(outputs, gold_ids, strict=True)])


def vanilla_gradients(weights: Vanilla, inputs: Floats, gold_ids: Sequence[int], f: F) -> Vanilla:
    """Back-propagation through time (Werbos 1990) of the summed cross-entropy.

    dL/dW_hy = sum_t dL/dy_t dy_t/dW_hy = sum_t delta_t h_t^T with delta_t = softmax(y_t) - gold_t.
    A state acts on its own output and on the next state, so from the last step to the first

        dL/dh_t = W_hy^T delta_t + W_hh^T (dL/dh_{t+1} * f'(z_{t+1}))
        dL/dW_hh = sum_t (dL/dh_t * f'(z_t)) h_{t-1}^T,  with x_t^T for W_hx and 1 for b_h.
    """
    states, sums = vanilla_states(weights, inputs, f)
    outputs = vanilla_outputs(weights, inputs, f)
    gradients = Vanilla(*(np.zeros_like(weight) for weight in weights))
    from_next = np.zeros(len(weights.b_h))
    for t in reversed(range(len(inputs))):
        delta = softmax(outputs[t])
        delta[gold_ids[t]] -= 1.0
        gradients.w_hy[:] += np.outer(delta, states[t])
        gradients.b_y[:] += delta
        through_f = (weights.w_hy.T @ delta + from_next) * derivative(f, sums[t])
        before = states[t - 1] if t else np.zeros_like(states[t])
        gradients.w_hh[:] += np.outer(through_f, before)
        gradients.w_hx[:] += np.outer(through_f, inputs[t])
        gradients.b_h[:] += through_f
        from_next = weights.w_hh.T @ through_f
    return gradients


@dataclass(frozen=True, slots=True)
class Gates:
    """Weights of an LSTM (gates i, f, g, o) or a GRU (r, z, n), as torch stacks them.

    Shapes: w_x (G * H, D), w_h (G * H, H), b_x and b_h (G * H,).
    """

    w_x: Floats
    w_h: Floats
    b_x: Floats
    b_h: Floats


def lstm_step(gates: Gates, x: Floats, h: Floats, c: Floats) -> tuple[Floats, Floats]:
    """One step of an LSTM with forget gates (Gers, Schmidhuber and Cummins 2000).

    i, f, o = sigmoid(...), g = tanh(...); c' = f * c + i * g; h' = o * tanh(c').
    """
    i, f, g, o = np.split(gates.w_x @ x + gates.b_x + gates.w_h @ h + gates.b_h, 4)
    memory = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(memory), memory


def gru_step(gates: Gates, x: Floats, h: Floats) -> Floats:
    """One step of a GRU (Cho et al. 2014), the reset gate behind the product, as in cuDNN.

    r, z = sigmoid(...); n = tanh(W x + b + r * (U h + b')); h' = (1 - z) * n + z * h.
    """
    r_x, z_x, n_x = np.split(gates.w_x @ x + gates.b_x, 3)
    r_h, z_h, n_h = np.split(gates.w_h @ h + gates.b_h, 3)
    update = sigmoid(z_x + z_h)
    candidate = np.tanh(n_x + sigmoid(r_x + r_h) * n_h)
    return (1.0 - update) * candidate + update * h


def lstm_states(gates: Gates, inputs: Floats) -> Floats:
    """(T, H), from zero."""
    h = c = np.zeros(gates.w_h.shape[1])
    states = []
    for x in inputs:
        h, c = lstm_step(gates, x, h, c)
        states.append(h)
    return np.array(states)


def gru_states(gates: Gates, inputs: Floats) -> Floats:
    """(T, H), from zero."""
    h = np.zeros(gates.w_h.shape[1])
    states = []
    for x in inputs:
        h = gru_step(gates, x, h)
        states.append(h)
    return np.array(states)


# Labellings of documents


def labellings_by_enumeration(
    parts: Sequence[tuple[NDArray[np.int64], Floats]],
) -> list[tuple[tuple[NDArray[np.int64], ...], float]]:
    """Every choice of one path a segment, likeliest first: the paths and their probability.

    `parts` are the paths of each segment with their probabilities; segments are independent.
    """
    every = [
        (tuple(path for path, _ in choice), float(np.prod([p for _, p in choice])))
        for choice in product(*(list(zip(*part, strict=True)) for part in parts))
    ]
    return sorted(every, key=lambda labelling: -labelling[1])
