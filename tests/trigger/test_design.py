from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hepad.errors import CardError, UsageError
from hepad.models.compose import Chain
from hepad.models.dnn_ae import DenseAutoencoder
from hepad.models.rmm_ae import RmmAutoencoder
from hepad.models.snn_ae import SpikingAutoencoder
from hepad.models.vae.scorer import VariationalAutoencoder
from hepad.nn.layers import layers_of
from hepad.testing.examples import example_batch
from hepad.trigger.calibration import POST_ROUTE, clock_period
from hepad.trigger.design import Design, Precision, input_formats, quantised_weights
from hepad.trigger.fixed import Format, at_most, bit, floor_to, power_format, to_grid
from hepad.trigger.network import float_scores, operations, spike_trains
from hepad.trigger.shallow import merged, squares

from .networks import LAYOUT, dense, networks, rows, spiking

FINE = Precision(input=16, weight=16, activation=14, membrane=16, leak=8, current=10, error=12, error_integer=3)


def design(network, precision, **part):
    return Design(network, precision, input_formats(LAYOUT, precision.input, "max_with_floor"), **part)


@pytest.mark.parametrize("kind", [SpikingAutoencoder, DenseAutoencoder, VariationalAutoencoder])
def test_the_plain_network_gives_the_scores_of_the_scorer(kind):
    batch = example_batch(
        "l1_vector", 400, seed=1, features=("pt", "eta", "phi") if kind is VariationalAutoencoder else ("pt",)
    )
    extra = {"scores": ["mu2", "kl", "r"]} if kind is VariationalAutoencoder else {}
    scorer = kind({"layers": [6, 3], **extra}, batch.layout)
    for name in extra.get("scores", ["mse"]):
        network = layers_of(scorer, name)
        np.testing.assert_allclose(float_scores(network, batch.x), scorer.scores(batch)[name], rtol=1e-4, atol=1e-6)


def test_models_and_scores_without_logic_are_refused_by_name():
    with pytest.raises(CardError, match="model 'rmm_ae' has no logic yet"):
        layers_of(RmmAutoencoder({"layers": [3]}, LAYOUT), "mse")
    encoder = VariationalAutoencoder({"scores": ["mu2", "kl"]}, LAYOUT)
    with pytest.raises(CardError, match="score 'mse' of vae has no logic: there is some for mu2, kl"):
        layers_of(encoder, "mse")
    with pytest.raises(CardError, match="input without scale"):
        input_formats(LAYOUT, 8, "none")


def test_the_layers_of_a_chain_are_those_of_both_and_go_back_into_it():
    card = {
        "embed": {"name": "vicreg", "layers": [5, 6], "projector": [4]},
        "score": {"name": "dense_vae", "layers": [4], "latent": 3},
    }
    batch = example_batch("l1_hardware", 300, seed=1, features=("pt", "eta", "phi"))
    scorer = Chain(card, batch.layout)
    network = layers_of(scorer, "sse")
    assert (network.sizes[1:], network.embedding, len(network.encoder)) == ((5, 6, 4, 3, 4, 6), 2, 4)
    expected = scorer.scores(batch)["sse"]
    np.testing.assert_allclose(float_scores(network, batch.x), expected, rtol=1e-3)
    double = tuple(replace(layer, weight=2 * layer.weight) for layer in network.layers)
    scorer.load_state(scorer.state_of(replace(network, layers=double)))
    again = layers_of(scorer, "sse")
    for one, two in zip(double, again.layers, strict=True):
        np.testing.assert_allclose(one.weight, two.weight, rtol=1e-6)
    np.testing.assert_allclose(float_scores(again, batch.x), scorer.scores(batch)["sse"], rtol=1e-3)
    other = Chain({**card, "score": {"name": "dnn_ae", "layers": [3]}}, batch.layout)
    with pytest.raises(CardError, match="model 'chain' has no logic yet"):
        layers_of(other, "mse")


