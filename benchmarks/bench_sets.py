# ruff: noqa: SLF001  what is compared is inside
"""Networks of packed sets beside plain ones of padded sets, in one run: `pytest -s benchmarks/bench_sets.py`.

The sets have as many particles as jets of 500 to 1000 GeV: 44 +- 21, at most 128. Times are the shortest of some of
one thread that take turns, so that both ways see the same machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, one_hot
from torch.profiler import ProfilerActivity, profile

from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.set_vae.network import ClipVae, SetVae
from hepad.nn.blocks import kl_divergence
from hepad.nn.chamfer import half_chamfer
from hepad.nn.packed import pack
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise, Rows

FEATURES = ("pt_rel", "deta", "dphi", "log_pt", "log_energy", "log_pt_rel", "log_energy_rel", "delta_r")
LAYOUT = Layout.set(128, FEATURES)
SHARES = (0.0, 0.27, 0.27, 0.13, 0.32, 0.003, 0.003, 0.002, 0.002)
"""Of the kinds of particles, from code 0 on."""
STEPS = {"beta": 0.001, "angular_scale": 0.15}


def jets(n: int, size: int | None = None) -> Batch:
    """Random jets, of `size` particles each if it is given."""
    rng = np.random.default_rng(1)
    counts = np.clip(rng.negative_binomial(4.9, 0.1, n), 1, 128) if size is None else np.full(n, size)
    there = np.arange(128) < counts[:, None]
    x = np.where(there[:, :, None], rng.normal(0, 0.3, (n, *LAYOUT.shape)), 0).astype(np.float32)
    x[:, :, 0] = np.where(there, rng.exponential(0.02, there.shape), 0)
    ids = np.where(there, rng.choice(9, there.shape, p=np.array(SHARES) / sum(SHARES)), 0)
    return Batch("particle_set", LAYOUT, x, there, np.ones(n), {"id": ids})


def tensors(model: SetVae, batch: Batch) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(np.array(array, dtype=np.float32)) for array in model._arrays(batch))


def compared(first: Callable[[], Any], second: Callable[[], Any], rounds: int = 5) -> tuple[float, float]:
    """The shortest times of both in seconds of one thread, without those in which it waits for a processor."""
    torch.set_num_threads(1)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):  # the first round warms up
        for function, found in zip((first, second), times, strict=True):
            start = time.thread_time()
            function()
            found.append(time.thread_time() - start)
    return min(times[0][1:]), min(times[1][1:])


def peak_megabytes(function: Callable[[], Any]) -> float:
    """The most memory that torch holds at a time beyond what is there."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        function()
    events = [event for event in found.profiler.kineto_results.events() if event.name() == "[memory]"]
    steps = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return float(np.cumsum(steps).max()) / 1e6


class Padded:
    """The same deep sets with the same weights, padded to 128, with all distances by `torch.cdist`."""

    def __init__(self, module: nn.Module, rows: tuple[Tensor, ...], ids: bool = True) -> None:
        self.module, self.ids = module, ids
        self.there, self.kind = rows[1] > 0, rows[2].long()
        self.x = rows[0] * torch.tensor([10.0, *[1.0] * 7])

    def chamfer(self, made: Tensor) -> Tensor:
        x, there, scale = self.x[:, :, :3], self.there, STEPS["angular_scale"]
        momenta = torch.cdist(x[:, :, :1], made[:, :, :1]).square()
        angles = torch.cdist(x[:, :, 1:], made[:, :, 1:]).square() * (x[:, :, :1] / scale).square()
        same = there[:, :, None] & there[:, None, :] & (self.kind[:, :, None] == self.kind[:, None, :])
        pairs = (momenta + angles).masked_fill(~same, 1e9)
        nearest = pairs.amin(dim=2) + pairs.amin(dim=1)
        return 0.5 * (nearest * there).sum(dim=1) / there.sum(dim=1)

    def loss(self, noise: Noise) -> Tensor:
        encoder, decoder = self.module.encoder, self.module.decoder
        share = (self.there / self.there.sum(dim=1, keepdim=True))[:, :, None]
        flags = one_hot(self.kind, 9)[:, :, 1:].float()
        z = (self._layers(encoder.start(torch.cat([self.x, flags], dim=2)), encoder, share) * share).sum(dim=1)
        mean, log_variance = encoder.mean(z), encoder.log_variance(z)
        z = mean + torch.exp(0.5 * log_variance) * noise.normal(*mean.shape)
        place = one_hot(self.kind, 9).cumsum(dim=1).gather(2, self.kind[:, :, None])[:, :, 0] - 1
        y = decoder.start(z)[:, None] + decoder.places[place] + decoder.kinds(flags)
        made = decoder.end(self._layers(y, decoder, share))
        made = torch.cat([made[:, :, :1].exp(), made[:, :, 1:]], dim=2)
        return (self.chamfer(made) + STEPS["beta"] * kl_divergence(mean, log_variance)).mean()

    def _layers(self, y: Tensor, part: nn.Module, share: Tensor) -> Tensor:
        for layer in part.layers:
            norm = layer.norm
            y = (y - norm.mean) / torch.sqrt(norm.variance + 1e-5) * norm.weight + norm.bias
            of_set = leaky_relu(layer.of_set((y * share).sum(dim=1, keepdim=True)))
            y = leaky_relu(layer.out(leaky_relu(layer.own(y)) + of_set))
        return y


