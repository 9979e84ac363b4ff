from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.reference import EnumeratedCRF, is_well_formed
from tests.training_runs import materials_of, sample_settings
from training.config import OptimiserConfig
from training.data import make_batch
from training.losses import cross_entropy_by_step
from training.module import TaggerModule, decode_batch, make_optimiser
from training.train import make_module


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return sample_settings(tmp_path_factory.mktemp("module"))


@pytest.fixture(scope="module")
def materials(settings):
    return materials_of(settings)


@pytest.fixture
def module(settings, materials, monkeypatch) -> TaggerModule:
    monkeypatch.setattr(TaggerModule, "log", lambda *_, **__: None)
    return make_module(settings, materials).eval()


def test_same_seed_makes_the_same_fresh_weights(settings, materials):
    one, other = (make_module(settings, materials).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    third = make_module(replace(settings, seed=9), materials).state_dict()
    assert not all(torch.equal(one[name], third[name]) for name in one)


def test_crf_loss_is_the_mean_negative_log_likelihood_of_the_windows(module, materials):
    batch = make_batch(materials.train[:3], materials.types)
    emissions = module(batch)
    expected = -module.network.crf.log_likelihood(
        emissions, batch.tag_ids, batch.mask, batch.boundaries
    ).mean()
    torch.testing.assert_close(module.training_step(batch, 0), expected)


def test_softmax_loss_is_the_cross_entropy_summed_over_time(settings, materials, monkeypatch):
    monkeypatch.setattr(TaggerModule, "log", lambda *_, **__: None)
    network = replace(materials.config.network, output="softmax")
    config = replace(materials.config, network=network)
    module = make_module(settings, replace(materials, config=config)).eval()
    batch = make_batch(materials.train[:3], materials.types)
    assert batch.boundaries.any()
    real = batch.mask & ~batch.boundaries
    by_step = cross_entropy_by_step(module(batch), batch.tag_ids, real)
    assert by_step.shape == batch.mask.shape
    torch.testing.assert_close(module.training_step(batch, 0), by_step.sum() / 3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_loss_that_is_not_finite_stops_with_the_step_named(module, materials, bad):
    batch = make_batch(materials.train[:2], materials.types)
    with torch.no_grad():
        module.network.sentence_encoder.output.bias[1] = bad
    with pytest.raises(FloatingPointError, match=r"step 0 \(batch 17\): expected a finite loss"):
        module.training_step(batch, 17)


def test_development_score_counts_entities_and_leaves_boundaries_out(module, materials):
    logged = {}
    module.log = lambda name, value, **_: logged.update({name: value})
    module.validation_step(make_batch(materials.validation, materials.types), 0)
    gold = [gold for gold, _ in module._found]
    real = sum(int((window.types > 0).sum()) for window in materials.validation)
    assert sum(map(len, gold)) == real
    for _, predicted in module._found:
        assert len(predicted) > 0
    module._found = [(tags, tags) for tags, _ in module._found]
    module.on_validation_epoch_end()
    assert logged["dev_f1"] == 1.0
    assert not module._found


def test_batch_is_decoded_as_enumeration_does(module, materials):
    generator = torch.Generator().manual_seed(4)
    crf = module.network.crf
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_(generator=generator)
    windows = [replace(w, types=w.types[:3], tag_ids=w.tag_ids[:3]) for w in materials.train[:3]]
    windows[1] = replace(windows[1], types=windows[1].types[:2], tag_ids=windows[1].tag_ids[:2])
    batch = make_batch(windows, materials.types)
    batch.boundaries[2, 1] = True
    emissions = torch.randn(3, 3, len(module.config.tags), generator=generator) * 3
    paths = decode_batch(module.network, emissions, batch)
    oracle = EnumeratedCRF(
        module.config.tags,
        "IOBES",
        *(p.detach().double().numpy() for p in (crf.transitions, crf.start_transitions)),
        crf.end_transitions.detach().double().numpy(),
    )
    for row, length in enumerate((3, 2, 3)):
        at = batch.boundaries[row, :length].numpy()
        best, _ = oracle.n_best(emissions[row, :length].double().numpy(), 1, at)
        np.testing.assert_array_equal(paths[row, :length], best[0])


def test_decoded_batch_is_well_formed_whatever_the_weights(module, materials):
    batch = make_batch(materials.train, materials.types)
    emissions = torch.randn(*batch.mask.shape, len(module.config.tags)) * 50
    for path, mask in zip(decode_batch(module.network, emissions, batch), batch.mask, strict=True):
        tags = [module.config.tags[i] for i in path[: int(mask.sum())]]
        assert is_well_formed(tags, "IOBES")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("rmsprop", torch.optim.RMSprop)],
)
def test_optimiser_is_the_one_configured(name, kind):
    settings = OptimiserConfig(name=name, learning_rate=0.25, weight_decay=0.5)
    optimiser = make_optimiser([nn.Parameter(torch.zeros(1))], settings)
    assert type(optimiser) is kind
    (group,) = optimiser.param_groups
    assert group["lr"] == 0.25
    assert group["weight_decay"] == 0.5
    assert group.get("momentum", 0.9) == 0.9


