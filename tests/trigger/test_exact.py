"""Networks in their own fixed point as logic: da4ml's interpreter against integers that know nothing of it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from hepad.inputs.layout import Layout
from hepad.models.fixed.network import FixedNetwork
from hepad.nn.exact import hardware_rows, rows_as_inputs
from hepad.nn.fixed_point import FixedType
from hepad.trigger.casts import cast, sum_of_squares
from hepad.trigger.exact import ExactDesign
from hepad.trigger.fixed import Format
from hepad.trigger.logic import compile_logic

pytest.importorskip("da4ml")

RELU, SUMS = "ap_ufixed<10,6,AP_RND_CONV,AP_SAT>", "ap_fixed<24,14>"


class Traced:
    """A function of a row as what becomes logic."""

    shallow = False

    def __init__(self, inputs, function):
        self.inputs, self._function = inputs, function

    def __call__(self, x):
        return self._function(x)


MODES = [
    f"ap_{sign}fixed<{width},{integer},{rounding},{overflow}>"
    for sign, (width, integer), rounding, overflow in product(
        ("", "u"), ((5, 3), (7, 6), (13, 9)), ("AP_TRN", "AP_RND", "AP_RND_CONV"), ("AP_WRAP", "AP_SAT")
    )
]


@pytest.mark.parametrize("negative", [False, True])
def test_every_cast_is_that_of_the_type(negative) -> None:
    """All 1024 numbers of a format, and their negatives, to 36 types that round, saturate and wrap in all ways."""
    kinds, sign = [FixedType.parse(mode) for mode in MODES], -1.0 if negative else 1.0
    for form in (Format(True, 5, 4), Format(False, 6, 4)):
        x = np.arange(form.low, form.high + form.step, form.step)
        design = Traced((form,), lambda row: np.concatenate([cast(row * sign, kind) for kind in kinds]))
        found = compile_logic(design).interpreted(x[:, None])
        for column, kind in zip(found.T, kinds, strict=True):
            assert np.array_equal(column, kind.cast(x * sign)), kind


@pytest.mark.parametrize("form", [Format(True, 4, 2), Format(False, 5, 3), Format(True, 7, 4), Format(False, 6, 5)])
@pytest.mark.parametrize("kind", ["ap_fixed<37,23>", "ap_ufixed<14,12>", "ap_fixed<9,7>"])
def test_squares_are_exact_before_they_are_cast(form, kind) -> None:
    """By a table and by products of bits; to types that hold them, that drop bits of each and that wrap."""
    kind, rng = FixedType.parse(kind), np.random.default_rng(2)
    ends = np.array([[form.low, form.low], [form.high, form.low], [form.high, form.high], [0, 0]])
    x = np.concatenate([ends, rng.integers(form.low / form.step, form.high / form.step, (500, 2)) * form.step])
    logic = compile_logic(Traced((form, form), lambda row: cast(sum_of_squares(row, kind), kind)))
    assert np.array_equal(logic.interpreted(x)[:, 0], kind.cast(kind.cast(np.square(x)).sum(axis=1)))


def made(config, tensors, layout, **options) -> ExactDesign:
    network = FixedNetwork(config, layout)
    network.load_state(tensors)
    return ExactDesign(network.exact_layers(), layout, **options)


def weights(rng, *shape):
    return rng.integers(-31, 32, shape) / 8.0


def checked(design: ExactDesign, x, least: int) -> None:
    rows = design.quantised(x)
    logic, expected = compile_logic(design), design(rows)
    assert np.array_equal(logic.interpreted(rows), expected)
    assert expected[:, 0].tolist() == (design.network.scores(rows) / design.scale).tolist()
    assert len(np.unique(expected)) > least


@pytest.mark.parametrize("sums", [SUMS, "ap_fixed<14,11>", "ap_fixed<9,4>"])
@pytest.mark.parametrize("kind", ["squares", "distance"])
def test_a_network_of_objects_is_its_own_integers(sums, kind) -> None:
    """Scaling, dense layers and both scores; sums that hold all bits, that drop bits of each product, that wrap."""
    rng = np.random.default_rng(len(sums))
    score = {"kind": kind, "accumulator": "ap_fixed<30,20>", "result": "ap_fixed<18,14,AP_RND_CONV,AP_SAT>"}
    score |= {"output": "ap_ufixed<18,14>", "per_unit": 16}
    score |= {"difference": "ap_fixed<18,11>", "compared_to": 1} if kind == "distance" else {}
    layer = {"kind": "dense", "accumulator": sums, "output": "ap_fixed<13,8>"}
    scaling = {"inner": "ap_fixed<18,13>", "output": "ap_fixed<8,6,AP_RND_CONV,AP_SAT>"}
    config = {"input": "ap_fixed<18,13>", "scaling": scaling, "score": score}
    config["layers"] = [layer, {"kind": "relu", "output": RELU}, layer]
    layout = Layout.vector([f"{name}_{feature}" for name in ("met", "jet1") for feature in ("pt", "eta", "phi")])
    tensors = {"scale.offset": rng.integers(-20, 20, 6) / 2.0, "scale.shift": np.array([4.0, 2, 3, -1, 0, 5])}
    tensors |= {"0.weight": weights(rng, 6, 4) / 4, "0.bias": weights(rng, 4)}
    tensors |= {"2.weight": weights(rng, 4, 4) / 4, "2.bias": weights(rng, 4)}
    design = made(config, tensors, layout, shallow=kind == "distance")
    assert [form.bits for form in design.inputs] == [12, 9, 10] * 2
    assert design.bits == {"input": 8}
    x = np.concatenate([rng.integers(-40, 60, (400, 6)), rng.integers(-300, 4500, (50, 6))])
    checked(design, x, 100 if sums == SUMS else 20)
    assert (
        design.operations(None)["mac"] == np.count_nonzero(tensors["0.weight"]) + 16 - (tensors["2.weight"] == 0).sum()
    )


def test_a_network_of_regions_is_its_own_integers() -> None:
    """A convolution, a normalisation, saturation of the sums' signed numbers; the order of regions."""
    rng = np.random.default_rng(5)
    normal, out = "ap_fixed<13,7,AP_RND,AP_SAT>", "ap_ufixed<16,8,AP_RND_CONV,AP_SAT>"
    config = {
        "input": "ap_uint<10>",
        "layers": [
            {"kind": "convolution", "image": [6, 4], "stride": 2, "accumulator": SUMS, "output": SUMS},
            {"kind": "affine", "output": normal},
            {"kind": "cast", "output": "ap_fixed<8,6,AP_RND_CONV,AP_SAT>"},
            {"kind": "dense", "accumulator": SUMS, "output": SUMS},
            {"kind": "relu", "output": out},
        ],
        "score": {"kind": "output", "result": out, "output": out},
    }
    tensors = {"0.weight": weights(rng, 2, 2, 2), "0.bias": weights(rng, 2), "1.scale": weights(rng, 12) / 64}
    tensors |= {"1.bias": weights(rng, 12), "3.weight": weights(rng, 12, 1), "3.bias": weights(rng, 1) + 40}
    layout = Layout.image(("et",), 4, 6)
    design = made(config, tensors, layout)
    images = rng.integers(0, 1100, (300, 1, 4, 6))
    assert np.array_equal(rows_as_inputs(hardware_rows(images), layout), images)
    assert hardware_rows(images)[0, :4].tolist() == images[0, 0, :, 0].tolist()  # eta first
    checked(design, images, 30)
    macs = 6 * np.count_nonzero(tensors["0.weight"]) + 12 + np.count_nonzero(tensors["3.weight"])
    assert design.operations(images)["mac"] == macs
