"""A teacher that reads a pre-trained language model's states beside a word's own inputs.

`python -m training.reading_teacher --config FILE --language-model NAME --labelled DIR --output DIR`

Too slow to be served, and never served: it tells what it finds in windows that
`training.self_train` labelled before, and `training.relabel` makes a student's labels of that. The
states stand beside a word's row in front of the recurrence, much as in TagLM (Peters et al. 2017,
"Semi-supervised sequence tagging with bidirectional language models"), but the language model
learns as well.
"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor, nn

from ner_service.network.tagger_network import SentenceEncoder
from training.config import TrainConfig, load_config
from training.corpus import load_corpus
from training.data import Batch, TrainingWindow, WordTypes, make_batch
from training.language_model import LanguageModel
from training.module import TaggerModule
from training.teacher import load_labelled
from training.train import RUNS, Materials, fit, prepare, trained_vectors
from training.usage import OneLineParser, run_command

logger = logging.getLogger("training")

EMISSIONS = "emissions.safetensors"
LANGUAGE_MODEL = "language_model"
_WINDOWS_AT_ONCE = 48
_STATE_DROPOUT = 0.1


class ReadingModule(TaggerModule):
    """A tagger whose recurrence also reads a language model's states, and whose output does too."""

    def __init__(
        self,
        settings: TrainConfig,
        materials: Materials,
        language_model: LanguageModel,
        *,
        learning_rate: float,
    ) -> None:
        """Fresh weights but for the language model's, which learns at a rate of its own."""
        vectors = trained_vectors(settings, materials)
        super().__init__(settings, materials.config, materials.vocabulary, vectors)
        self.language_model = language_model
        self._learning_rate = learning_rate
        network = self.config.network
        width = network.word_width + language_model.width
        # The sentence encoder asks for a width alone, whatever it is put together from.
        wider = replace(self.config, network=replace(network, projection=True, word_width=width))
        self.network.sentence_encoder = SentenceEncoder(
            wider, row_dropout=settings.row_dropout, state_dropout=settings.state_dropout
        )
        self.dropout = nn.Dropout(_STATE_DROPOUT)
        self.direct = nn.Linear(language_model.width, len(self.config.tags))
        nn.init.zeros_(self.direct.weight)
        nn.init.zeros_(self.direct.bias)

    def forward(self, batch: Batch) -> Tensor:
        """A batch to emissions (B, T, K)."""
        rows = self.network.word_encoder(self.words_of(batch))[batch.positions]
        states = self.dropout(self.language_model(batch.types[batch.positions], batch.mask))
        inputs = torch.cat([rows, states], dim=2)
        emissions: Tensor = self.network.sentence_encoder(inputs, batch.mask)[1]
        direct: Tensor = self.direct(states)
        return emissions + direct

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Those of a tagger, and the language model's."""
        own, vectors = super().parameter_groups()
        own["params"] += self.direct.parameters()
        learnt = list(self.language_model.parameters())
        return [own, vectors, {"params": learnt, "lr": self._learning_rate}]


def emissions_of(
    module: TaggerModule, windows: Sequence[TrainingWindow], types: WordTypes
) -> NDArray[np.float16]:
    """Emissions of windows, one behind the other, (slots, K); on the device of the module."""
    found = [np.empty((0, 0), dtype=np.float16)] * len(windows)
    order = sorted(range(len(windows)), key=lambda index: -len(windows[index].types))
    module.eval()
    with torch.no_grad():
        for begin in range(0, len(order), _WINDOWS_AT_ONCE):
            chosen = order[begin : begin + _WINDOWS_AT_ONCE]
            batch = make_batch([replace(windows[index], soft=None) for index in chosen], types)
            emissions = module(move_data_to_device(batch, module.device)).half().cpu().numpy()
            for row, index in enumerate(chosen):
                found[index] = emissions[row, : len(windows[index].types)]
    return np.concatenate(found)


def train_and_read(
    settings: TrainConfig,
    *,
    language_model: str,
    layers: int | None,
    learning_rate: float,
    labelled: Path,
    output: Path,
) -> None:
    """Train the teacher, and write its emissions for the windows in `labelled`.

    Raises:
        ConfigError: the settings do not go together, or there is no such language model.
        CorpusError: the corpus is missing or broken.
    """
    corpus = load_corpus(settings.data)
    materials = prepare(settings, corpus, load_labelled(labelled))
    lightning.seed_everything(settings.seed, verbose=False)
    reader = LanguageModel(language_model, list(materials.types.ids), layers=layers)
    module = ReadingModule(settings, materials, reader, learning_rate=learning_rate)
    trained, _ = fit(settings, materials, module=module)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    emissions = emissions_of(trained.to(device), materials.teacher, materials.types)
    names = ("transitions", "start", "end")
    legal = (w.detach().float().cpu().numpy() for w in module.network.crf.legal_weights())
    output.mkdir(parents=True, exist_ok=True)
    save_file(
        {"emissions": emissions, **dict(zip(names, legal, strict=True))},
        output / EMISSIONS,
        metadata={LANGUAGE_MODEL: language_model},
    )
    logger.info("%s written: %d slots", output / EMISSIONS, len(emissions))


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 2 for a wrong configuration, 1 for a failure."""
    parser = OneLineParser(prog="python -m training.reading_teacher", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="TOML file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--language-model", required=True, help="folder, or name on the Hub")
    parser.add_argument("--layers", type=int, help="the first so many of its layers [all]")
    parser.add_argument("--rate", type=float, default=4e-5, help="learning rate of it [4e-5]")
    parser.add_argument("--labelled", type=Path, default=RUNS / "labelled", help="of self_train")
    parser.add_argument("--output", type=Path, required=True, help="directory for the emissions")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return run_command(
        lambda: train_and_read(
            load_config(options.config, options.set),
            language_model=options.language_model,
            layers=options.layers,
            learning_rate=options.rate,
            labelled=options.labelled,
            output=options.output,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
