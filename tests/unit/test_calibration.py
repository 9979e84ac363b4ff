import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_service.artifact import load_artifact
from ner_service.artifact.store import write_manifest
from ner_service.errors import ConfigError
from ner_service.inference.consistency import Consistency
from ner_service.tagger import Tagger
from tests.training_runs import SAMPLE
from training.calibration import (
    HIGHEST,
    LOWEST,
    fit,
    half_each,
    log_loss,
    main,
    minimise,
    write_fitted,
)
from training.consistency import STEP, STEPS, fit_consistency
from training.corpus import iter_documents, load_split
from training.emissions import read_development
from training.evaluation import evaluate
from training.reliability import measure_reliability
from training.seen import entity_keys, load_keys, save_keys, training_keys

TEXT = "Ines Costa flew from Lisbon to Northwind Bank in Spain."


@pytest.fixture
def model(trained_model, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(trained_model, tmp_path / "model")


def test_error_is_the_weighted_gap_of_the_bins():
    found = measure_reliability([0.95, 0.95, 0.95, 0.5, 0.5], [True, True, False, False, True])
    filled = [each for each in found.bins if each.count]
    assert [each.count for each in filled] == [2, 3]
    assert found.expected_error == pytest.approx(0.6 * (0.95 - 2 / 3))


def test_scores_of_0_and_1_and_on_borders_have_a_bin():
    found = measure_reliability([0.0, 1 / 15, 1.0], [False, True, True])
    assert [each.count for each in found.bins] == [2, *[0] * 13, 1]


def test_nothing_predicted_has_no_error():
    assert measure_reliability([], []).expected_error == 0
    assert log_loss(np.zeros(0), np.zeros(0, dtype=bool)) == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1), st.integers(1, 20))
def test_bins_hold_every_prediction_and_the_error_is_a_share(predictions, bins):
    scores, correct = zip(*predictions, strict=True)
    found = measure_reliability(scores, correct, bins=bins)
    assert found.count == len(predictions)
    assert 0 <= found.expected_error <= 1
    for each in found.bins:
        if each.count:
            assert each.low - 1e-9 <= each.score <= each.high + 1e-9


def test_perfectly_calibrated_scores_have_a_small_error():
    random = np.random.default_rng(7)
    scores = random.random(200_000)
    assert measure_reliability(scores, random.random(200_000) < scores).expected_error < 0.01


@given(st.floats(-2, 2))
def test_search_finds_the_lowest_place(place):
    assert minimise(lambda x: (x - place) ** 2, -2.5, 2.5, rounds=40) == pytest.approx(
        place, abs=1e-5
    )


def test_fitted_temperature_lowers_the_loss_and_beats_its_neighbours(model):
    corpus = load_split(SAMPLE, split="validation")
    train = load_split(SAMPLE, split="train")
    documents = iter_documents(train.splits["train"])
    save_keys(model, training_keys(documents, train.scheme))
    write_manifest(model)
    development = read_development(model, corpus, threads=1)
    assert 0 < development.are_seen(sorted(development.gold)).mean() < 1
    found = fit(development)
    assert LOWEST <= found.temperature <= HIGHEST
    assert found.loss_after <= found.loss_before

    def loss_at(temperature):
        write_fitted(model, consistency=0.0, temperature=temperature)
        evaluation = evaluate(Tagger.load(model), corpus)
        scores, correct, surfaces = [], [], []
        for case, entities in zip(evaluation.cases, evaluation.predicted, strict=True):
            gold = {(span.start, span.end, span.label) for span in case.gold}
            scores += [entity.score for entity in entities]
            correct += [(e.start, e.end, e.label) in gold for e in entities]
            surfaces += [case.text[e.start : e.end] for e in entities]
        seen = np.isin(entity_keys(surfaces), load_keys(model))
        scores, correct = np.array(scores), np.array(correct)
        halves = [log_loss(scores[part], correct[part]) for part in (seen, ~seen) if part.any()]
        return np.mean(halves)

    # The tagger itself, with the temperature written into it, says the same.
    assert loss_at(1.0) == pytest.approx(found.loss_before, abs=1e-4)
    best = loss_at(found.temperature)
    assert best == pytest.approx(found.loss_after, abs=1e-4)
    if LOWEST * 1.1 < found.temperature < HIGHEST / 1.1:
        assert best <= min(loss_at(found.temperature * f) for f in (0.9, 1.1)) + 1e-6


