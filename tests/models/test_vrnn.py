"""The recurrent network of jets: its sizes, its steps against a plain loop, its sequences, its scores."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from hepad.bundles.bundle import load_bundle
from hepad.cards.train import TrainCard
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.io.reader import read_events
from hepad.models.vrnn.network import Vrnn, in_sequence
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise, Rows

LAYOUT = Layout.set(6, ("eta", "pt_rel", "phi"))
COLUMNS = (1, 0, 2)


def jets(n: int = 20, seed: int = 1) -> Batch:
    """Sets of 0 to 6 particles, at any of the places, with numbers where there is nothing."""
    rng = np.random.default_rng(seed)
    there = rng.random((n, 6)) < np.linspace(0, 1, n)[:, None]
    x = rng.normal(0, 0.3, (n, *LAYOUT.shape)).astype(np.float32)
    x[:, :, 1] = rng.exponential(0.1, (n, 6))
    x[~there] = 7
    return Batch("particle_set", LAYOUT, x, there, np.linspace(1, 2, n))


def made(**settings: Any) -> Vrnn:
    """A network whose weights matter."""
    model = Vrnn(settings, LAYOUT)
    rng = np.random.default_rng(3)
    weights = {name: rng.uniform(-0.5, 0.5, array.shape) for name, array in model.state().items()}
    weights |= {"momenta": rng.uniform(0.1, 1, (7, 6)), "mean": np.array([0.2])}
    model.load_state({name: array.astype(np.float32) for name, array in weights.items()})
    return model


def test_the_network_is_that_of_the_published_code() -> None:
    """Of its layers at width 16, latent 2 and 3 features: phi_x 336, phi_z 48, encoder 868, prior 340, decoder 851."""
    sizes: dict[str, int] = {}
    for name, array in Vrnn({}, Layout.set(20, ("pt_rel", "eta", "phi"))).state().items():
        part = name.partition(".")[0]
        sizes[part] = sizes.get(part, 0) + array.size
    assert sizes == {
        "particle": 336,
        "number": 48,
        "encoder": 868,
        "prior": 340,
        "decoder": 851,
        "cell": 2304,
        "momenta": 420,
        "mean": 1,
    }


def alone(model: Vrnn, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The squared errors and the weighted divergences (k,) of one jet of k particles in sequence."""
    module, state = model._module, torch.zeros(1, model._settings.hidden)
    errors, divergences = [], []
    for t, particle in enumerate(x):
        seen = module.particle(particle[None])
        own, expected = module.encoder(torch.cat([seen, state], 1)), module.prior(state)
        pair = [Normal(code[:, :2], torch.log1p(torch.exp(code[:, 2:])) + 1e-4) for code in (own, expected)]
        divergences.append(kl_divergence(*pair).sum() * module.momenta[len(x), t])
        drawn = module.number(pair[0].mean + (0 if noise is None else pair[0].stddev * noise[t]))
        errors.append((module.decoder(torch.cat([drawn, state], 1)) - particle).square().mean())
        state = module.cell(torch.cat([seen, drawn], 1), state)
    return torch.stack(errors), torch.stack(divergences)


@pytest.mark.parametrize("order", ["pt", "kt"])
def test_masked_steps_are_those_of_each_jet_alone(order: str) -> None:
    """Scores without noise and losses with it, by a loop over the cell; a jet of nothing scores 0.5."""
    model, batch = made(order=order, beta=0.7), jets()
    scores = model.scores(batch)
    x, there = in_sequence(batch.x, batch.mask, COLUMNS, by_distance=order == "kt")
    draws = torch.randn(20, 6, 2, generator=torch.Generator().manual_seed(4))
    recipe = model._recipe(model._module, TrainingData(batch, batch))
    model.load_state(made().state())  # with its momenta again
    rows = Rows((torch.from_numpy(x), torch.from_numpy(there.astype(np.float32))), None)
    losses = recipe.validate(rows, Noise(torch.Generator().manual_seed(4), torch.device("cpu")))
    for i, count in enumerate(batch.mask.sum(axis=1)):
        if count == 0:
            assert (scores["low_kl"][i], scores["high_kl"][i], losses[i].item()) == (0.5, 0.5, 0)
            continue
        particles = torch.from_numpy(x[i, :count])
        surprise = 1 - torch.exp(-alone(model, particles)[1].mean()).item()
        assert scores["high_kl"][i] == pytest.approx(surprise / 0.4, rel=1e-4)
        assert scores["low_kl"][i] == pytest.approx(1 - surprise / 0.4, rel=1e-4)
        error, divergence = alone(model, particles, draws[i])
        assert losses[i].item() == pytest.approx((error.mean() + 0.7 * divergence.mean()).item(), rel=1e-4)


