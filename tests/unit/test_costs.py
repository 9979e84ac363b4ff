import math

import numpy as np
import pytest

from ner_service.artifact import load_artifact
from ner_service.inference.onnx_backend import OnnxBackend
from ner_service.tagger import Tagger
from tests.training_runs import SAMPLE
from training.cases import make_cases, prepared
from training.corpus import iter_documents, load_split
from training.costs import token_costs, word_costs
from training.emissions import read_emissions


@pytest.fixture(scope="module")
def cases():
    corpus = load_split(SAMPLE / "test.txt")
    return make_cases(iter_documents(corpus.splits["test"]), corpus.scheme)


@pytest.fixture(scope="module")
def emissions(trained_model, cases):
    artifact = load_artifact(trained_model)
    backend = OnnxBackend(artifact.path, threads=1)
    tagger = Tagger(artifact, backend)
    return read_emissions(artifact, backend, [prepared(tagger, case, "gold") for case in cases])


def test_kept_emissions_decode_as_the_tagger_does(trained_model, cases, emissions):
    tagger = Tagger.load(trained_model)
    documents = tagger.tag_documents([prepared(tagger, case, "gold") for case in cases])
    decoded = emissions.decode(load_artifact(trained_model).config.temperature)
    expected = np.concatenate([document.tag_ids for document in documents])
    assert decoded.tag_ids[emissions.token_slots].tolist() == expected.tolist()
    scores = [entity.score for document in documents for entity in document.entities]
    assert decoded.scores == pytest.approx(scores, abs=1e-5)


def test_marginals_are_distributions_that_agree_with_single_token_entities(emissions):
    marginals = emissions.marginals()
    assert marginals.sum(axis=1) == pytest.approx(np.ones(len(marginals)))
    decoded = emissions.decode(emissions.artifact.config.temperature)
    tags = emissions.artifact.config.tags
    place = {slot: index for index, slot in enumerate(emissions.token_slots.tolist())}
    singles = 0
    for span, score in zip(decoded.spans, decoded.scores, strict=True):
        if span.end_token - span.start_token == 1:
            row = marginals[place[span.start_token]]
            assert row[tags.index(f"S-{span.label}")] == pytest.approx(score, abs=1e-9)
            singles += 1
    assert singles


def test_every_token_has_a_loss_and_words_add_them_up(trained_model, cases):
    costs = token_costs(trained_model, cases, threads=1)
    assert len(costs) == sum(len(case.words) for case in cases)
    assert all(cost.loss >= 0 and math.isfinite(cost.loss) for cost in costs)
    words = word_costs(cases, costs)
    assert sum(word.count for word in words) == len(costs)
    assert sum(word.loss for word in words) == pytest.approx(sum(cost.loss for cost in costs))
    assert [word.loss for word in words] == sorted((w.loss for w in words), reverse=True)


def test_unscored_labels_cost_nothing(trained_model, cases):
    # Where no label is scored every token is O, of which the model is sure.
    bare = [type(case)(case.text, case.words, case.sentences, ()) for case in cases]
    costs = token_costs(trained_model, bare, labels=(), threads=1)
    assert {cost.gold for cost in costs} == {"O"}
    assert max(cost.loss for cost in costs) < 1e-6
