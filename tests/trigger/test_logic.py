from __future__ import annotations

import numpy as np
import pytest

from hepad.trigger.design import Design, Precision, input_formats
from hepad.trigger.fixed import Format, at_most
from hepad.trigger.logic import compile_logic
from hepad.trigger.shallow import squares

from .networks import LAYOUT, networks, rows

pytest.importorskip("da4ml")


def design(network, precision, **part):
    return Design(network, precision, input_formats(LAYOUT, precision.input, "max_with_floor"), **part)


@pytest.mark.parametrize("weight", [4, 7])
@pytest.mark.parametrize("name", sorted(networks()))
def test_logic_is_the_emulation_bit_for_bit(name, weight):
    made = design(networks()[name], Precision(weight=weight, error_integer=1, error=6))
    logic = compile_logic(made)
    x = made.quantised(rows(2000) * 2)  # beyond the range of an input: saturates
    assert np.array_equal(logic.interpreted(x), made(x))
    assert len(np.unique(made(x))) > 100
    assert logic.inputs == made.inputs
    assert logic.cost > 100
    assert logic.clock_edges == logic.stages + 1 > 5


@pytest.mark.parametrize(("name", "encoder"), [*((name, False) for name in sorted(networks())), ("dense", True)])
def test_shallow_logic_is_exact_and_has_fewer_adders_in_a_row(name, encoder):
    precision = Precision(weight=7, error_integer=-1 if name == "mu2" else 0, error=5)
    made, plain = (design(networks()[name], precision, encoder=encoder, shallow=s) for s in (True, False))
    logic, x = compile_logic(made), made.quantised(rows(1000) * 2)
    found = made(x)
    assert np.array_equal(logic.interpreted(x), found)
    assert len(np.unique(found)) > 50
    few_layers = encoder or name == "r"
    assert logic.depth < compile_logic(plain).depth + few_layers


def test_the_encoder_alone_is_smaller_and_exact():
    network = networks()["spiking"]
    whole, part = (design(network, Precision(), encoder=encoder) for encoder in (False, True))
    x = whole.quantised(rows())
    logic = compile_logic(part)
    assert logic.cost < compile_logic(whole).cost
    assert np.array_equal(logic.interpreted(x), part(x))
    assert logic.interpreted(x).max() > 0


def test_a_larger_cutoff_has_fewer_stages_and_the_same_logic():
    made = design(networks()["dense"], Precision())
    short, long = (compile_logic(made, cutoff=cutoff) for cutoff in (2, 5))
    assert long.stages < short.stages
    assert long.cost == short.cost


class Clipped:
    """The largest number of a format, where each of the inputs, of large steps, is above it."""

    shallow = False
    inputs = (Format(False, 42, -32), Format(False, 30, -20))  # da4ml's minimum is wrong for the first

    def __call__(self, x):
        return at_most(x * np.array([2.0**-32, 2.0**-20]), Format(False, 3, 0))


def test_numbers_of_large_steps_saturate_as_others_do():
    values = np.arange(20.0)[:, None] * np.array([2.0**32, 2.0**20])
    found = compile_logic(Clipped()).interpreted(values)
    assert np.array_equal(found, np.minimum(np.arange(20.0), 7)[:, None].repeat(2, axis=1))


class SquaresOfSums:
    """Squares of sums of all kinds of ranges: within that of the table, or beyond it on one side or on both."""

    shallow = True
    inputs = (Format(False, 1, 3),) * 3

    def __init__(self):
        rng = np.random.default_rng(0)
        self.weight = np.round(rng.uniform(-1, 1, (60, 3)) * 4) / 4
        self.bias = np.round(rng.uniform(-1, 1, 60) * 16) / 16

    def __call__(self, x):
        return squares(x @ self.weight.T + self.bias, Format(False, 0, 4))


def test_squares_with_their_sign_are_exact_whatever_the_range_of_what_is_squared():
    made = SquaresOfSums()
    x = np.stack(np.meshgrid(*[np.arange(16) / 8] * 3), axis=-1).reshape(-1, 3)
    assert np.array_equal(compile_logic(made).interpreted(x), made(x))
