"""CWoLa hunting, against what is known of made-up spectra: densities, weights and ranks in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hepad.cards.train import TrainCard
from hepad.errors import CardError, InputDataError, UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base import MASS, How, Problem, Sample, Window, train_all
from hepad.methods.base.folded import WINDOW_SHARES, Contest, FittedFolds, Place
from hepad.methods.base.ranks import Ranks
from hepad.methods.cwola import Cwola
from hepad.nn.supervised import LABEL

WINDOW = Window(3300, 3700, (2800, 4200))
LAYOUT = Layout.vector(["jet1_mass", "jet2_mass"])
OPTIONS = TrainCard(epochs=30, batch_size=500, learning_rate=3e-3, patience=8)


def network(*layers: int, **settings: int) -> dict[str, object]:
    return {"classifier": {"kind": "network", "layers": list(layers)}, **settings}


def learned_of(method: Cwola, data: Batch, folds: np.ndarray, options: TrainCard = OPTIONS) -> FittedFolds:
    return train_all(method, Problem(Sample(data, folds), WINDOW), How(options, 1))


def spectrum(background: int, signal: int, seed: int = 1) -> tuple[Batch, np.ndarray]:
    """Background N(0, 1) in two numbers and flat in the mass, signal N((1.5, 1.5), 0.5) in the window."""
    rng = np.random.default_rng(seed)
    mass = np.concatenate([rng.uniform(2800, 4200, background), rng.uniform(3300, 3700, signal)])
    x = np.concatenate([rng.normal(0, 1, (background, 2)), rng.normal(1.5, 0.5, (signal, 2))])
    order = rng.permutation(len(mass))
    batch = Batch("event_features", LAYOUT, x[order].astype(np.float32), None, np.ones(len(mass)), {MASS: mass[order]})
    return batch, rng.integers(0, 5, len(mass))


@pytest.fixture(scope="module")
def fitted() -> tuple[FittedFolds, Batch, np.ndarray]:
    data, folds = spectrum(4000, 400)
    method = Cwola(network(16, 8, rotations=2, restarts=2), LAYOUT)
    return learned_of(method, data, folds), data, folds


def test_the_network_is_the_ratio_of_the_densities(fitted: tuple[FittedFolds, Batch, np.ndarray]) -> None:
    """Metodiev, Nachman, Thaler: it rises with the likelihood ratio of signal and background, which is known here."""
    learned, data, folds = fitted
    found = learned.scores(data, folds)["log_odds"].astype(np.float64)
    x = data.x.astype(np.float64)
    signal = np.exp(-0.5 * ((x - 1.5) ** 2).sum(axis=1) / 0.25) / 0.25
    background = np.exp(-0.5 * (x**2).sum(axis=1))
    share = 400 / (400 + 4000 * 400 / 1400)
    exact = np.log((1 - share) + share * signal / background)
    assert np.corrcoef(found, exact)[0, 1] > 0.9
    assert abs(np.mean(found[exact > 0.5]) - np.mean(exact[exact > 0.5])) < 0.4
    assert np.mean(found[exact < -0.25]) == pytest.approx(np.mean(exact[exact < -0.25]), abs=0.2)


def test_the_rank_is_the_fraction_of_the_sidebands_of_the_fold(fitted: tuple[FittedFolds, Batch, np.ndarray]) -> None:
    learned, data, folds = fitted
    scores = learned.scores(data, folds)
    window = WINDOW.parts(data.beside[MASS])["window"]
    for fold in range(5):
        mine = folds == fold
        sides = np.sort(scores["log_odds"][mine & ~window])
        above = len(sides) - np.searchsorted(sides, scores["log_odds"][mine & ~window], side="left")
        expected = -np.log10(above / len(sides))
        np.testing.assert_allclose(scores["rank"][mine & ~window], expected, atol=2e-3)
        highest = scores["rank"][mine & window & (scores["log_odds"] > sides[-1])]
        np.testing.assert_allclose(highest, np.log10(len(sides)), rtol=1e-5)


def test_events_that_share_the_highest_value_share_its_rank() -> None:
    """As trees give it: in double precision it may lie above what is kept of it, and means the same."""
    place = Place(0, 1, 0)
    value = float(np.float32(0.1)) + 1e-9
    assert float(np.float32(value)) < value
    reference = Ranks(
        np.array([-1.0, np.float32(value), np.nextafter(np.float32(value), np.float32(1))]), np.array([0, 1, 3.0])
    )
    learned = FittedFolds("cwola", (), {place: lambda batch: np.full(len(batch), value)}, {}, (reference,))
    data, _ = spectrum(3, 0)
    np.testing.assert_array_equal(learned.scores(data, np.zeros(3, dtype=np.int64))["rank"], 1)


@pytest.mark.parametrize(("fraction", "references"), [(0.01, 199), (0.01, 999), (0.03, 150), (0.1, 25)])
def test_a_cut_on_the_rank_keeps_as_much_of_others_as_of_the_reference(fraction: float, references: int) -> None:
    """Of noise: k of n reference events pass, of others k in n + 1 in the mean."""
    rng = np.random.default_rng(5)
    kept = passed = 0.0
    for _ in range(400):
        own = rng.standard_normal(references)
        ranks = Ranks.of(own, np.ones(references))
        cut = -np.log10(fraction) - 1e-12
        kept += np.count_nonzero(ranks(own) >= cut) / (references + 1) / 400
        passed += np.count_nonzero(ranks(rng.standard_normal(2000)) >= cut) / 2000 / 400
    error = np.sqrt(fraction / references / 400 + fraction / 2000 / 400)
    assert passed == pytest.approx(kept, abs=4 * error)
    if fraction * references > 1:
        assert kept == pytest.approx(fraction, abs=1.01 / references)
    assert ranks(np.array([-9.0]))[0] == 0


def test_the_restart_of_lowest_validation_loss_is_kept(fitted: tuple[FittedFolds, Batch, np.ndarray]) -> None:
    networks = fitted[0].networks
    assert len(networks) == 5 * 2 * 2
    assert {(n.fold, n.validation) for n in networks} == {(i, (i + r) % 5) for i in range(5) for r in (1, 2)}
    for fold in range(5):
        for other in {n.validation for n in networks if n.fold == fold}:
            tried = [n for n in networks if (n.fold, n.validation) == (fold, other)]
            assert [n.kept for n in tried] == [n.loss == min(m.loss for m in tried) for n in tried]
            assert sum(n.kept for n in tried) == 1
    assert len(fitted[0].kept) == 10
    assert max(n.loss for n in networks if n.kept) < np.log(2)


def test_classes_and_sides_count_equally() -> None:
    data, folds = spectrum(300, 30)
    mass = np.where(np.arange(330) % 3 == 0, 2900.0, data.beside[MASS])
    data = replace(data, weight=np.linspace(1, 2, 330), beside={MASS: mass})
    parts = WINDOW.parts(mass)
    group = np.select([parts[share.name] for share in WINDOW_SHARES], [0, 1, 2], -1)
    made = Contest(Sample(data, folds), group, WINDOW_SHARES).training(Place(0, 1, 0))
    for batch, rows in ((made.train, folds > 1), (made.validation, folds == 1)):
        assert len(batch) == rows.sum()
        np.testing.assert_array_equal(batch.beside[LABEL], parts["window"][rows])
        for part, share in (("lower sideband", 0.25), ("window", 0.5), ("upper sideband", 0.25)):
            assert batch.weight[parts[part][rows]].sum() == pytest.approx(share)
        own = parts["lower sideband"][rows]
        np.testing.assert_allclose(
            batch.weight[own] / batch.weight[own].sum(), data.weight[rows][own] / data.weight[rows][own].sum()
        )


def test_what_is_reweighted_by_is_matched_among_those_trained_on_and_not_seen() -> None:
    """The second number rises with the mass, and the first with the second: only the second would tell the window."""
    data, folds = spectrum(3000, 0)
    mass = data.beside[MASS]
    rising = (mass - 3500) / 400 + 0.3 * data.x[:, 1]
    data = replace(data, x=np.stack([data.x[:, 0], rising], axis=1).astype(np.float32))
    settings = {"classifier": {"kind": "trees", "trees": 20}, "rotations": 1}
    method = Cwola({**settings, "reweight": "jet2_mass"}, LAYOUT)
    made = method.contest(Problem(Sample(data, folds), WINDOW)).training(Place(0, 1, 0))
    assert made.train.layout == Layout.vector(["jet1_mass"])
    trained = folds > 1
    np.testing.assert_array_equal(made.train.x[:, 0], data.x[trained, 0])
    parts = WINDOW.parts(mass[trained])
    values, weight = rising[trained], made.train.weight
    for part in ("lower sideband", "upper sideband"):
        own, window = parts[part], parts["window"]
        assert weight[own].sum() == pytest.approx(0.25)
        plain, matched = (abs(np.average(values[own], weights=w) - values[window].mean()) for w in (None, weight[own]))
        assert matched < 0.7 * plain
        assert weight[own].max() / weight[own].min() == pytest.approx(50, rel=1e-6)
    learned = learned_of(method, data, folds)
    other = replace(data, x=data.x * np.float32([1, -3]))
    np.testing.assert_array_equal(learned.scores(data, folds)["rank"], learned.scores(other, folds)["rank"])
    for name, said in (("jet3_mass", "reweight: jet3_mass is not among the features"), ("met", "met is not among")):
        with pytest.raises(CardError, match=said):
            Cwola({"reweight": name}, LAYOUT)
    with pytest.raises(CardError, match="nothing is left to see beside jet1_mass"):
        Cwola({"reweight": "jet1_mass"}, Layout.vector(["jet1_mass"]))


def test_a_window_is_half_open_and_within_its_sidebands() -> None:
    edges = np.array([2799.9, 2800, 3300, 3699.9, 3700, 4199.9, 4200])
    found = WINDOW.parts(edges)
    assert found["lower sideband"].tolist() == [False, True, False, False, False, False, False]
    assert found["window"].tolist() == [False, False, True, True, False, False, False]
    assert found["upper sideband"].tolist() == [False, False, False, False, True, True, False]
    for low, high, sides in ((3700, 3300, (2800, 4200)), (2800, 3700, (2800, 4200)), (3300, 4300, (2800, 4200))):
        with pytest.raises(UsageError, match="must lie within the sidebands"):
            Window(low, high, sides)
    with pytest.raises(UsageError, match="numbers in GeV"):
        Window(3300, np.nan, (2800, 4200))


def test_a_network_card_has_one_activation_or_one_a_layer() -> None:
    settings = {"classifier": {"kind": "network", "layers": [4, 2, 1], "activations": ["elu", "elu"]}}
    with pytest.raises(CardError, match="activations has 2 entries for 3 layers"):
        Cwola(settings, LAYOUT)


def test_too_few_folds_and_background_are_refused() -> None:
    method, data = Cwola(network(4, rotations=4), LAYOUT), Sample(*spectrum(50, 5))
    method.check_folds(5)
    with pytest.raises(UsageError, match="4 folds are too few for 4 rotations"):
        method.check_folds(4)
    with pytest.raises(UsageError, match="takes no background"):
        method.check(Problem(data, WINDOW, background=data))
    few = data.take(data.folds < 4)
    assert (Problem(few, WINDOW).folds, Problem(few, WINDOW, of_folds=5).folds) == (4, 5)
    with pytest.raises(InputDataError, match="fold 4 has no events in the lower sideband"):
        method.check(Problem(few, WINDOW, of_folds=5))


def test_a_network_is_not_trained_on_the_fold_that_it_is_validated_on() -> None:
    """With one rotation, fold 0 is validated on fold 1 and trained on fold 2 alone."""
    data, folds = spectrum(300, 30)
    folds %= 3
    method = Cwola(network(4, rotations=1), LAYOUT)
    options = TrainCard(epochs=3, batch_size=50)
    kept = (folds != 1) | (np.arange(330) % 3 > 0)
    whole = learned_of(method, data, folds, options)
    fewer = learned_of(method, data.take(kept), folds[kept], options)
    states = [{k: array for k, array in one.state().items() if k.startswith("0.1.0/")} for one in (whole, fewer)]
    assert states[0]
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name])
    assert whole.networks[0].loss != fewer.networks[0].loss
    assert not np.array_equal(whole.state()["2.0.0/0.weight"], fewer.state()["2.0.0/0.weight"])
