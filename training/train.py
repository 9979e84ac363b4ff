"""Train a tagger: `python -m training.train --config FILE [--set key=value]`."""

import logging
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import lightning
import numpy as np
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    TQDMProgressBar,
)
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader, Dataset

from ner_service.artifact import (
    ArtifactConfig,
    VectorTable,
    VectorTableConfig,
    Vocabulary,
)
from ner_service.errors import ConfigError
from ner_service.inference.features import WordFeaturizer
from training.batches import Augmentation, Epoch, StreamedBatches, TrainingBatches
from training.config import TrainConfig, load_config
from training.corpus import Corpus, iter_documents, load_corpus
from training.data import (
    Batch,
    StreamedWindows,
    TrainingWindow,
    WordTypes,
    make_batch,
    make_windows,
)
from training.export import write_model
from training.metrics_file import texts_behind
from training.module import TaggerModule
from training.parallel import ONE_PROCESS, Machines, logging_level, part_of
from training.posts import Dresser, Marks
from training.report import report_training
from training.start import start_from
from training.streaming import StreamedDocuments
from training.teacher import LabelledWindow
from training.usage import OneLineParser, run_command
from training.vector_rows import TrainedVectors
from training.vectors import PretrainedVectors, load_vectors
from training.vocabulary import build_vocabulary, count_words

logger = logging.getLogger("training")

RUNS = Path("runs")
_BEST, _LAST = "best", "last"
_DEV_BATCH = 32
_AVERAGE_EVERY = 4
"""Steps between updates of the averaged weights: each costs a pass over all of them."""


@dataclass(frozen=True, slots=True)
class Materials:
    """All that a run needs before its first step."""

    config: ArtifactConfig
    vocabulary: Vocabulary
    vectors: dict[str, PretrainedVectors]
    tables: dict[str, VectorTable]
    types: WordTypes
    train: list[TrainingWindow] | StreamedWindows
    validation: list[TrainingWindow]
    teacher: list[TrainingWindow]
    dresser: Dresser | None = None


