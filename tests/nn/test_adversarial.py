from __future__ import annotations

import math

import pytest
import torch

from hepad.nn.adversarial import discriminator_loss, generator_loss


def test_losses_are_logarithms_of_probabilities() -> None:
    real, made = torch.tensor([math.log(3.0)]), torch.tensor([math.log(0.25)])  # probabilities 3/4 and 1/5
    assert discriminator_loss(real, made).tolist() == pytest.approx([-math.log(0.75) - math.log(0.8)])
    assert generator_loss(made).tolist() == pytest.approx([-math.log(0.2)])
    assert torch.isfinite(generator_loss(torch.tensor([-1e4]))).all()
