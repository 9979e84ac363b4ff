"""Tiny artifacts: real model directories with random weights, made in some hundredths of a second.

What they find is nonsense, but sure nonsense: the weights are drawn large enough for tags to follow
from words and neighbours, so that a change anywhere in the way shows in the answers.
"""

import string
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ner_service.artifact import (
    ArtifactConfig,
    NetworkConfig,
    VectorTable,
    VectorTableConfig,
    Vocabulary,
)
from ner_service.inference.features import WordFeaturizer
from ner_service.network import TaggerNetwork, WordInputs
from training.export import write_model

VECTOR_WIDTH = 6
VOCABULARY = Vocabulary(
    words=("the", "a", "Bob", "bought", "toy", "in", ".", "Lisbon", "Costa", "of", "and", "SPAIN"),
    characters=tuple(string.ascii_letters + string.digits + ".,-'"),
    shapes=("x", "Xx", ".", "X", "d", "Xx-Xx"),
)
VECTOR_WORDS = ("bob", "the", "yoda", "lisbon", "bank", "0000-00-00", "Toy", "costa", "york", ".")


def vector_table(width: int = VECTOR_WIDTH) -> VectorTable:
    generator = np.random.default_rng(11)
    count = len(VECTOR_WORDS)
    return VectorTable.build(
        VECTOR_WORDS, np.arange(count), generator.normal(size=(count, width)).astype(np.float32)
    )


def tiny_config(
    network: NetworkConfig | None = None,
    *,
    name: str = "tiny",
    scheme: str = "IOBES",
    temperature: float = 1.0,
    window_tokens: int = 12,
    window_overlap: int = 4,
) -> ArtifactConfig:
    """A configuration with small widths; `network` says which parts there are."""
    small = replace(
        network or NetworkConfig(),
        one_hot_width=5,
        vectors_width=VECTOR_WIDTH,
        character_width=4,
        character_filters=6,
        character_head=6,
        character_tail=3,
        shape_width=3,
        word_width=8,
        hidden_width=7,
    )
    if not small.projection:
        small = replace(small, word_width=small.inputs_width)
    return ArtifactConfig(
        name=name,
        scheme=scheme,
        labels=("LOC", "PER"),
        window_tokens=window_tokens,
        window_overlap=window_overlap,
        temperature=temperature,
        vector_tables=(
            VectorTableConfig(name="glove", words=len(VECTOR_WORDS), width=VECTOR_WIDTH),
        ),
        network=small,
    )


def random_network(config: ArtifactConfig, *, seed: int = 5) -> TaggerNetwork:
    """A network whose parameters are all drawn, transitions among them."""
    generator = torch.Generator().manual_seed(seed)
    network = TaggerNetwork(config, VOCABULARY).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            # Recurrent weights are drawn small, lest a state that relu leaves unbounded explodes.
            size = 0.25 if "weight_hh" in name else 0.8
            parameter.normal_(0.0, size, generator=generator)
            if name.endswith("characters.embedding.weight"):
                parameter[0] = 0.0  # the padding's row, which training never touches
        _level(network, config)
    return network


def _level(network: TaggerNetwork, config: ArtifactConfig) -> None:
    """Give every tag emissions of mean 0 and deviation 4 over some words, O a little more."""
    featurizer = WordFeaturizer(config.network, VOCABULARY, [vector_table()])
    words = [*VOCABULARY.words, *VECTOR_WORDS, "nobody", "Xyz", "1996", "U.S."]
    features = featurizer.features(words)
    columns = (
        features.one_hot_ids,
        featurizer.vectors(features.vector_rows),
        features.characters,
        features.shapes,
    )
    inputs = WordInputs(*(torch.from_numpy(column) for column in columns))
    positions = torch.arange(len(words)).unsqueeze(0)
    emissions = network(inputs, positions, torch.ones_like(positions, dtype=torch.bool))[0]
    factor = 4.0 / emissions.std(dim=0)
    output = network.sentence_encoder.output
    output.bias.sub_(emissions.mean(dim=0)).mul_(factor)
    output.bias[0] += 3.0
    output.weight.mul_(factor.unsqueeze(1))


def save_tiny(path: Path, config: ArtifactConfig | None = None, *, seed: int = 5) -> Path:
    """Write a model directory as training does, int8 graph included where there can be one."""
    config = config or tiny_config()
    network = random_network(config, seed=seed)
    write_model(
        path,
        network,
        config=config,
        vocabulary=VOCABULARY,
        vector_tables={"glove": vector_table()},
    )
    return path
