"""Random views of events of trigger objects in hardware integers: what a network shall not see as a difference."""

from __future__ import annotations

import torch
from torch import Tensor

from hepad.inputs.l1_hardware import phi_steps
from hepad.inputs.layout import Layout
from hepad.nn.momenta import ObjectColumns
from hepad.nn.sources import Noise

__all__ = ["blurred", "object_of_column", "turned", "turns", "without_objects"]


def turns(layout: Layout) -> Tensor:
    """For each column, in how many steps it goes around: 0 unless it is an angle phi. Shape (d,)."""
    return torch.tensor([float(phi_steps(s.object)) if s.feature == "phi" else 0.0 for s in layout.slots])


def turned(x: Tensor, there: Tensor, around: Tensor, noise: Noise, probability: float) -> Tensor:
    """Integers of shape (n, d) with all objects of an event that are `there` turned by one random angle.

    `around` is what `turns` gives. Angles are in [0, around) and no longer whole numbers; events are turned with
    `probability`.
    """
    chosen = noise.uniform(len(x), 1) < probability
    rest = torch.remainder(x + noise.uniform(len(x), 1) * around, around.clamp(min=1))
    return torch.where(chosen & (there > 0) & (around > 0), rest, x)


def blurred(x: Tensor, noise: Noise, *, probability: float, strength: float, magnitude: float) -> Tensor:
    """x (1 - m) + u m with u uniform from 0 to 1, and m `magnitude` for a share `strength` of the numbers, else 0.

    Events are blurred with `probability`.
    """
    chosen = (noise.uniform(len(x), 1) < probability) & (noise.uniform(*x.shape) < strength)
    return torch.where(chosen, x * (1 - magnitude) + noise.uniform(*x.shape) * magnitude, x)


def without_objects(x: Tensor, owner: Tensor, noise: Noise, probability: float) -> Tensor:
    """All numbers of an object set to 0, for each object of each event with `probability`.

    `owner` is what `object_of_column` gives.
    """
    kept = noise.uniform(len(x), int(owner.max()) + 1) >= probability
    return x * kept[:, owner]


def object_of_column(columns: ObjectColumns, width: int) -> Tensor:
    """The number of the object that each column belongs to, shape (width,)."""
    owner = torch.zeros(width, dtype=torch.long)
    for places in (columns.pt, columns.eta, columns.phi):
        owner[places[places >= 0]] = torch.nonzero(places >= 0)[:, 0]
    return owner
