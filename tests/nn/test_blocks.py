from __future__ import annotations

import numpy as np
import torch
from torch import nn

from hepad.nn.autoencoder import mirrored
from hepad.nn.blocks import dense_stack, kl_divergence, mean_squared_error


def test_a_mirrored_autoencoder_has_one_latent_layer() -> None:
    assert mirrored(19, (24, 12, 4)) == (19, 24, 12, 4, 12, 24, 19)
    assert mirrored(19, (4,)) == (19, 4, 19)


def test_activations_stand_between_layers_only() -> None:
    kinds = [type(module) for module in dense_stack((5, 4, 3, 2), lambda _: nn.ReLU())]
    assert kinds == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]


def test_an_activation_knows_its_width() -> None:
    widths: list[int] = []
    dense_stack((5, 4, 3, 2), lambda width: (widths.append(width), nn.ReLU())[1])
    assert widths == [4, 3]


def test_the_mean_squared_error_is_one_number_a_row() -> None:
    x, y = torch.tensor([[0.0, 2.0], [1.0, 1.0]]), torch.tensor([[0.0, 0.0], [1.0, 4.0]])
    np.testing.assert_allclose(mean_squared_error(x, y), [2.0, 4.5])


def test_the_divergence_is_that_of_gaussians() -> None:
    mean, log_variance = torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, np.log(4.0)]])
    expected = [0.0, 0.5 * (1 + (4 - np.log(4) - 1)) / 2]
    np.testing.assert_allclose(kl_divergence(mean, log_variance), expected, atol=1e-7)
    # against torch's own formula
    p = torch.distributions.Normal(mean, torch.exp(log_variance / 2))
    q = torch.distributions.Normal(torch.zeros(2), torch.ones(2))
    torch.testing.assert_close(kl_divergence(mean, log_variance), torch.distributions.kl_divergence(p, q).mean(dim=1))