def test_rounding_is_half_up_and_not_half_to_even():
    assert to_grid([0.5, 1.5, 2.5, -0.5, -1.5], 0).tolist() == [1, 2, 3, 0, -1]
    assert floor_to(np.array([0.99, -0.01]), 1).tolist() == [0.5, -0.5]
    assert at_most(np.array([0.3, 0.99, 7.0]), Format(False, 0, 2)).tolist() == [0.25, 0.75, 0.75]
    assert bit(np.array([5.0, 2.0]), 1).tolist() == [0, 1]


@pytest.mark.parametrize(("largest", "integer"), [(0.9, 0), (1.0, 1), (1.2, 1), (3.99, 2), (0.2, -2)])
def test_a_format_holds_the_largest_weight(largest, integer):
    form = power_format(largest, 6)
    assert (form.bits, form.integer) == (6, integer)
    assert 2.0**form.integer > largest


@pytest.mark.parametrize("name", sorted(networks()))
def test_with_many_bits_the_design_gives_the_scores_of_the_network(name):
    network, x = replace(networks()[name], slope=5 / 16), rows()  # what the logic makes of 0.3
    fine = design(network, FINE)
    expected, got = float_scores(network, x), fine.scores(x)
    if network.spiking is None:
        below = expected < 8  # a term of kl saturates at 64 / 6
        np.testing.assert_allclose(got[below], expected[below], rtol=0.03 if name in {"kl", "r"} else 0.005, atol=0.005)
        assert below.sum() > 200
    else:  # a current at the edge of a spike, or a leak of 0.8984 for 0.9
        close = np.isclose(got, expected, rtol=0.01, atol=0.002)
        assert close.mean() > 0.9
        assert len(np.unique(got)) > 100


@pytest.mark.parametrize("name", ["chain", "dense", "mu2", "kl", "r"])
def test_shallow_logic_gives_the_scores_of_the_network_too(name):
    """Its roundings are fewer: linear layers are one, and differences are rounded once."""
    network, x = replace(networks()[name], slope=5 / 16), rows()
    expected, got = float_scores(network, x), design(network, FINE, shallow=True).scores(x)
    below = expected < 8
    np.testing.assert_allclose(got[below], expected[below], rtol=0.03 if name in {"kl", "r"} else 0.005, atol=0.005)
    assert below.sum() > 200


def test_squares_beyond_their_range_are_the_largest_on_both_sides():
    form, values = Format(False, 1, 2), np.array([-9.0, -2.0, -1.9, -0.3, 0.0, 1.76, 1.99, 2.0, 77.0])
    # Rounded down: -2 is the lowest, whose square 4 is one step more than two bits before the point hold.
    assert squares(values, form).tolist() == [3.9375, 3.9375, 3.9375, 0.25, 0, 3.0625, 3.0625, 3.9375, 3.9375]


def test_with_a_leak_that_bits_hold_spikes_are_those_of_the_network():
    network, x = spiking(beta=0.875), rows()
    got = design(network, FINE, encoder=True)(design(network, FINE).quantised(x))
    trains = spike_trains(network, x)[1]
    codes = (trains * 2.0 ** np.arange(5)[:, None]).sum(axis=1)
    assert got.shape == codes.shape
    assert len(np.unique(codes)) > 4
    assert (got == codes).mean() > 0.97


def test_integers_of_different_size_have_weights_of_their_own_place():
    """Inputs up to 2^9 times as large with weights as much smaller: no weight is rounded away for another's size."""
    shift = np.array([0.0, 3.0, 6.0, 9.0])
    network, formats = networks()["mu2"], [Format(False, 2 + int(s), 4) for s in shift]
    first = replace(network.layers[0], weight=network.layers[0].weight * 2.0**-shift)
    whole, x = replace(network, layers=(first, *network.layers[1:])), np.floor(rows() * 16) / 16 * 2.0**shift
    plain, placed = (
        Design(n, Precision(weight=6, error_integer=3), formats) for n in (whole, replace(whole, shift=shift))
    )
    expected = float_scores(whole, x)
    errors = [np.abs(made.scores(x) - expected).mean() for made in (plain, placed)]
    assert errors[1] < 0.25 * errors[0]
    np.testing.assert_allclose(placed.scores(x), design(network, Precision(error_integer=3)).scores(x / 2.0**shift))


