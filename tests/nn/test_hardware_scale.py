"""Scales by powers of two, and their place in front of a layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hepad.inputs.layout import Layout
from hepad.nn.hardware_scale import HardwareScale, power_of_two_scale
from hepad.nn.layers import Layer
from hepad.nn.stacks import folded_scale


def scale_of(*columns: list[float], names: tuple[str, ...] = ("jet1_pt", "jet2_pt", "muon1_pt")) -> list[tuple[float]]:
    longest = max(map(len, columns))
    x = np.array([column + [0.0] * (longest - len(column)) for column in columns]).T
    return list(zip(*power_of_two_scale(x, Layout.vector(names[: len(columns)]).slots), strict=True))


def test_percentiles_without_zeros_go_within_two() -> None:
    ramp = [float(i) for i in range(1, 102)]  # the 5th percentile is 6, the 95th 96
    assert scale_of(ramp) == [(51, 5)]  # 90 / 4 = 22.5, at most 32
    assert scale_of([0.0] * 500 + ramp) == [(51, 5)]
    assert scale_of([value * 64 / 90 for value in ramp]) == [(36, 4)]  # 64 / 4 = 16 is a power; 36.27 the middle
    assert scale_of([-value / 90 for value in ramp]) == [(-1, -2)]  # 1 / 4


def test_a_column_without_numbers_takes_the_scale_of_the_object_before() -> None:
    ramp = [float(i) for i in range(1, 102)]
    assert scale_of(ramp, [0.0]) == [(51, 5), (51, 5)]
    assert scale_of(ramp, [0.0], [0.0]) == [(51, 5), (51, 5), (0, 0)]
    assert scale_of(ramp, [7.0, 7.0]) == [(51, 5), (7, 0)]


def test_the_zero_of_an_empty_object_may_lie_within() -> None:
    x = np.array([[40.0 + i, -40.0 - i, i - 50.0] for i in range(1, 102)])  # percentiles 45 and 135, and so on
    slots = Layout.vector(("jet1_pt", "jet2_pt", "jet3_pt")).slots
    offset, shift = power_of_two_scale(x, slots, with_zero=True)
    assert offset.tolist() == [68, -68, 1]  # 67.5 and 68 to even; 135 / 4 is at most 64, 90 / 4 at most 32
    assert shift.tolist() == [6, 6, 5]


def test_the_scale_is_undone_and_folded() -> None:
    slots = Layout.vector(("jet1_pt", "jet2_pt")).slots
    scale = HardwareScale(2)
    assert scale(torch.tensor([[3.0, 4.0]])).tolist() == [[3.0, 4.0]]  # nothing before it has learned
    x = np.array([[float(i), i / 90] for i in range(1, 102)])
    scale.learn(x, slots)
    assert scale(torch.tensor([[115.0, 1.0]])).tolist() == [[2.0, 0.0]]
    assert scale.back(torch.tensor([[2.0, 0.0]])).tolist() == [[115.0, 1.0]]
    assert not list(scale.parameters())  # nothing that a training changes
    state = {f"s.{name}": tensor.numpy() for name, tensor in scale.state_dict().items()}
    layer = Layer(np.array([[3.0, -1.0]]), np.array([0.5]), "linear")
    folded = folded_scale(layer, state, "s")
    inputs = np.array([70.0, 2.0])
    expected = layer.weight @ scale(torch.tensor(inputs)).double().numpy() + layer.bias
    assert folded.weight @ inputs + folded.bias == pytest.approx(expected)
