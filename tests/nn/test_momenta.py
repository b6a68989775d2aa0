"""Objects in a vector of hardware integers, and errors of their momenta, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from hepad.errors import CardError
from hepad.inputs.layout import Layout
from hepad.nn.momenta import cylindrical_error, object_columns


def test_objects_are_found_with_their_steps() -> None:
    columns = object_columns(Layout.vector(["met_pt", "met_phi", "muon1_pt", "muon1_eta", "muon1_phi"]), "it")
    assert columns.pt.tolist() == [0, 2]
    assert columns.eta.tolist() == [-1, 3]
    assert columns.phi.tolist() == [1, 4]
    assert columns.eta_step.tolist() == pytest.approx([0.0435, 0.010875])
    with pytest.raises(CardError, match="it needs the pt of jet1"):
        object_columns(Layout.vector(["jet1_eta"]), "it")
    with pytest.raises(CardError, match="jet1_mass"):
        object_columns(Layout.vector(["jet1_mass"]), "it")
    with pytest.raises(CardError, match="vector of objects"):
        object_columns(Layout.image(["et"], 2, 2), "it")


def test_the_error_is_of_transverse_and_longitudinal_momenta() -> None:
    pt, eta = torch.tensor([[10.0, 0.0]]), torch.tensor([[math.asinh(2.0), 1.0]])
    pt_hat, eta_hat = torch.tensor([[7.0, 1.0]]), torch.tensor([[math.asinh(-1.0), math.asinh(0.5)]])
    # |10 - 7| + |20 + 7|, and |0 - 1| + |0 - 0.5|
    assert cylindrical_error(pt, eta, pt_hat, eta_hat).tolist() == pytest.approx([(30 + 1.5) / 2])
    # with the true eta: 3 (1 + 2), and 1 + sinh 1
    assert cylindrical_error(pt, eta, pt_hat, eta).tolist() == pytest.approx([(9 + 1 + math.sinh(1)) / 2])
    assert torch.isfinite(cylindrical_error(pt, eta, pt_hat, torch.tensor([[1e9, -1e9]]))).all()
