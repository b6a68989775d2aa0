"""Set-VAE and CLIP-VAE: their sizes, their loss against all pairs of a padded set, what they refuse."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, one_hot

from hepad.cards.train import TrainCard
from hepad.errors import CardError, InputDataError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.set_vae.network import ClipVae, SetVae
from hepad.nn.blocks import kl_divergence
from hepad.nn.packed import pack
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise, Rows

FEATURES = ("pt_rel", "deta", "dphi", "log_pt", "log_energy", "log_pt_rel", "log_energy_rel", "delta_r")
LAYOUT = Layout.set(12, FEATURES)
TRANSFORMER = {"network": "transformer", "width": 128, "encoder_layers": 6, "decoder_layers": 6}
SMALL = {"width": 8, "feedforward": 8, "latent": 4, "encoder_layers": 2, "decoder_layers": 1, "pooling_layers": 1}


def jets(n: int = 30) -> Batch:
    """Sets of 0 to 12 particles, at any of the places."""
    rng = np.random.default_rng(1)
    there = rng.random((n, 12)) < np.linspace(0, 1, n)[:, None]
    x = rng.normal(0, 0.3, (n, *LAYOUT.shape)).astype(np.float32)
    x[:, :, 0] = rng.exponential(0.1, (n, 12))
    x[~there] = 7
    ids = np.where(there, rng.integers(0, 9, (n, 12)), 3)
    return Batch("particle_set", LAYOUT, x, there, np.ones(n), {"id": ids})


def test_the_networks_have_the_published_sizes() -> None:
    """Table 1 and 2 of arXiv:2311.17162: 205k, 1.81M, and what scores of CLIP-VAE, the encoder, 103k and 952k."""
    layout = Layout.set(128, FEATURES)
    for config, whole, encoder in (({}, 205_155, 103_264), (TRANSFORMER, 1_812_259, 952_352)):
        state = {name: np.size(array) for name, array in ClipVae(config, layout).state().items()}
        learned = {k: size for k, size in state.items() if not k.endswith(("norm.mean", "norm.variance"))}
        assert sum(learned.values()) == whole
        assert sum(size for name, size in learned.items() if name.startswith("encoder.")) == encoder


@pytest.mark.parametrize("ids", [True, False])
def test_deep_sets_are_those_of_padded_sets(ids: bool) -> None:
    """Written once more with padding, masks and all pairs."""
    made = SetVae({**SMALL, "ids": ids, "scores": ["chamfer", "kl"]}, LAYOUT)
    rng = np.random.default_rng(3)
    made.load_state({name: rng.uniform(0.02, 0.3, array.shape) for name, array in made.state().items()})
    batch = jets()
    scores = made.scores(batch)
    chamfer, kl = padded(made._module, batch, ids)
    np.testing.assert_allclose(scores["kl"], kl, rtol=1e-4)
    np.testing.assert_allclose(scores["chamfer"], chamfer, rtol=1e-4)
    assert scores["chamfer"][0] == 0


def padded(module: Any, batch: Batch, ids: bool) -> tuple[Tensor, Tensor]:
    """The scores of a deep set whose angular scale is the default."""
    there = torch.from_numpy(batch.mask)
    x = torch.from_numpy(np.where(batch.mask[:, :, None], batch.x, 0)) * torch.tensor([10.0, *[1.0] * 7])
    kind = torch.from_numpy(batch.beside["id"] if ids else np.zeros(there.shape, dtype=np.int64)) * there
    flags = one_hot(kind, 9)[:, :, 1:].float()
    share = (there / there.sum(dim=1, keepdim=True).clamp(min=1))[:, :, None]
    same = there[:, :, None] & there[:, None, :] & (kind[:, :, None] == kind[:, None, :])

    def layers(y: Tensor, part: Any) -> Tensor:
        for layer in part.layers:
            norm = layer.norm
            y = (y - norm.mean) / torch.sqrt(norm.variance + 1e-5) * norm.weight + norm.bias
            rest = leaky_relu(layer.of_set((y * share).sum(dim=1, keepdim=True)))
            y = leaky_relu(layer.out(leaky_relu(layer.own(y)) + rest))
        return y

    with torch.no_grad():
        y = layers(module.encoder.start(torch.cat([x, flags], dim=2) if ids else x), module.encoder)
        z = (y * share).sum(dim=1)
        mean, log_variance = module.encoder.mean(z), module.encoder.log_variance(z)
        place = (same & torch.ones(12, 12, dtype=torch.bool).tril(-1)).sum(dim=2)
        y = module.decoder.start(mean)[:, None] + module.decoder.places[place]
        y = layers(y + module.decoder.kinds(flags) if ids else y, module.decoder)
        made = module.decoder.end(y)
        made[:, :, 0] = made[:, :, 0].exp()
        p, q = x[:, :, None, :3], made[:, None]
        pairs = (p - q)[..., 0].square() + (p[..., :1] * (p - q)[..., 1:] / 0.15).square().sum(dim=3)
        pairs = pairs.masked_fill(~same, torch.inf)
        nearest = torch.where(there, pairs.amin(dim=2) + pairs.amin(dim=1), 0)
        return (0.5 * nearest * share[:, :, 0]).sum(dim=1), kl_divergence(mean, log_variance)


@pytest.mark.parametrize("network", ["deepset", "transformer"])
def test_neither_order_nor_padding_nor_the_others_matter(network: str) -> None:
    made = SetVae({**SMALL, "network": network, "heads": 2, "scores": ["chamfer", "kl"]}, LAYOUT)
    batch = jets()
    order = np.random.default_rng(2).permutation(12)
    x, ids = np.where(batch.there, batch.x, np.nan), np.where(batch.mask, batch.beside["id"], 99)
    other = Batch(batch.kind, LAYOUT, x[:, order], batch.mask[:, order], batch.weight, {"id": ids[:, order]})
    for name, values in made.scores(batch).items():
        np.testing.assert_allclose(made.scores(other)[name], values, rtol=1e-5, atol=1e-6)
        single = np.concatenate([made.scores(batch.take(slice(i, i + 1)))[name] for i in range(len(batch))])
        np.testing.assert_array_equal(single, values)


def test_only_the_best_reconstructed_part_feels_the_divergence() -> None:
    """The loss is mean(chamfer) + beta * mean(kl of the 75 % of lowest chamfer); weights of events are kept."""
    config = {**SMALL, "beta": 0.5, "noise_steps": 10**9, "scores": ["chamfer", "kl"]}
    made, batch = ClipVae(config, LAYOUT), jets(40)
    weight = torch.linspace(0.5, 1.5, 40)
    tensors = tuple(torch.from_numpy(np.array(array, dtype=np.float32)) for array in made._arrays(batch))
    recipe = made._recipe(made._module.eval(), TrainingData(batch, batch))
    noise = Noise(torch.Generator().manual_seed(1), torch.device("cpu"))
    scores = {name: torch.from_numpy(values) for name, values in made.scores(batch).items()}
    best = scores["chamfer"].argsort()[:30]
    for weights in (None, weight):
        w = torch.ones(40) if weights is None else weights
        expected = (w * scores["chamfer"]).mean() + 0.5 * (w * scores["kl"])[best].sum() / w[best].sum()
        got = recipe.phases[0].loss(Rows(tensors, weights), noise)
        assert got.item() == pytest.approx(expected.item(), rel=1e-4)
    got = recipe.validate(Rows(tensors, None), noise).mean().item()
    assert got == pytest.approx((scores["chamfer"].mean() + 0.5 * scores["kl"][best].mean()).item(), rel=1e-5)


def test_the_gradient_is_that_of_all_pairs() -> None:
    """Of the loss over numbers that are given back; it is kept for the nearest only."""
    made, batch = SetVae(SMALL, LAYOUT), jets()
    packed = pack([torch.from_numpy(np.array(array, dtype=np.float32)) for array in made._arrays(batch)])
    y = (packed.x[:, :3] * 0.8 + 0.05).requires_grad_()
    made._error(packed, y).sum().backward()
    got, y.grad = y.grad.clone(), None
    same = (packed.owner[:, None] == packed.owner) & (packed.kind[:, None] == packed.kind)
    p, q = packed.x[:, None, :3], y[None]
    pairs = (p - q)[..., 0].square() + (p[..., :1] * (p - q)[..., 1:] / 0.15).square().sum(dim=2)
    pairs = pairs.masked_fill(~same, torch.inf)
    (0.5 * packed.mean((pairs.amin(dim=0) + pairs.amin(dim=1))[:, None])).sum().backward()
    torch.testing.assert_close(got, y.grad)


def test_the_noise_grows_and_goes_on_after_a_checkpoint() -> None:
    made = SetVae({**SMALL, "noise_steps": 4}, LAYOUT)
    memory = made._recipe(made._module, TrainingData(jets(), jets())).memory
    assert [memory.next() for _ in range(3)] == [0.25, 0.5, 0.75]
    again = made._recipe(made._module, TrainingData(jets(), jets())).memory
    again.load_state(memory.state())
    assert [again.next() for _ in range(2)] == [1.0, 1.0]


def test_what_does_not_fit_is_refused() -> None:
    batch = jets()
    with pytest.raises(CardError, match="takes a set"):
        SetVae({}, Layout.vector(["jet1_pt"]))
    with pytest.raises(CardError, match=r"no feature 'phi'.*pt_rel"):
        SetVae({"angles": ["deta", "phi"]}, LAYOUT)
    with pytest.raises(CardError, match="multiple of heads"):
        SetVae({"network": "transformer", "width": 10}, LAYOUT)
    with pytest.raises(CardError, match="width 9 is odd"):
        SetVae({"width": 9}, LAYOUT)
    with pytest.raises(CardError, match="named each once"):
        SetVae({"scores": ["kl", "kl"]}, LAYOUT)
    plain = Batch(batch.kind, LAYOUT, batch.x, batch.mask, batch.weight)
    with pytest.raises(CardError, match="ids: beside"):
        SetVae(SMALL, LAYOUT).scores(plain)
    SetVae({**SMALL, "ids": False}, LAYOUT).scores(plain)
    with pytest.raises(InputDataError, match=r"is of kind [4-8], set_vae knows kinds 0 to 3 only"):
        SetVae({**SMALL, "id_kinds": 3}, LAYOUT).scores(batch.take(batch.beside["id"].max(axis=1) == 8))


def test_a_transformer_learns() -> None:
    batch = jets(200)
    made = SetVae({**SMALL, "network": "transformer", "heads": 2, "noise_steps": 0}, LAYOUT)
    before = made.scores(batch)["chamfer"].mean()
    options = TrainCard(epochs=3, batch_size=50, learning_rate=3e-3, clip_norm=0.5)
    report = made.fit(TrainingData(batch, batch), options=options, seed=1)
    assert report.validation_loss[-1] < report.validation_loss[0]
    assert made.scores(batch)["chamfer"].mean() < before


@pytest.mark.parametrize("network", ["deepset", "transformer"])
def test_all_that_is_made_on_the_way_is_made_where_the_sets_are(network: str) -> None:
    """Without an accelerator: what is made on no device in particular is made on `meta` here, and fits to nothing."""
    model, batch = ClipVae({**SMALL, "network": network, "heads": 2, "scores": ["chamfer", "kl"]}, LAYOUT), jets()
    recipe = model._recipe(model._module, TrainingData(batch, batch))
    tensors = tuple(torch.from_numpy(np.array(array, dtype=np.float32)) for array in model._arrays(batch))
    draws = torch.randn(len(batch), 4)
    noise: Any = SimpleNamespace(normal=lambda *shape: draws.view(shape))
    model._module.train()
    with torch.device("meta"):
        for weight in (None, tensors[1].mean(dim=1)):
            recipe.phases[0].loss(Rows(tensors, weight), noise).backward()
            assert recipe.validate(Rows(tensors, weight), noise).device.type == "cpu"
        padded_with = pack(tensors, (600, 40))
        model._module.eval()
        assert all(score.device.type == "cpu" for score in model._scores_of(model._module, padded_with))
