"""Where torch runs: what a name stands for, what is refused, and that a network takes all of itself along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from hepad import registry
from hepad.cards.train import TrainCard
from hepad.cli.main import app
from hepad.errors import UsageError
from hepad.inputs.layout import IMAGE
from hepad.nn import reconstruction, training
from hepad.nn.device import OnDevice, available_devices, resolve_device, scoring_device, send_to
from hepad.nn.network import NetworkScorer
from hepad.nn.sources import ArraySource, Noise
from hepad.testing import ModelCase

CASES = {
    "snn_ae": ModelCase("snn_ae", {"layers": [8, 3], "steps": 2}, TrainCard(epochs=3, batch_size=100)),
    "dnn_ae": ModelCase("dnn_ae", {"layers": [8, 3]}, TrainCard(epochs=3, batch_size=100)),
    "rmm_ae": ModelCase("rmm_ae", {"layers": [12, 3], "gain": 2.0}),
    "vae": ModelCase(
        "vae", {"layers": [16, 8], "latent": 2}, TrainCard(epochs=3, batch_size=100), features=("pt", "eta", "phi")
    ),
    "conv_ae": ModelCase(
        "conv_ae", {"filters": [4], "latent": 4}, TrainCard(epochs=2, batch_size=100), axes=IMAGE, features=("et",)
    ),
}
CHAIN = {"embed": {"name": "vae", "layers": [8], "latent": 3, "scores": ["mu2"]}, "score": {"name": "dnn_ae"}}
ACCELERATOR = available_devices()[0]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make it look as if the machine had these accelerators."""

    def has(*names: str) -> None:
        monkeypatch.setattr("torch.cuda.is_available", lambda: "cuda" in names)
        monkeypatch.setattr("torch.backends.mps.is_available", lambda: "mps" in names)

    return has


def test_a_name_is_a_device_that_is_there(machine: Any) -> None:
    machine()
    assert [resolve_device(name) for name in ("cpu", "auto")] == ["cpu", "cpu"]
    with pytest.raises(UsageError, match=r"--device cuda: torch finds none on this machine; there is cpu$"):
        resolve_device("cuda")
    machine("mps")
    assert [resolve_device(name) for name in ("cpu", "auto", "mps")] == ["cpu", "mps", "mps"]
    with pytest.raises(UsageError, match="there is mps, cpu"):
        resolve_device("cuda")
    machine("cuda", "mps")
    assert [resolve_device(name) for name in ("cpu", "auto", "mps")] == ["cpu", "cuda", "mps"]
    with pytest.raises(UsageError, match="choose one of auto, cpu, cuda, mps"):
        resolve_device("tpu")


def test_a_model_that_scores_without_torch_stays_where_it_is(machine: Any) -> None:
    machine("cuda")
    numpy_only, torch_too = CASES["dnn_ae"].new(), ModelCase("chain", CHAIN).new()
    assert scoring_device(numpy_only, "auto") == scoring_device(numpy_only, "cpu") == "cpu"
    with pytest.raises(UsageError, match="models of kind dnn_ae score on the processor"):
        scoring_device(numpy_only, "cuda")
    alone = ModelCase("ensemble", {"member": {"name": "dnn_ae", "layers": [8, 3]}, "members": 2}).new()
    assert scoring_device(alone, "auto") == "cpu"
    assert scoring_device(torch_too, "auto") == scoring_device(CASES["vae"].new(), "cuda") == "cuda"
    send_to(numpy_only, "cuda")  # stays
    send_to(torch_too, "cuda")
    assert torch_too._members["embed"]._device == "cuda"
    machine()
    with pytest.raises(UsageError, match="there is cpu"):
        scoring_device(CASES["vae"].new(), "mps")


@pytest.mark.parametrize("name", ["conv_ae", "vae"])
def test_a_network_scores_where_it_is_sent(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On torch's `meta` device, which has shapes but no numbers: a tensor that is left behind would not fit."""
    case = CASES[name]
    scorer = case.new()
    assert isinstance(scorer, OnDevice)
    network = scorer if isinstance(scorer, NetworkScorer) else scorer._in_torch()
    before = network.scores(case.events)
    module = network._module.to("meta")
    rows = tuple(torch.empty((5, *array.shape[1:]), device="meta") for array in network._arrays(case.events))
    scores = network._score(module, rows)
    assert {(score.device.type, *score.shape) for score in scores} == {("meta", 5)}
    scorer = case.new()  # and `scores` sends it there
    sent: list[str] = []
    to = torch.nn.Module.to
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, device: (sent.append(device), to(self, "cpu"))[1])
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *_, **__: self)
    scorer.score_on("somewhere")
    after = scorer.scores(case.events)
    assert sent == ["somewhere"]
    for key, values in before.items():
        np.testing.assert_array_equal(after[key], values)