def test_without_momentum_descent_is_plain():
    settings = OptimiserConfig(momentum=0.0)
    (group,) = make_optimiser([nn.Parameter(torch.zeros(1))], settings).param_groups
    assert group["nesterov"] is False


@pytest.mark.parametrize(("limit", "norm"), [(None, 50.0), (5.0, 5.0), (100.0, 50.0)])
def test_gradients_longer_than_the_limit_are_shortened_to_it(module, limit, norm):
    logged = {}
    module.log = lambda name, value, **_: logged.update({name: value})
    parameters = list(module.parameters())
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    parameters[0].grad.view(-1)[:2] = torch.tensor([30.0, 40.0])
    module.configure_gradient_clipping(make_optimiser(parameters, OptimiserConfig()), limit, None)
    assert logged["gradient_norm"].item() == pytest.approx(50.0)
    assert parameters[0].grad.norm().item() == pytest.approx(norm, rel=1e-4)
    direction = parameters[0].grad.view(-1)[:2] / parameters[0].grad.norm()
    torch.testing.assert_close(direction, torch.tensor([0.6, 0.8]))


def test_rate_rises_and_then_falls_along_a_cosine_to_a_hundredth(module, monkeypatch):
    class Trainer:
        estimated_stepping_batches = 100

    monkeypatch.setattr(TaggerModule, "trainer", Trainer())
    module.settings = replace(
        module.settings, optimiser=OptimiserConfig(learning_rate=1.0, warmup=0.1)
    )
    schedule = module.configure_optimizers()["lr_scheduler"]["scheduler"].lr_lambdas[0]
    rates = [schedule(step) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert all(a > b for a, b in zip(rates[10:], rates[11:], strict=False))
    assert rates[55] == pytest.approx(0.505, abs=0.01)
    assert rates[100] == pytest.approx(0.01)


def test_vectors_learn_at_their_share_of_the_rate(module, monkeypatch):
    class Trainer:
        estimated_stepping_batches = 100

    monkeypatch.setattr(TaggerModule, "trainer", Trainer())
    module.settings = replace(
        module.settings,
        optimiser=OptimiserConfig(name="adam", learning_rate=0.5, vectors_rate=0.1, warmup=0.0),
    )
    groups = module.configure_optimizers()["optimizer"].param_groups
    rate_of = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert all(rate_of.pop(id(p)) == 0.5 for p in module.network.parameters())
    assert all(rate_of.pop(id(p)) == 0.5 * 0.1 for p in module.vectors.parameters())
    assert not rate_of


def test_frozen_vectors_are_not_learnt(settings, materials):
    frozen = replace(settings, vectors=(replace(settings.vectors[0], trainable=False),))
    trainable = make_module(settings, materials)
    assert any(name.startswith("vectors.0.") for name, _ in trainable.named_parameters())
    module = make_module(frozen, materials)
    assert sum(p.numel() for p in module.vectors.parameters()) <= 5  # the unknown word's row
