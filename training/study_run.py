"""One run of a study: trained, exported, measured as it would serve, and kept as a JSON file."""

import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from datasets import DatasetDict

from ner_service.errors import ConfigError
from ner_service.tagger import Tagger
from training.cases import make_cases, prepared
from training.config import TrainConfig
from training.corpus import Corpus, SplitName, iter_documents, load_corpus
from training.evaluation import evaluate
from training.gradients import gradient_by_distance
from training.module import TaggerModule
from training.recorder import Recorder
from training.study_config import Histories, Row, StudyConfig, digest_of, settings_of
from training.train import Materials, fit, make_module, prepare, write_artifact

Result = dict[str, Any]

THREADS = 1
_MEASURED: tuple[SplitName, ...] = ("validation", "test")
_TIMED_PASSES = 3


class StudyRuns:
    """Does the runs of one study, or finds them done."""

    def __init__(self, study: StudyConfig) -> None:
        """Read the corpus.

        Raises:
            ConfigError: the settings of a row are not acceptable; told before any is trained.
            CorpusError: the corpus is missing or broken.
        """
        rows = [*study.row, *(study.histories.run if study.histories else ())]
        data = [settings_of(study, row, seed=1, epochs=1).data for row in rows]
        if any(each != data[0] for each in data):
            raise ConfigError("row.set: expected the same data for every row")
        self._study = study
        self._runs = Path(study.runs)
        self.whole = load_corpus(data[0])
        self.corpus = first_documents(self.whole, train=study.documents)
        self._materials: dict[object, Materials] = {}

    def row(self, row: Row, seed: int) -> Result:
        """The figures of one row with one seed."""
        settings = settings_of(self._study, row, seed=seed, epochs=self._study.epochs)
        place = self._place(f"{row.key}-seed{seed}", settings, self._study.documents)
        return _kept(place, lambda: self._train(row, settings, place))

    def history(self, row: Row, histories: Histories) -> Result:
        """Loss and gradient norm of every step of one short run."""
        settings = settings_of(self._study, row, seed=histories.seed, epochs=histories.epochs)
        place = self._place(f"history-{row.key}", settings, histories.documents)
        return _kept(place, lambda: self._watch(row, settings, histories, place))

    def _place(self, name: str, settings: TrainConfig, documents: int | None) -> Path:
        return self._runs / f"{name}-{digest_of(settings, documents)}"

    def _train(self, row: Row, settings: TrainConfig, place: Path) -> Result:
        materials = self._prepared(settings, self.corpus)
        recorder = Recorder()
        fresh = make_module(settings, materials)
        trained, failed = _fit(settings, materials, recorder, place)
        series = recorder.series
        epochs = max(1, len(series["seconds"]))
        norms = series["gradient_norms"]
        limit = settings.optimiser.clip_norm or math.inf
        result: Result = {
            **_subject(row, settings),
            "failed": failed,
            "parameters": _size(fresh.network.parameters()),
            "vector_parameters": _size(fresh.vectors.parameters()),
            "steps": len(norms),
            "steps_clipped": sum(norm > limit for norm in norms),
            "gradient_norm_mean": _number(sum(norms) / max(1, len(norms))),
            "gradient_norm_max": _number(max(norms, default=0.0)),
            "seconds_an_epoch": round(sum(series["seconds"]) / epochs, 2),
            "cpu_seconds_an_epoch": round(sum(series["cpu_seconds"]) / epochs, 2),
            "dev_f1_by_epoch": _numbers(series["dev_f1"]),
        }
        if trained is None:
            return result
        for name, module in (("fresh", fresh), ("trained", trained.cpu())):
            profile = gradient_by_distance(
                module,
                materials.validation,
                materials.types,
                steps=self._study.gradient_steps,
            )
            if profile is not None:
                result[f"gradient_{name}"] = {**asdict(profile), "reach": profile.reach()}
        write_artifact(trained, materials, place / "model")
        return result | measure(place / "model", self.corpus)

    def _watch(self, row: Row, settings: TrainConfig, asked: Histories, place: Path) -> Result:
        corpus = first_documents(self.whole, train=asked.documents, validation=asked.documents)
        recorder = Recorder()
        _, failed = _fit(settings, self._prepared(settings, corpus), recorder, place)
        return {
            **_subject(row, settings),
            "documents": asked.documents,
            "epochs": asked.epochs,
            "clip_norm": _number(settings.optimiser.clip_norm or math.inf),
            "failed": failed,
            "losses": _numbers(recorder.series["losses"]),
            "gradient_norms": _numbers(recorder.series["gradient_norms"]),
        }

    def _prepared(self, settings: TrainConfig, corpus: Corpus) -> Materials:
        """Words, windows and vectors, which most rows share, under the row's own network."""
        network = settings.network
        shared = (
            len(corpus.splits["train"]),
            settings.vectors,
            settings.scheme,
            settings.min_word_count,
            (settings.window_tokens, settings.window_overlap),
            (network.character_head, network.character_tail),
        )
        if shared not in self._materials:
            self._materials[shared] = prepare(settings, corpus)
        materials = self._materials[shared]
        width = sum(table.width for table in materials.tables.values())
        network = replace(network, vectors=network.vectors and width > 0, vectors_width=width)
        config = replace(materials.config, name=settings.name, network=network)
        return replace(materials, config=config)


