"""Learn from corrections: `python -m training.fine_tune --model DIR --feedback FILE --data DIR`.

The network goes on from a model's weights, on the corrections and, beside them, on a fresh draw of
the old training data every epoch (experience replay: Robins 1995, "Catastrophic Forgetting,
Rehearsal and Pseudorehearsal"), so that it keeps what it knew. Vocabulary, word vectors and tags
stay. The new version is published only if it passes the gate: its F1 on the development set must
not be below the old one's.
"""

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ner_service.artifact import Artifact, load_artifact
from ner_service.artifact.config import OutputLayer
from ner_service.artifact.locate import resolve_model
from ner_service.artifact.store import write_manifest
from ner_service.errors import ConfigError
from ner_service.inference.features import WordFeaturizer
from ner_service.inference.torch_backend import load_network
from ner_service.network import TaggerNetwork
from ner_service.tagger import Tagger
from training.corpus import Corpus, DataConfig, iter_documents, load_corpus, load_split
from training.data import TrainingWindow, WordTypes, make_batch, make_windows
from training.evaluation import evaluate
from training.export import write_model
from training.losses import window_losses
from training.publishing import publish, version_folder
from training.usage import OneLineParser, run_command

logger = logging.getLogger("training")

REPORT = "fine_tune.json"
CANDIDATE = "candidate"
CARD = "README.md"
_NOTE = "This is version {version} after more training on corrections; {gate}. Its card:\n\n"
_DROPOUT = {"word_dropout": 0.2, "row_dropout": 0.1, "state_dropout": 0.3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to learn.

    Attributes:
        epochs: passes over the corrections.
        replay: windows of old data for every window of corrections.
        learning_rate: of Adam, highest at first; falls to zero along a line.
        batch_windows: windows a step.
        seed: of order, replay and dropout.
    """

    epochs: int = 5
    replay: float = 4.0
    learning_rate: float = 0.0005
    batch_windows: int = 8
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Gate:
    """Development scores before and after, and what follows.

    Attributes:
        before: F1 of the old version.
        after: F1 of the new one.
    """

    before: float
    after: float

    @property
    def passed(self) -> bool:
        """Whether it did not fall."""
        return self.after >= self.before

    def __str__(self) -> str:
        sign = ">=" if self.passed else "<"
        verdict = "passed" if self.passed else "stopped"
        return f"gate {verdict}: development F1 {self.after:.4f} {sign} {self.before:.4f}"


def fine_tune(
    model: Path, feedback: Path, data: DataConfig, *, output: Path, options: Options
) -> Gate:
    """Train a new version of a model and publish it if it passes the gate.

    Args:
        model: directory of the old version.
        feedback: column file of corrections.
        data: the old corpus: `train` is replayed, `validation` is the development set.
        output: where the new version goes; what is there is kept beside it.
        options: how to learn.

    Raises:
        ConfigError: a split is missing, or corrections have labels that the model lacks.
    """
    artifact = load_artifact(model)
    corpus = load_corpus(data)
    for split in ("train", "validation"):
        if split not in corpus.splits:
            raise ConfigError(f"{corpus.source}: expected a {split} split, got none")
    corrections = load_split(feedback)
    if unknown := sorted(set(corrections.labels).difference(artifact.config.labels)):
        raise ConfigError(
            f"{feedback}: labels that the model lacks ({', '.join(unknown)}); train anew for them"
        )
    network = learn(artifact, corrections, corpus, options)
    candidate = version_folder(output, CANDIDATE)
    write_version(artifact, network, candidate)
    gate = Gate(*(development_f1(path, corpus) for path in (model, candidate)))
    told = {"from": artifact.version, "feedback": str(feedback)} | asdict(options)
    told |= {"before": gate.before, "after": gate.after, "passed": gate.passed}
    (candidate / REPORT).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    card = model / CARD
    before = card.read_text(encoding="utf-8") if card.is_file() else ""
    note = _NOTE.format(version=artifact.version, gate=gate)
    (candidate / CARD).write_text(note + before, encoding="utf-8")
    write_manifest(candidate)
    load_artifact(candidate)  # a damaged version must not pass unseen
    if gate.passed:
        publish(candidate, output)
    return gate


def learn(
    artifact: Artifact, corrections: Corpus, corpus: Corpus, options: Options
) -> TaggerNetwork:
    """Go on with the network's weights."""
    torch.manual_seed(options.seed)
    random = np.random.default_rng(options.seed)
    config = artifact.config
    network = TaggerNetwork(config, artifact.vocabulary, **_DROPOUT)
    network.load_state_dict(load_network(artifact).state_dict())
    network.train()
    featurizer = WordFeaturizer(config.network, artifact.vocabulary, artifact.vector_tables)
    new, old = (
        [document for split in each for document in iter_documents(split)]
        for each in (corrections.splits.values(), [corpus.splits["train"]])
    )
    words = (token for documents in (new, old) for d in documents for s in d for token in s.tokens)
    types = WordTypes(words, [], featurizer)
    taught, replayed = (
        list(
            make_windows(
                documents,
                types,
                config.tags,
                source=source.scheme,
                target=config.scheme,
                window_tokens=config.window_tokens,
            )
        )
        for documents, source in ((new, corrections), (old, corpus))
    )
    drawn = round(options.replay * len(taught)) if replayed else 0
    steps = options.epochs * -(-(len(taught) + drawn) // options.batch_windows)
    optimiser = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    for epoch in range(options.epochs):
        # Of a small old corpus, each window again and again.
        rounds = [
            random.permutation(len(replayed)) for _ in range(-(-drawn // max(1, len(replayed))))
        ]
        chosen: list[int] = np.concatenate(rounds)[:drawn].tolist() if rounds else []
        windows = [*taught, *(replayed[index] for index in chosen)]
        order = random.permutation(len(windows))
        losses = []
        for begin in range(0, len(windows), options.batch_windows):
            batch = [windows[index] for index in order[begin : begin + options.batch_windows]]
            optimiser.zero_grad()
            loss = _loss(network, batch, types, featurizer, config.network.output)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        logger.info("epoch %d: loss %.4f", epoch + 1, float(np.mean(losses)))
    return network.eval()


def _loss(
    network: TaggerNetwork,
    windows: Sequence[TrainingWindow],
    types: WordTypes,
    featurizer: WordFeaturizer,
    output: OutputLayer,
) -> torch.Tensor:
    batch = make_batch(windows, types)
    vectors = torch.from_numpy(featurizer.vectors(batch.vector_rows.numpy()))
    words = batch.words._replace(vectors=vectors)
    emissions = network(words, batch.positions, batch.mask)
    losses = window_losses(network.crf, emissions, batch, output=output)
    return losses.mean()


def write_version(artifact: Artifact, network: TaggerNetwork, path: Path) -> None:
    """Write the network with all else of its model."""
    names = (table.name for table in artifact.config.vector_tables)
    write_model(
        path,
        network,
        config=artifact.config,
        vocabulary=artifact.vocabulary,
        vector_tables=dict(zip(names, artifact.vector_tables, strict=True)),
    )


def development_f1(model: Path, corpus: Corpus) -> float:
    """F1 on the development set, tagged as it is served."""
    splits = type(corpus.splits)({"validation": corpus.splits["validation"]})
    tagger = Tagger.load(model, backend="onnx")
    return evaluate(tagger, replace(corpus, splits=splits)).scores.overall.f1


def main(arguments: list[str] | None = None) -> int:
    """Run the command; exit status 3 where the gate stops the new version."""
    defaults = Options()
    parser = OneLineParser(prog="python -m training.fine_tune", description=__doc__)
    parser.add_argument("--model", default="conll2003", help="name or directory")
    parser.add_argument("--feedback", type=Path, required=True, help="of `feedback export`")
    parser.add_argument("--data", default="../shared/data/conll2003", help="the old corpus")
    parser.add_argument("--output", type=Path, help="the new version's directory [the model's]")
    for name, value in asdict(defaults).items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=type(value), default=value, help=f"[{value}]")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    gates: list[Gate] = []

    def work() -> None:
        model = resolve_model(given.model)
        options = Options(**{name: getattr(given, name) for name in asdict(defaults)})
        output = given.output or model
        gates.append(
            fine_tune(
                model, given.feedback, DataConfig(path=given.data), output=output, options=options
            )
        )
        logger.info("%s", gates[0])
        logger.info("%s", f"published as {output}" if gates[0].passed else "nothing is published")

    return run_command(work) or (0 if gates and gates[0].passed else 3)


if __name__ == "__main__":
    sys.exit(main())