def test_fewer_bits_are_further_from_the_network():
    network, x = dense(), rows()
    errors = [
        np.abs(design(network, Precision(weight=bits, error_integer=2)).scores(x) - float_scores(network, x)).mean()
        for bits in (3, 5, 9)
    ]
    assert errors[0] > errors[1] > errors[2]


def test_linear_layers_that_follow_one_another_are_one():
    layers = merged(dense().layers)
    assert [layer.weight.shape for layer in layers] == [(5, 4), (5, 5), (4, 5)]
    assert [layer.after for layer in layers] == ["relu", "relu", "linear"]
    found = float_scores(replace(dense(), layers=tuple(layers)), rows())
    np.testing.assert_allclose(found, float_scores(dense(), rows()))


def test_operations_count_spikes():
    x = rows()
    assert operations(dense())["mac"] == 4 * 5 + 5 * 3 + 3 * 5 + 5 * 4
    counted = operations(spiking(), x)
    first = spike_trains(spiking(), x)
    expected = sum(t.sum() / len(x) * width for t, width in zip(first, (3, 5, 4), strict=True))
    assert counted["mac"] == 20
    assert counted["conditional_adds"] == pytest.approx(expected)
    assert counted["neuron_updates"] == 5 * (5 + 3 + 5 + 4)
    assert operations(dense())["neuron_updates"] == 5 + 3 + 5 + 4


def test_operations_of_a_design_are_those_of_its_own_weights_and_spikes():
    x = rows()
    network = spiking(beta=0.875)
    fine = design(network, FINE)
    wanted = operations(network, fine.quantised(x))
    assert fine.operations(x)["conditional_adds"] == pytest.approx(wanted["conditional_adds"], rel=0.01)
    assert fine.operations(x)["neuron_updates"] == wanted["neuron_updates"]
    few, plain = design(network, Precision(weight=2)), design(dense(), Precision(weight=2))
    for made in (few, plain):
        left = [
            np.count_nonzero(quantised_weights(w.weight / (1.2 if w.after == "spike" else 1), 2))
            for w in made.network.layers
        ]
        counted = made.operations(x)
        if made is plain:
            assert counted == {"mac": sum(left), "conditional_adds": 0, "neuron_updates": 17}
        else:
            assert counted["mac"] == left[0]
            assert left[0] < 20
            assert counted["conditional_adds"] < 5 * sum(left[1:])


def test_precision_is_bounded_and_parts_are_checked():
    with pytest.raises(UsageError, match="weight bits must be 2 to 16, not 1"):
        Precision(weight=1)
    with pytest.raises(UsageError, match="an encoder already"):
        design(networks()["kl"], Precision(), encoder=True)
    with pytest.raises(UsageError, match="no score"):
        design(dense(), Precision(), encoder=True).scores(rows())


def test_the_clock_period_is_the_line_through_published_designs():
    """The line and its scatter as found when the reports were collected: 2.54 + 7.3e-6 cost, rms 0.24 ns."""
    at_zero, at_more = clock_period(0), clock_period(1e5)
    assert at_zero.ns == pytest.approx(2.54, abs=0.005)
    assert (at_more.ns - at_zero.ns) / 1e5 == pytest.approx(7.3e-6, abs=5e-8)
    assert at_zero.error_ns == pytest.approx(0.24, abs=0.005)
    assert (at_zero.extrapolated, at_more.extrapolated, clock_period(4e5).extrapolated) == (True, False, True)
    assert len(POST_ROUTE) == 20
