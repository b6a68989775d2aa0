"""VAE-QR: a score that follows the mass selects as much of each mass once its quantiles are known."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.cards.base import parse_card
from hepad.cards.train import TrainCard
from hepad.errors import CardError, UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base import How, Problem, Sample, Window, train_all
from hepad.methods.vae_qr import QuantileCurves, VaeQr, VaeQrConfig, oddness

WINDOW = Window(3000, 3500, (2500, 4500))
LAYOUT = Layout.vector(("j1_a", "j1_b", "j2_a", "j2_b"))
CONFIG = {"network": {"kind": "vae", "layers": [4], "latent": 1}, "quantiles": [0.5, 0.9, 0.99], "degree": 1}
CUTS = (0.5, 1.0, 1.5)


def chi2_of_flatness(passes: np.ndarray, mass: np.ndarray, bins: int = 8) -> float:
    """Of the selected fractions in bins of as many events, by their binomial errors; `bins` - 1 is expected."""
    place = np.argsort(np.argsort(mass)) * bins // len(mass)
    total = np.bincount(place)
    expected = total * passes.mean()
    return float((np.square(np.bincount(place, passes) - expected) / (expected * (1 - passes.mean()))).sum())


def problem(n: int, seed: int) -> Problem:
    """Jets whose numbers spread the more the higher the mass."""
    rng = np.random.default_rng(seed)
    mass = 2500 + 2000 * rng.beta(1, 1.5, n)
    x = rng.standard_normal((n, 4)) * (mass[:, None] / 2500) ** 2
    batch = Batch("table", LAYOUT, x.astype(np.float32), None, np.ones(n), {"mass": mass})
    return Problem(Sample(batch, rng.integers(0, 3, n)), WINDOW)


def test_the_share_above_a_depth_is_that_at_each_mass_of_events_that_were_not_fitted() -> None:
    rng = np.random.default_rng(3)
    mass = rng.uniform(2000, 5000, (2, 4000))
    score = 5 * (mass / 5000) ** 2 + mass / 1000 * rng.exponential(1, mass.shape)
    curves = QuantileCurves.of((0.3, 0.7, 0.9, 0.95), 2, (mass[0], score[0], np.ones(4000)))
    depth = curves.depth(mass[1], score[1])
    for cut in CUTS:
        raw = score[1] > np.quantile(score[1], 1 - 10**-cut)
        assert chi2_of_flatness(raw, mass[1]) > 60
        assert chi2_of_flatness(depth > cut, mass[1]) < 24.3  # a thousandth of chi2 of 7 is above it
        assert (depth > cut).mean() == pytest.approx(10**-cut, rel=0.15)


def test_the_depth_of_a_quantile_is_its_own_and_rises_beyond_and_where_quantiles_cross() -> None:
    curves = QuantileCurves((0.5, 0.9, 0.99), np.array([[1.0, 0], [2, 1], [4, -2]]), (1000.0, 3000.0))
    mass = np.full(3, 2000.0)
    np.testing.assert_allclose(curves.depth(mass, np.array([1.0, 2, 4])), -np.log10([0.5, 0.1, 0.01]), rtol=1e-4)
    np.testing.assert_allclose(curves.depth(mass[:2], np.array([6.0, 0])), [3, -np.log10(0.5) - np.log10(5)], rtol=1e-4)
    np.testing.assert_array_equal(curves.depth(mass[:1] + 9e3, np.ones(1)), curves.depth(mass[:1] + 1e3, np.ones(1)))
    crossing = curves.depth(np.full(50, 3000.0), np.linspace(-1, 9, 50))
    assert (np.diff(crossing) > 0).all()
    assert np.isfinite(crossing).all()


def test_the_selected_share_does_not_follow_the_mass_though_the_jets_do() -> None:
    data = problem(4500, 1)
    method = VaeQr(CONFIG, LAYOUT)
    method.check_folds(3)
    fitted = train_all(method, data, How(TrainCard(epochs=3, batch_size=250, learning_rate=1e-2), 1))
    sample = data.data
    found = fitted.scores(sample.events, sample.folds)
    raw = np.zeros(len(sample.folds))
    for fold in range(3):
        rows = sample.folds == fold
        raw[rows] = oddness(fitted.losses, fitted.jets, sample.events.take(rows), fold)
    for cut in CUTS[:2]:
        share = 10**-cut
        assert chi2_of_flatness(raw > np.quantile(raw, 1 - share), sample.mass) > 100
        passes = found["rank"] > cut
        assert chi2_of_flatness(passes, sample.mass) < 24.3
        sides, inside = (found["rank"][rows] > cut for rows in (data.sidebands, ~data.sidebands))
        assert sides.mean() == pytest.approx(share, rel=0.02)
        assert abs(inside.mean() - share) < 4 * np.sqrt(share * (1 - share) * (1 / len(inside) + 1 / len(sides)))
    assert {(n.fold, n.validation) for n in fitted.networks} == {(0, 1), (1, 2), (2, 0)}


def test_background_given_is_what_the_networks_learn() -> None:
    data, control = problem(300, 1), problem(300, 2)
    method, how = VaeQr(CONFIG, LAYOUT), How(TrainCard(epochs=1), 1)
    with_control = Problem(data.data, WINDOW, control.data)
    method.check(with_control)
    network = method.trainings(3)[0]
    first = method.train(network, with_control, {}, how)
    again = method.train(network, Problem(control.data, WINDOW, control.data), {}, how)
    own = method.train(network, data, {}, how)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not all(np.array_equal(first[name], own[name]) for name in first)
    with pytest.raises(UsageError, match="takes no signals"):
        method.check(Problem(data.data, WINDOW, None, {"x": control.data}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantiles": [0.9, 0.5]}, "quantiles must rise"),
        ({"quantiles": [0.9, 1.0]}, "less than 1"),
        ({"network": {"kind": "trees"}}, "network"),
        ({"jets": ["j1", "j2", "j3"]}, "jets"),
    ],
)
def test_cards_that_mean_nothing_are_refused(change: dict, message: str) -> None:
    with pytest.raises(CardError, match=message):
        parse_card(VaeQrConfig, {**CONFIG, **change}, "method vae_qr")