@given(st.lists(st.booleans()))
def test_two_kinds_weigh_half_each_and_one_kind_weighs_all(kinds):
    seen = np.array(kinds, dtype=bool)
    weights = half_each(seen)
    assert weights.sum() == pytest.approx(len(kinds))
    if seen.any() and not seen.all():
        assert weights[seen].sum() == pytest.approx(weights[~seen].sum())
        assert len(set(weights[seen])) == len(set(weights[~seen])) == 1


def test_a_model_that_does_not_tell_what_it_met_counts_every_entity_alike(model):
    assert load_keys(model) is None
    development = read_development(model, load_split(SAMPLE, split="validation"), threads=1)
    assert not development.are_seen(sorted(development.gold)).any()
    found = fit(development)
    assert found.loss_after <= found.loss_before


def test_temperature_changes_scores_and_nothing_else(model):
    before = Tagger.load(model).tag(TEXT)
    write_fitted(model, consistency=0.0, temperature=4.0)
    after = Tagger.load(model).tag(TEXT)
    assert before.tag_ids.tolist() == after.tag_ids.tolist()
    bare = [[replace(e, score=0.0) for e in document.entities] for document in (before, after)]
    assert bare[0] == bare[1]
    assert bare[0]
    assert [e.score for e in before.entities] != [e.score for e in after.entities]


def test_artifact_with_a_new_temperature_is_whole_and_has_a_new_version(model):
    old = load_artifact(model)
    write_fitted(model, consistency=0.3, temperature=1.25)
    new = load_artifact(model)
    assert new.config == replace(old.config, consistency=0.3, temperature=1.25)
    assert new.version != old.version


@pytest.mark.parametrize("value", [0.0, -1.0, 101.0, math.nan, math.inf])
def test_impossible_temperatures_are_refused(model, value):
    with pytest.raises(ConfigError, match="temperature"):
        write_fitted(model, consistency=0.0, temperature=value)


def test_a_model_that_finds_nothing_keeps_temperature_1(model, tmp_path):
    corpus = tmp_path / "plain.txt"
    corpus.write_text("of B-PER\n\nthe O\n", "utf-8")
    assert fit(read_development(model, load_split(corpus), threads=1)).temperature == 1.0


def test_command_writes_the_temperature(model, capsys):
    assert main(["--model", str(model), "--corpus", str(SAMPLE), "--consistency"]) == 0
    written = json.loads((model / "config.json").read_text("utf-8"))
    told = capsys.readouterr().out
    assert f"temperature {written['temperature']}" in told
    assert f"consistency {written['consistency']}" in told


def test_fitted_consistency_has_the_best_neighbourhood_and_is_what_the_tagger_does(model):
    corpus = load_split(SAMPLE, split="validation")
    development = read_development(model, corpus, threads=1)
    found = fit_consistency(development)
    assert len(found.f1) == STEPS + 1
    assert found.gain >= 0
    for step in (0, 5, STEPS):
        write_fitted(model, consistency=step * STEP, temperature=1.0)
        f1 = evaluate(Tagger.load(model), corpus).scores.overall.f1
        assert f1 == pytest.approx(found.f1[step], abs=1e-6)


def test_without_a_gain_the_words_share_nothing(model, monkeypatch):
    corpus = load_split(SAMPLE, split="validation")
    development = read_development(model, corpus, threads=1)
    monkeypatch.setattr(Consistency, "share", lambda *_: None)
    found = fit_consistency(development)
    assert found.weight == 0.0
    assert found.gain == 0.0
