"""Networks of detector images: their sizes, what they see and what they are signed by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from hepad import registry
from hepad.errors import CardError
from hepad.inputs.layout import Layout
from hepad.models.dirichlet_vae.network import softmax_normal
from hepad.nn.image_scorer import Reconstructs
from hepad.nn.oriented import Oriented
from hepad.nn.score_rules import RECONSTRUCTION
from hepad.nn.sources import Noise, Rows
from hepad.testing import example_batch

DETECTOR = Layout.image(("track", "ecal", "hcal"), 58, 72)


def built(name: str, config: dict[str, Any] | None = None, layout: Layout = DETECTOR) -> Any:
    return registry.load(registry.SCORERS[name])(config or {}, layout)


def parameters(*modules: nn.Module) -> int:
    return sum(part.numel() for module in modules for part in module.parameters())


def test_the_numbers_of_parameters_are_the_reference_s() -> None:
    """Anzalone et al.'s: 612 032, 270 594 and 763 841 as the authors' code counts them; 600 k in section 5.2."""
    dual = built("codae")._module
    assert parameters(dual.encoder, dual.latents) == 612_032
    assert parameters(dual.mask_encoder) == 270_594
    assert parameters(dual.decoder) == 763_841
    conditioning = parameters(dual.decoder.conditions)
    assert conditioning == 9 * 4 * (64 + 256 + 128 + 128) + (64 + 256 + 128 + 128)
    assert parameters(built("cae")._module) == 612_032 + 763_841 - conditioning
    variational = built("codvae")._module
    assert parameters(variational.encoder, variational.latents, variational.temperature) == 612_032 + 257
    assert parameters(variational) == 612_032 + 257 + 270_594 + 763_841
    assert parameters(built("dirichlet_vae")._module) == 4176 * (512 + 3) + 512 + 512 + 2 * 3 * 513  # "2M"
    assert parameters(built("cct")._module) == 406_084
    assert parameters(built("image_ae")._module) == pytest.approx(600_000, rel=0.02)


def small(name: str, **config: Any) -> Any:
    settings = {"filters": [4, 4], "groups": 2, "latent": 4} | ({} if name == "cae" else {"mask_groups": 2})
    return built(name, settings | config, Layout.image(("ecal", "track"), 16, 24))


def test_only_which_pixels_of_the_channel_are_lit_is_seen() -> None:
    scorer = small("codae", threshold=0.1)
    batch = example_batch("detector_image", 6, seed=1, axes=scorer.layout.axes, features=scorer.layout.features)
    assert isinstance(scorer, Reconstructs)
    seen, made = scorer.reconstruct(batch)
    np.testing.assert_array_equal(seen, batch.x[:, 1] > 0.1)
    assert seen.dtype == made.dtype == np.float32
    assert ((made > 0) & (made < 1)).all()
    scores = scorer.scores(batch)
    for name in ("bce", "sse", "sae", "sae_mask", "dice", "pixel_sum"):
        np.testing.assert_allclose(scores[name], RECONSTRUCTION[name](seen, made), rtol=1e-6, err_msg=name)
    batch.x[:, 0] += 5
    batch.x[:, 1] *= 3 * (batch.x[:, 1] > 0.1)
    np.testing.assert_array_equal(scorer.scores(batch)["bce"], scores["bce"])


def test_the_mask_encoder_alone_gives_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, alone = small("codae"), small("codae", scores=["z2", "z1"])
    batch = example_batch("detector_image", 6, seed=1, axes=whole.layout.axes, features=whole.layout.features)
    alone.load_state(whole.state())
    monkeypatch.setattr(alone._module.encoder, "forward", lambda _: pytest.fail("the residual encoder was run"))
    scores = alone.scores(batch)
    assert tuple(scores) == ("z2", "z1")
    for name, values in scores.items():
        np.testing.assert_array_equal(values, whole.scores(batch)[name])


def test_the_gradient_of_a_batch_is_the_sum_of_its_parts() -> None:
    """The views of the batch, drawn once."""
    scorer = small("codae", turn=4)
    module = scorer._module.double()
    dark = np.random.default_rng(1).random((5, *scorer.layout.shape)) > np.linspace(0.1, 0.5, 5)[:, None, None, None]
    rows = Rows((torch.from_numpy(~dark).double(),), torch.arange(1.0, 6, dtype=torch.double))
    (phase,) = scorer._recipe(module, None).phases
    found = []
    for at_once in (None, 1, 2):
        module.zero_grad()
        module.oriented.train().covariance.zero_()
        losses = list(phase.losses(rows, Noise(torch.Generator().manual_seed(1), torch.device("cpu")), at_once))
        sum(losses).backward()
        found.append([part.grad for part in module.parameters()])
        assert module.oriented.covariance.abs().min() > 0
        assert len(losses) == (3 if at_once else 1)  # a single image has no covariance, which signs latent numbers
    for parts in found[1:]:
        torch.testing.assert_close(parts, found[0], rtol=1e-9, atol=1e-9)


def test_latent_numbers_grow_with_the_lit_pixels() -> None:
    oriented = Oriented(2)
    images = torch.zeros(4, 1, 2, 2)
    images[1, 0, 0, 0] = images[2, 0, :, 0] = images[3] = 1
    z = torch.tensor([[4.0, 1.0], [3.0, 2.0], [2.0, 2.5], [0.0, 3.0]])
    oriented.eval().remember(z, images)
    assert oriented.covariance.tolist() == [0, 0]
    assert oriented(z)["z1"].tolist() == z[:, 0].tolist()  # untrained: as they are
    oriented.train().remember(z, images)
    count = np.array([0, 1, 2, 4])
    kept = 0.9 ** (4 / 128)
    expected = [(1 - kept) * np.cov(z[:, i].numpy(), count, ddof=0)[0, 1] for i in range(2)]
    assert oriented.covariance.tolist() == pytest.approx(expected, rel=1e-4)
    assert oriented(z)["z1"].tolist() == [-4, -3, -2, 0]
    assert oriented(z)["z2"].tolist() == [1, 2, 2.5, 3]


def test_divergences_are_those_of_their_integrals() -> None:
    """One latent pixel of two classes: the density of a relaxed one is that of a logistic in the logit u of z,
    tau e^-(tau u - l) / (1 + e^-(tau u - l))^2.
    """
    module = small("codvae", latent=2, modes=3, samples=1000, filters=[4, 4, 4])._module
    u, step = np.linspace(-120, 120, 400_001, retstep=True)

    def density(tau: float, logit: float) -> Any:
        return tau * stats.logistic.pdf(tau * u - logit)

    q, p = density(1.7, 0.8), np.mean([density(float(t), 0.0) for t in module.temperatures], axis=0)
    reverse, forward = (step * np.sum(a * np.log(a / b)) for a, b in ((q, p), (p, q)))
    logits = torch.tensor([0.8, 0.0]).expand(1, 2, 3, 2)
    temperature = torch.full((1, 2, 3, 1), 1.7)
    assert float(module.reverse(logits, temperature, module.draws[:, None])) == pytest.approx(6 * reverse, rel=0.05)
    assert float(module.forward_divergence(logits, temperature)) == pytest.approx(6 * forward, rel=0.05)


def test_the_prior_of_mixtures_is_the_reference_s() -> None:
    """As the notebook that the authors published prints it."""
    mean, variance = softmax_normal((1.0, 0.25, 0.1))
    assert mean == pytest.approx([1.2296265, -0.15666783, -1.0729586], abs=1e-7)
    assert variance == pytest.approx([2.0, 3.0, 5.0])
    scorer = built("dirichlet_vae", {"width": 4, "threshold": 0.1}, Layout.image(("track",), 16, 24))
    module = scorer._module
    own = (module.prior_mean[None], module.prior_variance.log()[None])
    assert float(module.divergence(*own)) == pytest.approx(0, abs=1e-6)
    theirs = [torch.distributions.Normal(m, s) for m, s in ((1.0, 0.5), (-2.0, 1.5), (0.3, 1.0))]
    prior = [torch.distributions.Normal(float(m), float(v) ** 0.5) for m, v in zip(mean, variance, strict=True)]
    expected = sum(float(torch.distributions.kl_divergence(q, p)) for q, p in zip(theirs, prior, strict=True))
    q = (torch.tensor([[1.0, -2.0, 0.3]]), 2 * torch.tensor([[0.5, 1.5, 1.0]]).log())
    assert float(module.divergence(*q)) == pytest.approx(expected, rel=1e-5)
    batch = example_batch("detector_image", 6, seed=1, axes=scorer.layout.axes, features=("track",))
    seen, made = scorer.reconstruct(batch)
    np.testing.assert_allclose(made.sum(axis=(1, 2)), seen.sum(axis=(1, 2)), rtol=1e-5)


def test_a_mode_is_reconstructed() -> None:
    scorer = small("codvae", threshold=0.1)
    batch = example_batch("detector_image", 6, seed=1, axes=scorer.layout.axes, features=scorer.layout.features)
    seen, made = scorer.reconstruct(batch)
    assert set(np.unique(made)) <= {0, 1}
    scores = scorer.scores(batch)
    np.testing.assert_array_equal(scores["sse"], np.abs(seen - made).sum(axis=(1, 2)))
    assert (scores["kl_reverse"] > 0).all()
    encoders = small("codvae", threshold=0.1, scores=["kl_forward", "z1"])
    encoders.load_state(scorer.state())
    del encoders._module.decoder
    np.testing.assert_array_equal(encoders.scores(batch)["kl_forward"], scores["kl_forward"])


@pytest.mark.parametrize(
    ("layout", "config", "message"),
    [
        (Layout.vector(["jet1_pt"]), {}, "takes an image, not an input of axes slot"),
        (Layout.image(("et",), 16, 24), {}, "codae sees channel 'track', the input has et"),
        (Layout.image(("track",), 10, 24), {}, "at least 11 bins"),
        (Layout.image(("track",), 16, 24), {"filters": [4] * 5}, "too small for 5 halvings"),
        (DETECTOR, {"filters": [6, 6]}, "4 groups cannot share 6 and 6 channels"),
        (DETECTOR, {"scores": ["bce", "bce"]}, "scores must be named each once"),
    ],
)
def test_what_does_not_fit_is_refused(layout: Layout, config: dict[str, Any], message: str) -> None:
    with pytest.raises(CardError, match=message):
        built("codae", config, layout)
