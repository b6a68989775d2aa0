"""Scores shared out among pixels: complete, beside known answers, and a planted pixel is found."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.attributions import integrated_gradients
from hepad.nn.explain import attribution
from hepad.nn.score_parts import PARTS
from hepad.nn.score_rules import RECONSTRUCTION
from hepad.registry import SCORERS, load

LAYOUT = Layout.image(("ecal", "track"), 16, 12)
PLANTED = (1, 5, 7)
SMALL = {
    "image_ae": {"filters": [2, 2], "dense": [6], "latent": 3},
    "codae": {"filters": [4, 4], "latent": 4},
    "total_energy": {},
}


def images(n: int = 2) -> Batch:
    """Images of which one pixel in a hundred is lit, and one of the first is planted."""
    x = (np.random.default_rng(4).random((n, *LAYOUT.shape)) < 0.01).astype(np.float32)
    x[0, 1] = 0
    x[(0, *PLANTED)] = 1
    return Batch("detector_image", LAYOUT, x, None, np.ones(n), {})


@pytest.mark.parametrize("rule", PARTS)
def test_the_parts_of_a_reconstruction_sum_to_its_score(rule: str) -> None:
    rng = np.random.default_rng(1)
    x, y = (rng.random((4, 3, 5)) < 0.4).astype(np.float64), rng.random((4, 3, 5))
    x[0], y[1], x[2], y[2] = 0, 0, 0, 0
    parts, score = PARTS[rule](x, y), RECONSTRUCTION[rule](x, y)
    assert parts.shape == x.shape
    whole = parts.sum(axis=(1, 2)) + (rule == "dice")
    rows = [2, 3] if rule == "dice" else slice(None)  # without any overlap Dice's is a number at all, and no sum
    np.testing.assert_allclose(whole[rows], score[rows], rtol=1e-12)
    np.testing.assert_allclose(PARTS[rule](x[3:], x[3:]).sum() + (rule == "dice"), RECONSTRUCTION[rule](x[3:], x[3:]))


@pytest.mark.parametrize("name", SMALL)
def test_all_scores_of_a_network_are_complete_and_those_that_it_gives(name: str) -> None:
    scorer, batch = load(SCORERS[name])(SMALL[name], LAYOUT), images()
    for score, values in scorer.scores(batch).items():
        found = attribution(scorer, batch, score)
        assert found.parts.shape == batch.x.shape
        np.testing.assert_allclose(found.score, values, rtol=1e-4, atol=1e-6)
        whole = found.parts.sum(axis=(1, 2, 3)) + found.baseline
        np.testing.assert_allclose(whole, found.score, rtol=1e-5 if found.method == "exact" else 1e-3)
        seen = LAYOUT.features.index(score if name == "total_energy" else "track")
        assert not np.delete(found.parts, seen, axis=1).any(), "a channel that the network does not see adds nothing"
        if name != "codae" and score in {"bce", "sse", "sae", "track"}:  # untrained, it makes few pixels lit
            assert np.unravel_index(found.parts[0].argmax(), LAYOUT.shape) == PLANTED
    with pytest.raises(CardError, match="has no score 'nothing'"):
        attribution(scorer, batch, "nothing")


def test_known_paths() -> None:
    """Of a line, a square, and a line that begins at a threshold: integrals that are known."""
    rng = np.random.default_rng(2)
    w, x = (torch.from_numpy(rng.normal(size=(3, 4))) for _ in range(2))
    across = float((w * x).sum())
    line = integrated_gradients(lambda points: (points * w).sum(dim=(1, 2)) + 5, x, segments=1)
    np.testing.assert_allclose(line.parts, (w * x).numpy(), rtol=1e-12)
    assert (line.baseline, line.score) == (5, pytest.approx(across + 5))
    square = integrated_gradients(lambda points: (points * w).sum(dim=(1, 2)).square(), x, segments=3)
    np.testing.assert_allclose(square.parts, (w * x).numpy() * across, rtol=1e-12)
    sign = np.sign(across)
    late = integrated_gradients(
        lambda points: torch.relu(sign * (points * w).sum(dim=(1, 2)) - 0.3 * abs(across)), x, segments=2
    )
    np.testing.assert_allclose(late.parts, (w * x).numpy() * sign * 0.7, rtol=1e-12)


def test_a_network_of_many_kinks_is_complete_and_its_pixel_found() -> None:
    """In double precision to 1e-5, by halving; the score of one pixel is many times that of the others."""
    rng = np.random.default_rng(3)
    first = torch.from_numpy(rng.normal(size=(40, 30)) / 30)
    first[:, 17] = torch.from_numpy(rng.normal(size=40)).abs() * 5
    bias, second = (torch.from_numpy(rng.normal(size=40)) for _ in range(2))
    second = second.abs()
    x = torch.from_numpy(rng.uniform(0.5, 1, 30))

    def score(points: torch.Tensor) -> torch.Tensor:
        return torch.relu(points @ first.T + bias) @ second

    found = integrated_gradients(score, x, segments=500, tolerance=1e-7, most=1 << 14)
    assert found.parts.sum() == pytest.approx(found.score - found.baseline, rel=1e-5)
    assert found.parts.argmax() == 17
    # Beside the plain sum over many points of the path.
    points = (torch.arange(40_000, dtype=torch.float64) + 0.5) / 40_000
    along = (points[:, None] * x).requires_grad_()
    (gradient,) = torch.autograd.grad(score(along).sum(), along)
    np.testing.assert_allclose(found.parts, (gradient.mean(dim=0) * x).numpy(), rtol=1e-3, atol=1e-4)


def test_a_score_that_changes_within_a_thousandth_of_the_path_is_complete() -> None:
    """Halving finds where; with few points the parts say by what they lack that it was not found."""
    x = torch.ones(4, dtype=torch.float64)

    def score(points: torch.Tensor) -> torch.Tensor:
        return torch.tanh(1000 * (points.sum(dim=1) - 1.6543))

    found = integrated_gradients(score, x, tolerance=1e-5)
    np.testing.assert_allclose(found.parts, np.full(4, 0.5), rtol=1e-5)
    short = integrated_gradients(score, x, most=17)
    assert short.score - short.baseline - short.parts.sum() == pytest.approx(2)