@pytest.mark.parametrize("name", CASES)
def test_a_network_trains_where_it_is_sent(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step of each phase on `meta`, the optimiser's included."""
    case, found = CASES[name], []

    def step(recipe: Any, source: Any, _: Any, *, options: TrainCard, seed: int, device: str, **__: Any) -> Any:
        found.append(device)
        recipe.module.to("meta")
        epochs = training._Epochs(recipe, options, seed, torch.device("meta"))
        rows, noise = source.rows(slice(0, 7), torch.device("meta")), epochs._noise(training.Stream.NOISE)
        assert isinstance(source, ArraySource)
        assert isinstance(noise, Noise)
        for phase in recipe.phases:
            loss = phase.loss(rows, noise)
            assert (loss.device.type, loss.shape) == ("meta", ())
            epochs._update(phase, iter([loss]), 1e-3)
        assert recipe.validate(rows, noise).device.type == "meta"
        raise InterruptedError

    monkeypatch.setattr(reconstruction, "train", step)
    with pytest.raises(InterruptedError):
        case.new().fit(case.data, options=case.options, seed=1, device="cuda")
    assert found == ["cuda"]


@pytest.mark.parametrize(
    "words",
    [
        ("train", "b.h5", "--model", "dnn_ae", "-o", "out"),
        ("score", "w_lnu.root", "--model", "vae"),
        ("study", "adc2021", "-o", "out"),
        (
            "hunt",
            "w_lnu.root",
            "--method",
            "cwola",
            "--mass",
            "jet1+jet2",
            "--window",
            "150:220",
            "--sidebands",
            "60:400",
            "-o",
            "hunt.root",
        ),
    ],
)
def test_the_command_says_what_is_there(
    words: tuple[str, ...], machine: Any, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine("mps")
    monkeypatch.chdir(tmp_path)
    for name in ("b.h5", "w_lnu.root"):
        (tmp_path / name).symlink_to(examples / ("background.h5" if name == "b.h5" else name))
    result = CliRunner().invoke(app, [*words, "--device", "cuda"])
    assert result.exit_code == 2
    assert result.stderr == "hepad: --device cuda: torch finds none on this machine; there is mps, cpu\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.h5", "w_lnu.root"]


def test_the_option_reaches_the_training(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hepad.pipeline.train.plan import TrainOptions, TrainPlan
    from hepad.pipeline.train.run import train_in_memory

    class Reached(Exception):
        pass

    def fit(self: Any, data: Any, *, device: str, **_: Any) -> None:
        raise Reached(device)

    kind = registry.load(registry.SCORERS["dnn_ae"])
    monkeypatch.setattr(kind, "fit", fit)
    monkeypatch.setattr("hepad.nn.device.available_devices", lambda: ("cuda", "cpu"))
    files = [str(examples / "background.h5")]
    for asked, got in (("auto", "cuda"), ("cpu", "cpu")):
        with pytest.raises(Reached, match=got):
            train_in_memory(files, "dnn_ae", options=TrainOptions(device=asked, regions={}, max_events=2000))
    plans = [TrainPlan.of(files, "dnn_ae", TrainOptions())] * 2
    options = [TrainOptions(device=device) for device in ("cpu", "cuda")]
    contents = [plan.content(one) for plan, one in zip(plans, options, strict=True)]
    assert contents[1] == [*contents[0], "cuda"]  # a checkpoint of the one is none of the other


@pytest.mark.skipif(ACCELERATOR == "cpu", reason="needs an accelerator: CUDA or MPS")
@pytest.mark.parametrize("name", CASES)
def test_an_accelerator_gives_the_same_to_parts_in_a_thousand(name: str) -> None:
    """On an H200 the losses of the five agree to 1e-3, but for the third epoch of `vae`: 1.6e-3.

    Order and noise are the same, products are not in TF32; what differs is the order of sums. The optimiser divides a
    gradient by its size, so that small ones, which are rounding, move weights as large ones do: on the processor alone,
    gradients changed by 1e-7 of the largest move the validation loss of `vae` by up to 5e-4, by 1e-5 of it 1.7e-3.
    """
    case = CASES[name]
    here, there = case.new(), case.new()
    losses = [
        scorer.fit(case.data, options=case.options, seed=1, device=device)
        for scorer, device in ((here, "cpu"), (there, ACCELERATOR))
    ]
    np.testing.assert_allclose(losses[1].train_loss, losses[0].train_loss, rtol=2e-3)
    np.testing.assert_allclose(losses[1].validation_loss, losses[0].validation_loss, rtol=2e-3)
    if isinstance(here, OnDevice):
        plain = here.scores(case.events)
        here.score_on(ACCELERATOR)
        for key, values in here.scores(case.events).items():
            np.testing.assert_allclose(values, plain[key], rtol=1e-3, atol=1e-6)
