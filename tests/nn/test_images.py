"""Detector images on a cylinder: padding, views, and how well they are reconstructed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hepad.errors import CardError
from hepad.nn.image_quality import ssim
from hepad.nn.images import PeriodicConvolution, lit, mirrored_and_turned, pooled, wrapped
from hepad.nn.residual import ResidualEncoder, deepest
from hepad.nn.sources import Noise


def noise(seed: int = 1) -> Noise:
    return Noise(torch.Generator().manual_seed(seed), torch.device("cpu"))


def images(n: int, eta: int = 6, phi: int = 72) -> torch.Tensor:
    return torch.rand(n, 1, eta, phi, generator=torch.Generator().manual_seed(3))


def test_phi_goes_around_and_eta_ends() -> None:
    layer = PeriodicConvolution(1, 1, bias=False)
    kernel = torch.arange(1.0, 10).view(1, 1, 3, 3)
    with torch.no_grad():
        layer.layer.weight.copy_(kernel)
        spot = torch.zeros(1, 1, 4, 5)
        spot[0, 0, 0, 0] = 1
        found = layer(spot)[0, 0]
    assert found[0].tolist() == [5, 4, 0, 0, 6]
    assert found[1].tolist() == [2, 1, 0, 0, 3]
    assert not found[2:].any()
    assert pooled(spot)[0, 0].tolist() == [[1, 0, 1], [0, 0, 0]]
    assert (pooled(spot - 2) < 0).all()  # nothing from beyond the edge is larger


def test_an_encoder_turns_with_the_image() -> None:
    """72, 36, 18, 9 bins of phi: a turn by 8 of the first is one by 1 of the last."""
    encoder = ResidualEncoder((4, 4, 8), 2)
    x = images(1, eta=8)
    with torch.no_grad():
        torch.testing.assert_close(encoder(x.roll(8, dims=-1)), encoder(x).roll(1, dims=-1), rtol=1e-4, atol=1e-5)
    assert deepest((58, 72), 4) == (4, 5)


def test_views_are_the_image_turned_and_mirrored() -> None:
    x = images(1, eta=2)
    all_views = torch.cat([image.roll(turn, dims=-1) for image in (x, x.flip(-2)) for turn in range(0, 72, 8)])
    views = mirrored_and_turned(x.expand(3000, -1, -1, -1), noise(), 8)
    same = (views[:, None] == all_views[None]).flatten(2).all(dim=2)
    assert (same.sum(dim=1) == 1).all()  # each is one of them, exactly
    counts = same.sum(dim=0).view(2, 9).tolist()
    for row in counts:
        assert row[0] == pytest.approx(500, abs=100)
        assert row[2:8] == pytest.approx([2 * 500 / 7] * 6, abs=60)
        assert row[1] == pytest.approx(500 / 7, abs=40)  # up by 8 is down by 64, which there is none of
        assert row[8] == pytest.approx(500 / 7, abs=40)
    assert torch.equal(mirrored_and_turned(x, noise(), 0), x)
    assert mirrored_and_turned(images(5, phi=6), noise(), 8).shape == (5, 1, 6, 6)


def test_each_image_has_a_view_of_its_own_and_is_left() -> None:
    x = images(200)
    before = x.clone()
    views = mirrored_and_turned(x, noise(2), 8)
    assert torch.equal(x, before)
    torch.testing.assert_close(views.sum(dim=(1, 2, 3)), x.sum(dim=(1, 2, 3)))
    assert 20 < sum(torch.equal(view, image) for view, image in zip(views, x, strict=True)) < 50


def test_a_pixel_is_lit_above_the_threshold() -> None:
    found = lit(torch.tensor([0.0, 0.5, 0.6, 1e25, -1.0, float("nan")]), 0.5)
    assert found[:5].tolist() == [0, 0, 1, 1, 0]
    assert found[5].isnan()


def test_structural_similarity_is_that_of_scikit_image() -> None:
    """Numbers of scikit-image 0.25.2: structural_similarity(a, b, gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1.0).
    """
    eta, phi = np.arange(14)[:, None], np.arange(17)[None, :]
    a = ((eta * 7 + phi * 5) % 11 < 3).astype(float)
    b = np.where((eta + phi) % 4 == 0, 0.25 + a / 2, a)
    c = (eta * phi) / (13 * 16)
    found = ssim(np.stack([a, a, b, c]), np.stack([b, c, c, c]))
    assert found.tolist() == pytest.approx(
        [0.9527217877471734, 0.003651673368259283, 0.013952028065670877, 1.0], rel=1e-12
    )
    np.testing.assert_allclose(ssim(np.stack([a, b])[:, None], np.stack([b, a])[:, None]), found[0], rtol=1e-14)


def test_structural_similarity_of_flat_images_is_that_of_their_means() -> None:
    """No variance and no covariance: (2 ab + c1) / (a^2 + b^2 + c1) with c1 = 0.01^2."""
    flat = np.ones((1, 11, 11))
    assert ssim(0.2 * flat, 0.6 * flat)[0] == pytest.approx((0.24 + 1e-4) / (0.4 + 1e-4), rel=1e-9)
    with pytest.raises(CardError, match="10 x 11 is smaller"):
        ssim(flat[:, :10], flat[:, :10])


def test_the_gradient_of_wrapped_images_goes_to_both_sides() -> None:
    x, weight = torch.rand(2, 1, 3, 4, dtype=torch.double), torch.rand(2, 1, 3, 6, dtype=torch.double)
    assert torch.equal(wrapped(x.requires_grad_()), wrapped(x.detach()))
    (wrapped(x) * weight).sum().backward()
    expected = weight[..., 1:5].clone()
    expected[..., 0] += weight[..., 5]
    expected[..., 3] += weight[..., 0]
    assert torch.equal(x.grad, expected)
