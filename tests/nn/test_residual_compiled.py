"""The compiled networks of images against torch in double precision."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch

from hepad.errors import InputDataError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.codae.network import DualAutoencoder
from hepad.nn.convolution_kernel import ALONE, block
from hepad.nn.residual import ConditionalDecoder, MaskEncoder, ResidualEncoder
from hepad.nn.residual_compiled import compiled
from hepad.nn.vector_code import ROWS, packed, packed_winograd

SETTINGS = {"filters": [32, 32, 64], "groups": 2, "mask_groups": 1, "latent": 8, "scores": ["bce", "sse", "z2"]}


def scorer(size: tuple[int, int] = (13, 26), **settings: Any) -> DualAutoencoder:
    """With normalisations that are not those of the first weights, some of negative gain."""
    made = DualAutoencoder(SETTINGS | settings, Layout.image(("track",), *size))
    rng = np.random.default_rng(1)
    state = {
        name: (values + 0.7 * rng.normal(size=values.shape)).astype(np.float32) if "norm" in name else values
        for name, values in made.state().items()
    }
    made.load_state(state)
    return made


def events(size: tuple[int, int], n: int = 5) -> Batch:
    x = (np.random.default_rng(2).random((n, 1, *size)) < 0.05).astype(np.float32)
    return Batch("detector_image", Layout.image(("track",), *size), x, None, np.ones(n))


@pytest.mark.parametrize(
    ("size", "changed"),
    [
        ((13, 26), {}),
        ((58, 72), {"filters": [32, 32]}),
        ((16, 24), {"filters": [32] * 4}),
        ((32, 48), {"filters": [32, 32], "groups": 1, "latent": 1}),  # fewer channels than a vector has
    ],
)
def test_the_networks_are_the_same_functions(size, changed) -> None:
    module = scorer(size, **changed)._module
    quick = compiled(module, size)
    assert quick is not None
    x = torch.from_numpy(events(size, 2).x)
    with torch.inference_mode():
        wide = module.double()
        features = wide.latents(wide.encoder(x.double()))
        z = wide.mask_encoder(x.double())
        assert z.std() > 0.1  # so that it is seen which event it is
        for expected, found in (
            (z, quick.mask_encoder(x)),
            (features, quick.latents(quick.encoder(x))),
            (wide.decoder(features, z), quick.decoder(features.float(), z.float())),
            (wide.decoder(features), quick.decoder(features.float())),
        ):
            scale = float(expected.abs().max())
            torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-4 * scale)


def test_a_score_is_that_of_its_event_alone() -> None:
    model, batch = scorer(), events((13, 26))
    whole = model.scores(batch)
    for place in range(len(batch)):
        alone = model.scores(batch.take(slice(place, place + 1)))
        assert all(alone[name][0] == whole[name][place] for name in whole)
    plain = model._module
    with torch.inference_mode():
        expected = [plain.mask_encoder(torch.from_numpy(batch.x[i : i + 1])) for i in range(5)]
    sign = torch.where(plain.oriented.covariance < 0, -1.0, 1.0)
    np.testing.assert_allclose(whole["z2"], (torch.cat(expected) * sign)[:, 1].numpy(), rtol=1e-3, atol=1e-4)
    broken = batch.x.copy()
    broken[2, 0, 12, 25] = np.nan
    with pytest.raises(InputDataError, match="codae"):
        model.scores(Batch(batch.kind, batch.layout, broken, None, batch.weight))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_sees_its_own_events(copied) -> None:
    model, batch = scorer(), events((13, 26), 3)
    model.scores(batch.take(slice(0, 1)))  # so that the images are filled
    again, other = copied(model), batch.take(slice(1, 3))
    np.testing.assert_equal(dict(again.scores(other)), dict(model.scores(other)))


def test_new_weights_are_used() -> None:
    model, batch = scorer(), events((13, 26), 1)
    before, other = model.scores(batch), model.state()
    other["decoder.last.bias"] = other["decoder.last.bias"] + 3
    model.load_state(other)
    assert model.scores(batch)["bce"] > before["bce"] + 100
    assert model.scores(batch)["z2"] == before["z2"]


def test_what_does_not_fit_the_registers_is_left_to_torch() -> None:
    assert compiled(scorer(filters=[16, 24], groups=1)._module, (13, 26)) is None
    assert compiled(scorer(groups=4)._module, (13, 26)) is None
    assert compiled(torch.nn.Sequential(torch.nn.Linear(2, 2)), (13, 26)) is None
    parts = {type(part) for part in scorer()._module.children()}
    assert {ResidualEncoder, MaskEncoder, ConditionalDecoder} <= parts


def test_both_convolutions_are_the_one() -> None:
    """16 inputs of two groups to 48 outputs a group, on 7 by 9 pixels, with what follows, as in torch."""
    rng = np.random.default_rng(3)
    weight, gain, bias = rng.normal(size=(96, 8, 3, 3)), rng.uniform(0.5, 2, 96), rng.normal(size=96)
    x = np.zeros((2, 10, 14, 8))
    x[:, :9, :11] = rng.normal(size=(2, 9, 11, 8))
    image = torch.from_numpy(x[:, :9, :11]).permute(0, 3, 1, 2).reshape(1, 16, 9, 11)
    made = torch.nn.functional.conv2d(image, torch.from_numpy(weight), groups=2)
    made = torch.nn.functional.instance_norm(made, weight=torch.from_numpy(gain), bias=torch.from_numpy(bias), eps=1e-3)
    expected = torch.nn.functional.leaky_relu(made, 0.2)[0].permute(1, 2, 0).numpy()
    pixels = [(y * 14 + i) * 8 for y in range(7) for i in range(9)]
    starts = np.array([*pixels, *[0] * (-63 % ROWS)])
    taps = np.array([(y * 14 + i) * 8 for y in range(3) for i in range(3)])
    flat, norm = x.astype(np.float32).ravel(), (gain.astype(np.float32), bias.astype(np.float32), 1e-3, 0.2, ALONE)
    room = np.empty(8 * 12 * 48, np.float32)
    for way, weights, pitch in ((0, packed(weight), 9), (1, packed_winograd(weight), 12)):
        out = np.zeros((2, 9, 11, 48), np.float32)
        shape = np.array([8, 14, 7, 9, pitch, 11, way])
        block(flat, 2, 2, shape, starts, taps, weights, *norm, room, out.ravel())
        found = np.concatenate(list(out[:, 1:8, 1:10]), axis=-1)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
        np.testing.assert_array_equal(out[:, 1:8, [0, 10]], out[:, 1:8, [9, 1]])  # phi goes around
        assert not out[:, [0, 8]].any()
