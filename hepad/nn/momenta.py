"""Momenta of trigger objects in torch: where they stand in a vector of hardware integers, and how far two are apart."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hepad.inputs.l1_hardware import eta_step
from hepad.inputs.layout import Layout, check_momenta

__all__ = ["ObjectColumns", "cylindrical_error", "object_columns"]

LARGEST_ETA = 5.5
"""Beyond all that a trigger has; bounds the longitudinal momentum of a bad reconstruction."""


class ObjectColumns(NamedTuple):
    """Of each object, of shape (k,): its columns of pt, eta and phi (-1 for what it lacks) and its step in eta."""

    pt: Tensor
    eta: Tensor
    phi: Tensor
    eta_step: Tensor


def object_columns(layout: Layout, model: str) -> ObjectColumns:
    """Where the objects stand; `CardError` as of `check_momenta`."""
    check_momenta(layout, model)
    found = layout.objects
    pt, eta, phi = (torch.tensor([one.get(name, -1) for one in found.values()]) for name in ("pt", "eta", "phi"))
    steps = [eta_step(layout.slots[columns["pt"]].object) for columns in found.values()]
    return ObjectColumns(pt, eta, phi, torch.tensor(steps))


def cylindrical_error(pt: Tensor, eta: Tensor, pt_hat: Tensor, eta_hat: Tensor) -> Tensor:
    """Mean over the objects of |pt - pt'| + |pz - pz'|, with pz = pt sinh eta; shapes (n, k) to (n,), in units of pt.

    An object that is not there has pt 0, and so has no direction.
    """
    pz, pz_hat = (p * torch.sinh(e.clamp(-LARGEST_ETA, LARGEST_ETA)) for p, e in ((pt, eta), (pt_hat, eta_hat)))
    return ((pt - pt_hat).abs() + (pz - pz_hat).abs()).mean(dim=1)