def measure(model: Path, corpus: Corpus) -> Result:
    """Scores and speed of a model as it serves, on the development and the test set."""
    tagger = Tagger.load(model.resolve(), backend="onnx", threads=THREADS)
    found: Result = {}
    for split in _MEASURED:
        if split in corpus.splits:
            part = replace(corpus, splits=DatasetDict({split: corpus.splits[split]}))
            scores = evaluate(tagger, part).scores
            found[split] = {
                "precision": round(scores.overall.precision, 6),
                "recall": round(scores.overall.recall, 6),
                "f1": round(scores.overall.f1, 6),
                "f1_by_label": {label: round(c.f1, 6) for label, c in scores.by_label.items()},
            }
    found["tokens_per_second"] = round(tokens_per_second(tagger, corpus))
    return found


def tokens_per_second(tagger: Tagger, corpus: Corpus) -> float:
    """Words of the development set tagged in a second of processor time, the best of some passes.

    From given words to entities with scores. The first pass fills the cache of word rows and does
    not count.
    """
    documents = iter_documents(corpus.splits["validation"])
    cases = [prepared(tagger, case, "gold") for case in make_cases(documents, corpus.scheme)]
    times = []
    for _ in range(1 + _TIMED_PASSES):
        begun = time.process_time()
        tagger.tag_documents(cases)
        times.append(time.process_time() - begun)
    return sum(len(case.tokens) for case in cases) / max(min(times[1:]), 1e-6)


def first_documents(corpus: Corpus, *, train: int | None, validation: int | None = None) -> Corpus:
    """A corpus with only the first documents of its training and development sets."""
    splits = dict(corpus.splits)
    for name, count in (("train", train), ("validation", validation)):
        if count is not None and name in splits:
            numbers = splits[name]["document_id"]
            splits[name] = splits[name].select(
                [place for place, number in enumerate(numbers) if number < count]
            )
    return replace(corpus, splits=DatasetDict(splits))


def _fit(
    settings: TrainConfig, materials: Materials, recorder: Recorder, place: Path
) -> tuple[TaggerModule | None, str | None]:
    """Train; a run that diverges is a finding and gives no module but what happened."""
    try:
        module, _ = fit(settings, materials, resume=True, folder=place, observers=[recorder])
    except FloatingPointError as error:
        return None, str(error)
    return module, None


def _kept(place: Path, work: Callable[[], Result]) -> Result:
    """The result beside `place`; where there is none, do the work, keep it and tidy up."""
    file = place.with_suffix(".json")
    if file.is_file():
        found: Result = json.loads(file.read_bytes())
        return found
    result = work()
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_suffix(".draft")
    draft.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    draft.replace(file)
    shutil.rmtree(place, ignore_errors=True)
    return result


def _subject(row: Row, settings: TrainConfig) -> Result:
    return {"row": row.key, "title": row.title, "set": list(row.set), "seed": settings.seed}


def _size(parameters: Iterable[Any]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def _numbers(values: Sequence[float]) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: float) -> float | None:
    """Six significant digits; None for what JSON has no number for."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