def test_a_training_step_with_the_chamfer_loss() -> None:
    model = SetVae({"noise_steps": 0}, LAYOUT)
    batch = jets(256)
    rows = tensors(model, batch)
    module = model._module.eval()  # the running means stay, so that both ways have the same loss
    recipe = model._recipe(module, TrainingData(batch, batch))
    padded, optimizer = Padded(module, rows), torch.optim.AdamW(module.parameters(), amsgrad=True, fused=True)

    def noise() -> Noise:
        return Noise(torch.Generator().manual_seed(1), torch.device("cpu"))

    def step(loss: Callable[[], Tensor]) -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    def packed_loss() -> Tensor:
        return recipe.phases[0].loss(Rows(rows, None), noise())

    assert padded.loss(noise()).item() == pytest.approx(packed_loss().item(), rel=1e-4)
    ours, plain = compared(lambda: step(packed_loss), lambda: step(lambda: padded.loss(noise())))
    print(f"\nstep of 256 jets: {ours * 1e3:.0f} ms packed, {plain * 1e3:.0f} ms with cdist: {plain / ours:.1f} times")
    assert plain > 3 * ours


@pytest.mark.parametrize("ids", [True, False])
def test_the_chamfer_loss_alone(ids: bool) -> None:
    model = SetVae({"ids": ids}, LAYOUT)
    rows = tensors(model, jets(256))
    packed, padded = pack(rows), Padded(model._module, rows)
    y = (rows[0][:, :, :3] + 0.1).requires_grad_()
    order = torch.argsort(padded.kind[padded.there] + 10 * torch.nonzero(padded.there)[:, 0], stable=True)
    z = y.detach()[padded.there][order].requires_grad_()
    x = packed.x[:, :3] * torch.tensor([10.0, 1.0, 1.0])

    def ours() -> Tensor:
        again = pack(rows)  # which objects belong together is part of the price
        return half_chamfer(again, x, z, STEPS["angular_scale"]).mean()

    def plain() -> Tensor:
        return padded.chamfer(y).mean()

    assert ours().item() == pytest.approx(plain().item(), rel=1e-4)
    fast, slow = compared(lambda: ours().backward(), lambda: plain().backward())
    used = [peak_megabytes(lambda function=function: function().backward()) for function in (ours, plain)]
    print(
        f"\nloss of 256 jets {'with' if ids else 'without'} ids: {fast * 1e3:.1f} ms packed, {slow * 1e3:.1f} ms with "
        f"cdist: {slow / fast:.1f} times; {used[0]:.0f} MB and {used[1]:.0f} MB"
    )
    assert slow > 3 * fast


@pytest.mark.parametrize("network", ["deepset", "transformer"])
def test_scores_of_the_encoder_alone(network: str) -> None:
    sizes = {} if network == "deepset" else {"width": 128, "encoder_layers": 6, "decoder_layers": 6}
    batch = jets(1000 if network == "deepset" else 200)
    encoder, whole = (
        ClipVae({"network": network, **sizes, "scores": scores}, LAYOUT) for scores in (["kl"], ["chamfer", "kl"])
    )
    fast, slow = compared(lambda: encoder.scores(batch), lambda: whole.scores(batch), rounds=5)
    each = 1e6 / len(batch)
    print(
        f"\n{network}: {fast * each:.0f} us a jet with the encoder, {slow * each:.0f} in full: {slow / fast:.2f} times"
    )
    # Of the transformer 2.04 undisturbed: without the loss the operations are 1.99 times as many.
    assert slow > (2 if network == "deepset" else 1.9) * fast


def test_a_small_jet_does_not_pay_for_a_large_one() -> None:
    model = SetVae({}, LAYOUT)
    small, large = jets(500, 30), jets(500, 128)
    fast, slow = compared(lambda: model.scores(small), lambda: model.scores(large), rounds=3)
    print(f"\n30 particles: {fast * 2e3:.0f} us a jet, 128 particles: {slow * 2e3:.0f} us: {slow / fast:.1f} times")
    assert slow > 3 * fast