class TrainingData(lightning.LightningDataModule):
    """Gives the trainer its batches, those of training anew every epoch."""

    def __init__(self, settings: TrainConfig, materials: Materials) -> None:
        """Keep references."""
        super().__init__()
        self._settings, self._materials = settings, materials

    def train_dataloader(self) -> DataLoader[Batch]:
        """The batches of the epoch that begins."""
        settings = self._settings
        materials = self._materials
        epoch = Epoch(
            types=materials.types,
            batch_windows=settings.batch_windows,
            seed=settings.seed,
            number=self.trainer.current_epoch if self.trainer is not None else 0,
            augmentation=Augmentation(
                lower=settings.lower,
                upper=settings.upper,
                title=settings.title,
                posts=settings.posts,
                word_dropout=settings.forget_word,
                one_hot_dropout=settings.forget_one_hot,
            ),
            part=part_of(self.trainer),
            dresser=materials.dresser,
        )
        batches: Dataset[Batch]
        if isinstance(materials.train, StreamedWindows):
            batches = StreamedBatches(materials.train, epoch, held=settings.data.shuffle_windows)
        else:
            batches = TrainingBatches(
                materials.train,
                epoch,
                teacher=materials.teacher,
                teacher_windows=settings.teacher_windows,
                cut=settings.cut_windows,
            )
        return DataLoader(batches, batch_size=None)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Development windows, longest first, so that batches hold little padding."""
        windows = sorted(self._materials.validation, key=lambda window: -len(window.types))
        part = part_of(self.trainer)
        size = max(1, min(_DEV_BATCH, len(windows) // part.of))
        batches = [
            make_batch(windows[begin : begin + size], self._materials.types)
            for begin in range(0, len(windows), size)
        ]
        # No process may be without a batch. Where all count all windows the score is the same.
        mine = part.take(batches) if len(batches) >= part.of else batches
        return DataLoader(mine, batch_size=None)  # type: ignore[arg-type]


def prepare(
    settings: TrainConfig, corpus: Corpus, labelled: Sequence[LabelledWindow] = ()
) -> Materials:
    """Read vectors, number words and cut windows; `labelled` are a teacher's.

    Raises:
        ConfigError: a split is missing.
    """
    for split in ("train", "validation"):
        if split not in corpus.splits:
            raise ConfigError(f"{corpus.source}: expected a {split} split, got none")
    streamed = isinstance(corpus.splits["train"], StreamedDocuments)
    if not corpus.documents_marked:
        logger.warning("%s marks no documents: each sentence is its own", corpus.source)
    counted = count_words(iter_documents(corpus.splits["train"]))
    vocabulary = build_vocabulary(counted, min_word_count=settings.min_word_count)
    vectors = {
        v.name: _scaled(load_vectors(v.path, limit=v.limit), v.rms) for v in settings.vectors
    }
    tables = {name: VectorTable.build(v.words, v.rows, v.vectors) for name, v in vectors.items()}
    network = replace(
        settings.network,
        vectors=settings.network.vectors and bool(tables),
        vectors_width=sum(table.width for table in tables.values()),
    )
    if not network.projection:
        network = replace(network, word_width=network.inputs_width)
    config = ArtifactConfig(
        name=settings.name,
        scheme=settings.scheme,
        labels=corpus.labels,
        window_tokens=settings.window_tokens,
        window_overlap=settings.window_overlap,
        vector_tables=tuple(
            VectorTableConfig(name=name, words=len(table.keys), width=table.width)
            for name, table in tables.items()
        ),
        network=network,
    )
    featurizer = WordFeaturizer(config.network, vocabulary, list(tables.values()))
    others = list(count_words(iter_documents(corpus.splits["validation"])))
    others += [word for window in labelled for word in window.words if word is not None]
    marks = Marks.drawn(counted) if settings.posts > 0 else None
    if marks is not None:
        others += marks.words()
    types = WordTypes(counted, others, featurizer)

    def windows_of(split: str) -> Iterator[TrainingWindow]:
        return make_windows(
            iter_documents(corpus.splits[split]),
            types,
            config.tags,
            source=corpus.scheme,
            target=settings.scheme,
            window_tokens=settings.window_tokens,
        )

    train = StreamedWindows(lambda: windows_of("train")) if streamed else list(windows_of("train"))
    validation = list(windows_of("validation"))
    logger.info(
        "%d training windows, %d development windows, %d words, %d word types",
        len(train),
        len(validation),
        len(vocabulary.words),
        len(types.ids),
    )
    teacher = [window.numbered(types) for window in labelled]
    dresser = None if marks is None else marks.dresser(types)
    return Materials(
        config, vocabulary, vectors, tables, types, train, validation, teacher, dresser
    )


def _scaled(vectors: PretrainedVectors, rms: float | None) -> PretrainedVectors:
    if rms is None:
        return vectors
    factor = rms / np.sqrt(np.mean(np.square(vectors.vectors, dtype=np.float64)))
    return replace(vectors, vectors=(vectors.vectors * factor).astype(np.float32))


def make_module(settings: TrainConfig, materials: Materials) -> TaggerModule:
    """A module with fresh weights, a function of the seed, or with those of `settings.start`."""
    lightning.seed_everything(settings.seed, verbose=False)
    trained = trained_vectors(settings, materials)
    module = TaggerModule(settings, materials.config, materials.vocabulary, trained)
    if settings.start is not None:
        start_from(Path(settings.start), module, list(materials.tables.values()))
    return module


def trained_vectors(settings: TrainConfig, materials: Materials) -> list[TrainedVectors]:
    """The vectors that a module looks up, one set a table."""
    rows = materials.types.features.vector_rows
    return [
        TrainedVectors(
            materials.vectors[table.name].vectors,
            trainable=rows[: materials.types.trained_count if table.trainable else 0, index],
            fixed=rows[:, index],
        )
        for index, table in enumerate(settings.vectors)
    ]


def fit(
    settings: TrainConfig,
    materials: Materials,
    *,
    resume: bool = False,
    folder: Path | None = None,
    observers: Sequence[Callback] = (),
    machines: Machines = ONE_PROCESS,
    module: TaggerModule | None = None,
) -> tuple[TaggerModule, Path]:
    """Train and give the module with its best weights, and the folder of the run.

    Without `module` it is one that `make_module` makes. Where several processes train, only the
    first has the best weights at the end.

    Raises:
        ConfigError: there are fewer devices than asked for.
    """
    folder = folder or RUNS / f"{settings.name}-seed{settings.seed}"
    if module is None:
        module = make_module(settings, materials)
    best = ModelCheckpoint(
        folder, filename=_BEST, monitor="dev_f1", mode="max", enable_version_counter=False
    )
    # `save_last` of the best one would write it only when the best changes.
    last = ModelCheckpoint(folder, filename=_LAST, enable_version_counter=False)
    callbacks: list[Callback] = [best, last, TQDMProgressBar(refresh_rate=20), *observers]
    if settings.optimiser.average_decay > 0:
        callbacks.append(
            EMAWeightAveraging(
                decay=settings.optimiser.average_decay**_AVERAGE_EVERY,
                update_every_n_steps=_AVERAGE_EVERY,
                use_buffers=False,
            )
        )
    if settings.patience is not None:
        callbacks.append(EarlyStopping("dev_f1", mode="max", patience=settings.patience))
    trainer = machines.trainer(
        max_epochs=settings.epochs,
        gradient_clip_val=settings.optimiser.clip_norm,
        reload_dataloaders_every_n_epochs=1,
        callbacks=callbacks,
        logger=TensorBoardLogger(folder, name="", version=""),
        log_every_n_steps=50,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        deterministic=True,
    )
    broken_off = folder / f"{_LAST}.ckpt"
    with warnings.catch_warnings():
        # Meant for loaders of several processes; ours reads in its own.
        warnings.filterwarnings("ignore", "Your `IterableDataset` has `__len__` defined")
        trainer.fit(
            module,
            datamodule=TrainingData(settings, materials),
            ckpt_path=broken_off if resume and broken_off.is_file() else None,
            weights_only=False,
        )
    if trainer.is_global_zero:
        weights = trainer.strategy.load_checkpoint(best.best_model_path, weights_only=True)
        module.load_state_dict(weights["state_dict"])
    return module.eval(), folder


def write_artifact(module: TaggerModule, materials: Materials, path: Path) -> None:
    """Write the trained network as a model directory."""
    tables = dict(materials.tables)
    for name, trained in zip(tables, module.vectors, strict=True):
        assert isinstance(trained, TrainedVectors)
        source = materials.vectors[name]
        if len(trained.rows):
            vectors = source.vectors.astype(np.float32)
            vectors[trained.rows] = trained.trained()
            tables[name] = VectorTable.build(source.words, source.rows, vectors)
    write_model(
        path,
        module.network.cpu(),
        config=module.config,
        vocabulary=materials.vocabulary,
        vector_tables=tables,
    )


def run(
    settings: TrainConfig,
    *,
    config_file: Path | None = None,
    labelled: Sequence[LabelledWindow] = (),
    texts: Sequence[Path] = (),
    resume: bool = False,
    machines: Machines = ONE_PROCESS,
) -> None:
    """The whole way from a configuration to a calibrated artifact with its card.

    Args:
        settings: what to train.
        config_file: where they came from, for the card.
        labelled: windows that other models labelled.
        texts: the files that those are from, for the card; those of the model that the run
            starts from are added.
        resume: go on from the last checkpoint.
        machines: the processes that train; the first of them writes.

    Raises:
        ConfigError: the settings do not go together, or a split or a device is missing.
        CorpusError: the corpus is missing or broken.
    """
    # Before anything is read: that can take long.
    machines.check(settings.batch_windows)
    if settings.data.streaming and labelled:
        raise ConfigError("data.streaming: expected false, since labelled texts are added")
    begun = time.monotonic()
    path = Path(settings.output)
    before = [] if settings.start is None else [Path(settings.start)]
    texts = [*texts, *map(Path, texts_behind(before))]
    corpus = load_corpus(settings.data)
    materials = prepare(settings, corpus, labelled)
    module, folder = fit(settings, materials, resume=resume, machines=machines)
    if module.global_rank > 0:
        return
    write_artifact(module, materials, path)
    report_training(
        path, settings=settings, corpus=corpus, run=folder, config_file=config_file, texts=texts
    )
    logger.info("%s written in %.0f s", settings.output, time.monotonic() - begun)


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = OneLineParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="TOML file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--devices", type=int, default=1, help="processes a machine [1]")
    parser.add_argument("--num-nodes", type=int, default=1, help="machines [1]")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging_level(), format="%(message)s")
    return run_command(
        lambda: run(
            load_config(options.config, options.set),
            config_file=options.config,
            resume=options.resume,
            machines=Machines(devices=options.devices, nodes=options.num_nodes),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
