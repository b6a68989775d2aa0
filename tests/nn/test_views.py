"""Random views of events: what they change, and what they leave."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hepad.inputs.layout import Layout
from hepad.nn.momenta import object_columns
from hepad.nn.sources import Noise
from hepad.nn.views import blurred, object_of_column, turned, turns, without_objects

LAYOUT = Layout.vector(["met_pt", "met_phi", "jet1_pt", "jet1_eta", "jet1_phi", "muon1_pt", "muon1_eta", "muon1_phi"])
PHI = [1, 4, 7]


def noise(seed: int = 1) -> Noise:
    return Noise(torch.Generator().manual_seed(seed), torch.device("cpu"))


def integers(n: int) -> torch.Tensor:
    x = torch.randint(-50, 50, (n, 8), generator=torch.Generator().manual_seed(3)).float()
    x[:, PHI] = x[:, PHI].abs()
    return x


def test_a_turn_keeps_momenta_and_the_angles_between_objects() -> None:
    around = turns(LAYOUT)
    assert around.tolist() == [0, 144, 0, 0, 144, 0, 0, 576]
    x = integers(200)
    there = torch.ones_like(x)
    there[:, 5:] = (torch.arange(200) % 2 == 0).float()[:, None]
    rotated = turned(x, there, around, noise(), 0.5)
    others = [i for i in range(8) if i not in PHI]
    assert torch.equal(rotated[:, others], x[:, others])
    assert torch.equal(rotated[1::2, 7], x[1::2, 7])  # who is not there does not turn
    radians = [(rotated[:, i] - x[:, i]) * 2 * np.pi / around[i] for i in PHI]
    same = [torch.exp(1j * angle.double()) for angle in radians]
    torch.testing.assert_close(same[0], same[1], atol=1e-4, rtol=0)
    torch.testing.assert_close(same[0][::2], same[2][::2], atol=1e-4, rtol=0)
    moved = (radians[0].abs() > 1e-6).double().mean()
    assert float(moved) == pytest.approx(0.5, abs=0.12)
    assert (rotated[:, PHI] >= 0).all()
    assert (rotated[:, PHI] <= around[PHI]).all()
    assert torch.equal(turned(x, there, around, noise(), 0.0), x)


def test_a_blur_mixes_with_a_uniform_number() -> None:
    x = torch.full((4000, 8), 10.0)
    mixed = blurred(x, noise(), probability=0.9, strength=0.5, magnitude=0.3)
    changed = mixed != x
    assert (mixed[changed] >= 7).all()
    assert (mixed[changed] <= 7.3).all()
    assert float(mixed[changed].mean()) == pytest.approx(7.15, abs=0.01)
    assert float(changed.any(dim=1).double().mean()) == pytest.approx(0.9 * (1 - 0.5**8), abs=0.02)
    assert float(changed.double().mean()) == pytest.approx(0.45, abs=0.02)


def test_whole_objects_are_taken_away() -> None:
    owner = object_of_column(object_columns(LAYOUT, "it"), 8)
    assert owner.tolist() == [0, 0, 1, 1, 1, 2, 2, 2]
    gone = without_objects(torch.ones(4000, 8), owner, noise(), 0.571) == 0
    assert torch.equal(gone[:, 2], gone[:, 4])
    assert torch.equal(gone[:, 0], gone[:, 1])
    assert gone[:, [0, 2, 5]].double().mean(dim=0).tolist() == pytest.approx([0.571] * 3, abs=0.03)
