"""Networks in fixed point against sums of fractions, one product after the other, as C++ takes them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.fixed.network import FixedNetwork

from ..hls import Kind, dense

INPUT, HIDDEN, RELU = "ap_fixed<8,6,AP_RND_CONV,AP_SAT>", "ap_fixed<13,8>", "ap_ufixed<10,6,AP_RND_CONV,AP_SAT>"
SCORE = "ap_ufixed<18,14>"
# Sums that lose nothing; that drop bits of each product; that wrap.
SUMS = ("ap_fixed<24,14>", "ap_fixed<14,11>", "ap_fixed<9,4>")


def made(config: dict[str, Any], tensors: dict[str, np.ndarray], inputs: int) -> FixedNetwork:
    network = FixedNetwork(config, Layout.vector([f"x{i}" for i in range(inputs)]))
    network.load_state(tensors)
    return network


def weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-31, 32, shape) / 8.0


def fractions(row: np.ndarray) -> list[Fraction]:
    return [Fraction(float(value)) for value in row]


@pytest.mark.parametrize("sums", SUMS)
@pytest.mark.parametrize("kind", ["squares", "distance"])
def test_dense_layers_and_scores_are_those_of_exact_sums(sums: str, kind: str) -> None:
    rng = np.random.default_rng(len(sums))
    w1, b1, w2, b2 = weights(rng, 6, 4), weights(rng, 4), weights(rng, 4, 4), weights(rng, 4)
    x = rng.integers(-128, 128, (40, 6)) / 4.0
    score = {"kind": kind, "accumulator": "ap_fixed<20,12>", "result": "ap_fixed<18,14,AP_RND_CONV,AP_SAT>"}
    score |= {"output": SCORE, "per_unit": 16}
    score |= {"difference": "ap_fixed<12,7>", "compared_to": 1} if kind == "distance" else {}
    layer = {"kind": "dense", "accumulator": sums, "output": HIDDEN}
    config = {"input": INPUT, "layers": [layer, {"kind": "relu", "output": RELU}, layer], "score": score}
    tensors = {"0.weight": w1, "0.bias": b1, "2.weight": w2, "2.bias": b2}
    relu, accumulator, square = Kind.of(RELU), Kind.of(sums), Kind.of(score["accumulator"])
    expected = []
    for row in x:
        hidden = [relu(max(v, Fraction(0))) for v in dense(fractions(row), w1, b1, accumulator, Kind.of(HIDDEN))]
        last = dense(hidden, w2, b2, accumulator, Kind.of(HIDDEN))
        if kind == "distance":
            last = [Kind.of("ap_fixed<12,7>")(a - b) for a, b in zip(last, hidden, strict=True)]
        total = Fraction(0)
        for value in last:
            total = square(total + square(value**2))
        expected.append(float(Kind.of(SCORE)(Kind.of(score["result"])(total)) * 16))
    network = made(config, tensors, 6)
    assert network.exact(x).tolist() == expected
    assert network.exact(np.tile(x, (120, 1)))[-40:].tolist() == expected  # in several blocks
    assert network.exact(x[:0]).tolist() == []
    assert len(set(expected)) > 20
    again = made(network.config, network.state(), 6)
    assert again.exact(x).tolist() == expected


def test_scaling_convolution_and_normalisation() -> None:
    rng = np.random.default_rng(5)
    rows, columns, filters, side = 6, 4, 2, 2
    weight, bias = weights(rng, filters, side, side), weights(rng, filters)
    scale, shift = rng.integers(-15, 16, 12) / 16.0, rng.integers(-15, 16, 12) / 16.0
    last, end = weights(rng, 12, 1), weights(rng, 1)
    sums, normal, out = "ap_fixed<20,14>", "ap_fixed<13,7,AP_RND,AP_SAT>", "ap_ufixed<16,8>"
    convolution = {"kind": "convolution", "image": [rows, columns], "stride": 2, "accumulator": sums, "output": HIDDEN}
    config = {
        "input": "ap_uint<10>",
        "layers": [
            convolution,
            {"kind": "affine", "output": normal},
            {"kind": "cast", "output": "ap_fixed<12,7>"},
            {"kind": "dense", "accumulator": sums, "output": HIDDEN},
            {"kind": "relu", "output": out},
        ],
        "score": {"kind": "output", "result": out, "output": out},
    }
    tensors = {"0.weight": weight, "0.bias": bias, "1.scale": scale, "1.bias": shift, "3.weight": last, "3.bias": end}
    x = rng.integers(0, 30, (20, rows * columns)).astype(np.float64)
    expected = []
    for row in x.reshape(-1, rows, columns):
        found = []
        for i in range(3):
            for j in range(2):
                patch = row[2 * i : 2 * i + side, 2 * j : 2 * j + side].ravel()
                found += dense(fractions(patch), weight.reshape(filters, -1).T, bias, Kind.of(sums), Kind.of(HIDDEN))
        pairs = zip(found, fractions(scale), fractions(shift), strict=True)
        normalised = [Kind.of("ap_fixed<12,7>")(Kind.of(normal)(v * a + b)) for v, a, b in pairs]
        (value,) = dense(normalised, last, end, Kind.of(sums), Kind.of(HIDDEN))
        expected.append(float(Kind.of(out)(max(value, Fraction(0)))))
    network = made(config, tensors, rows * columns)
    assert network.exact(x).tolist() == expected
    assert len(set(expected)) > 5
    image = FixedNetwork(config, Layout.image(("et",), columns, rows))  # eta, then phi, as regions are counted
    image.load_state(tensors)
    batch = Batch(
        "calo_regions",
        image.layout,
        x.reshape(-1, 1, rows, columns).swapaxes(2, 3).astype(np.float32),
        None,
        np.ones(len(x)),
    )
    assert image.scores(batch)["score"].tolist() == expected


def test_shifts_drop_bits_and_offsets_wrap() -> None:
    """(x - offset) >> shift in 18 bits, 5 of them after the point; then half to even."""
    inner, output = "ap_fixed<18,13>", "ap_fixed<8,6,AP_RND_CONV,AP_SAT>"
    config = {
        "input": inner,
        "scaling": {"inner": inner, "output": output},
        "layers": [{"kind": "dense", "accumulator": "ap_fixed<20,12>", "output": "ap_fixed<20,12>"}],
        "score": {"kind": "output", "result": "ap_fixed<20,12>", "output": "ap_fixed<20,12>"},
    }
    offset, shift = np.array([10.5, 0.0, -3.0]), np.array([3.0, -2.0, 0.0])
    tensors = {"scale.offset": offset, "scale.shift": shift}
    x = np.array([[13.0, 5, 2], [12, -4, 29], [4095, 2000, 0], [-4096, -9, 7]])
    for place in range(3):
        weight = np.zeros((3, 1))
        weight[place] = 1.0
        network = made(config, {**tensors, "0.weight": weight, "0.bias": np.zeros(1)}, 3)
        expected = []
        for value in fractions(x[:, place]):
            t = Kind.of(inner)(value - Fraction(float(offset[place])))
            t = Kind.of(inner)(Kind.of(inner)(t / Fraction(2) ** int(shift[place])))
            expected.append(float(Kind.of(output)(t)))
        assert network.exact(x).tolist() == expected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"0.weight": np.zeros((3, 2))}, "shape"),
        ({"0.weight": np.full((6, 1), np.nan)}, "no number in fixed point"),
        ({"5.weight": np.zeros((2, 2))}, "unknown tensor '5.weight'"),
        ({"0.bias": None}, "'0.bias' is missing"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change: dict[str, Any], reason: str) -> None:
    config = {
        "input": INPUT,
        "layers": [{"kind": "dense", "accumulator": HIDDEN, "output": HIDDEN}],
        "score": {"kind": "output", "result": HIDDEN, "output": HIDDEN},
    }
    tensors = {"0.weight": np.ones((6, 1)), "0.bias": np.ones(1)} | change
    with pytest.raises(CardError, match=reason):
        made(config, {name: value for name, value in tensors.items() if value is not None}, 6)


@pytest.mark.parametrize(
    ("score", "layers", "reason"),
    [
        ({"kind": "output"}, 2, "gives 2 numbers"),
        ({"kind": "distance"}, 2, "needs difference and compared_to"),
        ({"kind": "distance", "difference": HIDDEN, "compared_to": 7}, 2, "one of the layers"),
        ({"kind": "squares", "output": "ap_fixed<30,20>"}, 2, "up to 24 bits"),
    ],
)
def test_scores_that_cannot_be_made_are_refused(score: dict[str, Any], layers: int, reason: str) -> None:
    config = {
        "input": INPUT,
        "layers": [{"kind": "dense", "accumulator": HIDDEN, "output": HIDDEN}],
        "score": {"result": HIDDEN, "output": HIDDEN} | score,
    }
    with pytest.raises(CardError, match=reason):
        made(config, {"0.weight": np.ones((6, layers)), "0.bias": np.ones(layers)}, 6)


def test_a_sum_that_saturates_is_not_known() -> None:
    saturating = "ap_fixed<8,6,AP_TRN,AP_SAT>"
    config = {
        "input": INPUT,
        "layers": [{"kind": "dense", "accumulator": saturating, "output": HIDDEN}],
        "score": {"kind": "output", "result": HIDDEN, "output": HIDDEN},
    }
    with pytest.raises(CardError, match="depends on its order"):
        made(config, {"0.weight": np.ones((6, 1)), "0.bias": np.ones(1)}, 6)