def test_sequences() -> None:
    """By momentum, or by momentum times distance from the last; equal momenta by their other numbers."""
    pt, eta, phi = [0.5, 0.3, 0.3, 0.1, 9.0], [0.0, 0.1, -0.1, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]
    there = np.array([[True] * 4 + [False]])
    expected = {False: {(0, 1, 2, 3), (0, 2, 1, 3)}, True: {(0, 3, 2, 1)}}
    for by_distance, allowed in expected.items():
        seen = set()
        for order in permutations(range(5)):
            x = np.stack([eta, pt, phi], axis=1, dtype=np.float32)[None, list(order)]
            found, mask = in_sequence(x, there[:, list(order)], COLUMNS, by_distance=by_distance)
            assert mask.tolist() == [[True] * 4 + [False]]
            assert not found[0, 4].any()
            seen.add(tuple(eta.index(round(float(value), 3)) for value in found[0, :4, 0]))
        assert len(seen) == 1
        assert seen <= allowed


def test_momenta_and_the_mean_are_those_of_the_background() -> None:
    """Weighted; of a number of particles that no jet has those of all jets that get so far."""
    batch = jets(40)
    batch = batch.take(batch.mask.sum(axis=1) != 4)
    model = Vrnn({"hidden": 4}, LAYOUT)
    model.fit(TrainingData(batch, batch), options=TrainCard(epochs=1, batch_size=20), seed=1)
    x, there = in_sequence(batch.x, batch.mask, COLUMNS, by_distance=False)
    count, pt, momenta = there.sum(axis=1), x[:, :, 1], model.state()["momenta"]
    for n in (1, 3, 5, 6):
        of = count == n
        np.testing.assert_allclose(momenta[n], np.average(pt[of], axis=0, weights=batch.weight[of]), rtol=1e-5)
    for t in range(4):
        assert momenta[4, t] == pytest.approx(np.average(pt[count > t, t], weights=batch.weight[count > t]), rel=1e-5)
    assert (count == 0).any()
    for values in model.scores(batch).values():
        assert np.average(values[count > 0], weights=batch.weight[count > 0]) == pytest.approx(0.5, rel=1e-4)


def test_the_bundle_scores_jets_of_a_file(data: Path) -> None:
    """As the plain loop does with its weights; the less the divergence, the more anomalous."""
    bundle = load_bundle("vrnn")
    model, (chunk,) = bundle.scorer, read_events([data / "jets.root"], bundle.input.fields())
    assert isinstance(model, Vrnn)
    batch = bundle.input(chunk.events)
    scores, mean = model.scores(batch), float(model.state()["mean"][0])
    for i, count in enumerate(batch.mask.sum(axis=1)):
        surprise = 1 - torch.exp(-alone(model, torch.from_numpy(batch.x[i, :count]))[1].mean()).item()
        assert scores["low_kl"][i] == pytest.approx(1 - surprise / (2 * mean), abs=1e-4)
    assert 0.4 < scores["low_kl"].mean() < 0.6
    np.testing.assert_allclose(scores["low_kl"] + scores["high_kl"], 1, rtol=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(CardError, match="takes a set"):
        Vrnn({}, Layout.vector(["jet1_pt"]))
    with pytest.raises(CardError, match=r"no feature 'pt'.*pt_rel"):
        Vrnn({"momentum": "pt"}, LAYOUT)
    with pytest.raises(CardError, match="named each once"):
        Vrnn({"scores": ["low_kl", "low_kl"]}, LAYOUT)
