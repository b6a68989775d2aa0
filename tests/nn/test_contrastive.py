"""Contrastive losses, on three events by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hepad.nn.contrastive import anomclr_loss, anomclr_plus_loss, clr_loss

TAU = 0.5
ANGLES = {"z": [0.0, 1.0, 2.5], "like": [0.2, 0.7, 2.6], "unlike": [3.0, -1.0, 0.5]}
"""Of vectors in a plane, whose cosines are those of differences."""


def vectors(name: str) -> torch.Tensor:
    """Of lengths that do not matter."""
    angles = np.array(ANGLES[name])
    unit = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return torch.tensor(unit * [[1.0], [2.0], [0.3]])


def crowd(event: int) -> float:
    """Mean of the logarithms of the sums over all others, seen from an event and from its view."""
    found = []
    for own in ("z", "like"):
        here = ANGLES[own][event]
        others = [ANGLES[name][j] for name in ("z", "like") for j in range(3) if j != event]
        found.append(np.log(sum(np.exp(np.cos(here - there) / TAU) for there in others)))
    return float(np.mean(found))


def cosine(event: int, other: str) -> float:
    return float(np.cos(ANGLES["z"][event] - ANGLES[other][event]))


def test_losses_of_three_events() -> None:
    z, like, unlike = (vectors(name) for name in ANGLES)
    near = np.array([cosine(i, "like") for i in range(3)]) / TAU
    far = np.array([cosine(i, "unlike") for i in range(3)]) / TAU
    around = np.array([crowd(i) for i in range(3)])
    assert clr_loss(z, like, TAU).tolist() == pytest.approx((around - near).tolist(), rel=1e-12)
    assert anomclr_loss(z, like, unlike, TAU).tolist() == pytest.approx((around - near + far).tolist(), rel=1e-12)
    assert anomclr_plus_loss(z, like, unlike, TAU).tolist() == pytest.approx((far - near).tolist(), rel=1e-12)
    assert around.std() > 0.1


def test_sharp_losses_are_finite() -> None:
    z, like, unlike = (vectors(name).float() for name in ANGLES)
    assert torch.isfinite(clr_loss(z, like, 1e-3)).all()
    assert torch.isfinite(anomclr_loss(z, like, unlike, 1e-3)).all()
