"""Every registered model keeps the contract of `hepad.testing`."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hepad import registry
from hepad.cards.train import TrainCard
from hepad.inputs.layout import IMAGE, SET
from hepad.testing import ModelCase, check_model, model_checks
from hepad.testing.examples import example_layout

IMAGES: dict[str, Any] = {"axes": IMAGE, "features": ("track",), "trained_on": 100, "scored": 200}
QUICK = TrainCard(epochs=6, batch_size=50, learning_rate=2e-2)
SMALL: dict[str, Any] = {"filters": [4], "groups": 2, "latent": 2, "threshold": 0.1}

# Small enough to train in a second; what is not named keeps its defaults.
SETTINGS = {
    "snn_ae": ModelCase(
        # Few steps to be fast, and a threshold low enough for spikes after a short training.
        "snn_ae",
        {"layers": [12, 4], "steps": 3, "threshold": 0.5},
        TrainCard(epochs=30, batch_size=100, learning_rate=1e-2),
    ),
    "vae": ModelCase(
        "vae",
        {"layers": [16, 8], "latent": 2},
        TrainCard(epochs=12, batch_size=100, learning_rate=5e-3),
        features=("pt", "eta", "phi"),
    ),
    "l1_vae": ModelCase(
        "l1_vae",
        {"layers": [16, 8], "latent": 3, "decoder": [8, 16], "beta": 0.01},
        TrainCard(epochs=12, batch_size=100, learning_rate=5e-3),
        features=("pt", "eta", "phi"),
    ),
    "vae_gan": ModelCase(
        "vae_gan",
        {"layers": [16, 8], "latent": 2, "discriminator": [8], "beta": 0.01, "gamma": 0.1},
        TrainCard(epochs=12, batch_size=100, learning_rate=5e-3),
        features=("pt", "eta", "phi"),
    ),
    "vicreg": ModelCase(
        "vicreg",
        {"layers": [12, 6], "projector": [16, 16], "blur_magnitude": 0.1, "mask": 0.1},
        TrainCard(epochs=12, batch_size=250, learning_rate=3e-3),
        features=("pt", "eta", "phi"),
    ),
    "dense_vae": ModelCase(
        "dense_vae",
        {"layers": [8], "latent": 2, "alpha": 100.0, "beta": 0.1},
        TrainCard(epochs=30, batch_size=100, learning_rate=1e-2),
    ),
    "rmm_ae": ModelCase("rmm_ae", {"layers": [12, 3], "gain": 2.0}, precision="float16"),
    "anomaly_clr": ModelCase(
        "anomaly_clr",
        {"width": 16, "heads": 2, "layers": 1, "feedforward": 16, "output": 12, "temperature": 0.5},
        TrainCard(epochs=20, batch_size=100, learning_rate=3e-3),
        features=("pt", "eta", "phi"),
        trained_on=500,
    ),
    "nf_vae": ModelCase(
        "nf_vae",
        {
            "filters": [8, 4],
            "kernels": [2, 3],
            "dense": 12,
            "latent": 3,
            "beta": 0.01,
            "flow": {"kind": "householder", "steps": 2, "vectors": 2, "width": 8, "kernel": 2},
        },
        TrainCard(epochs=20, batch_size=50, learning_rate=1e-2),
        features=("pt", "phi"),
        trained_on=500,
    ),
    "double_ae": ModelCase(
        "double_ae",
        {"layers": [24, 4], "decorrelation": 0.1},
        TrainCard(epochs=30, batch_size=100, learning_rate=1e-2),
    ),
    "wnae": ModelCase(
        "wnae",
        {"layers": [8, 3], "steps": 2, "buffer": 300},
        TrainCard(epochs=15, batch_size=250, learning_rate=1e-2),
    ),
    "particle_flow": ModelCase(
        "particle_flow",
        {"particle": [12, 8], "layers": [8]},
        TrainCard(epochs=6, batch_size=100, learning_rate=5e-3),
        axes=SET,
        features=("pt", "eta", "phi"),
    ),
    "conv_ae": ModelCase(
        "conv_ae",
        {"filters": [4, 8], "latent": 4},
        TrainCard(epochs=5, batch_size=25, learning_rate=5e-3),
        axes=IMAGE,
        features=("et",),
        trained_on=400,
    ),
    "codae": ModelCase("codae", {**SMALL, "mask_groups": 2, "scores": ["bce", "dice", "z1", "z2"]}, QUICK, **IMAGES),
    "cae": ModelCase("cae", {**SMALL, "scores": ["bce", "sae"]}, QUICK, **IMAGES),
    "codvae": ModelCase("codvae", {**SMALL, "mask_groups": 2, "samples": 2, "modes": 2, "beta": 0.1}, QUICK, **IMAGES),
    "dirichlet_vae": ModelCase(
        "dirichlet_vae",
        {"width": 8, "threshold": 0.1, "scores": ["sse", "z2"]},
        TrainCard(epochs=25, batch_size=20, learning_rate=5e-2),
        **IMAGES,
    ),
    "cct": ModelCase(
        "cct",
        {"filters": [4, 4], "layers": 1, "head_width": 4, "dense": [4], "classes": 2, "threshold": 0.1},
        QUICK,
        labelled=True,
        **IMAGES,
    ),
    "image_ae": ModelCase(
        "image_ae",
        {"filters": [2], "dense": [8], "latent": 4, "threshold": 0.1, "scores": ["sse", "pixel_sum"]},
        QUICK.model_copy(update={"epochs": 8}),
        **IMAGES,
    ),
    "cicada": ModelCase(
        "cicada",
        {"teacher_filters": [4, 6], "latent": 4, "hidden": [8], "balance": 5.0},
        TrainCard(epochs=5, batch_size=25, learning_rate=5e-3),
        axes=IMAGE,
        features=("et",),
        trained_on=400,
        unit=50.0,  # the regions are of many steps of energy
    ),
    "logistic": ModelCase("logistic", {}, TrainCard(epochs=6, batch_size=100, learning_rate=5e-2)),
    "flow": ModelCase(
        "flow",
        {"blocks": 2, "width": 12, "noise": 0.05},
        TrainCard(epochs=8, batch_size=100, learning_rate=1e-2),
    ),
    "quantity": ModelCase("quantity", {"feature": "jet1_pt"}),
    "total_energy": ModelCase("total_energy", axes=IMAGE, features=("track", "ecal")),
    "set_vae": ModelCase(
        "set_vae",
        {"width": 16, "feedforward": 16, "latent": 4, "encoder_layers": 1, "decoder_layers": 1, "id_kinds": 3}
        | {"momentum_scale": 3.0, "angular_scale": 10.0, "noise_steps": 20, "scores": ["chamfer", "kl"]},
        TrainCard(epochs=8, batch_size=250, learning_rate=1e-2),
        axes=SET,
        features=("pt_rel", "deta", "dphi"),
    ),
    "clip_vae": ModelCase(
        "clip_vae",
        {"width": 16, "feedforward": 16, "latent": 4, "encoder_layers": 1, "decoder_layers": 1, "ids": False}
        | {"momentum_scale": 3.0, "angular_scale": 100.0, "noise_steps": 0, "beta": 0.01},
        TrainCard(epochs=8, batch_size=250, learning_rate=1e-2),
        axes=SET,
        features=("pt_rel", "deta", "dphi"),
    ),
    "vrnn": ModelCase(
        "vrnn",
        {"hidden": 8, "order": "kt", "beta": 0.0003, "angles": ["pt_rel", "pt_rel"], "scores": ["high_kl", "low_kl"]},
        TrainCard(epochs=30, batch_size=50, learning_rate=1e-2),
        axes=SET,
        features=("pt_rel",),
        trained_on=300,
    ),
    "ensemble": ModelCase("ensemble", {"member": {"name": "dnn_ae", "layers": [8, 3]}, "members": 2}),
    "parallel": ModelCase(
        "parallel", {"members": {"one": {"name": "dnn_ae", "layers": [8, 3]}, "two": {"name": "dnn_ae", "layers": [4]}}}
    ),
    "chain": ModelCase(
        "chain",
        {
            "embed": {"name": "vae", "layers": [16, 8], "latent": 3, "beta": 0.01, "scores": ["mu2"]},
            "score": {"name": "dnn_ae", "layers": [4, 2]},
        },
        TrainCard(epochs=12, batch_size=100, learning_rate=5e-3),
    ),
    "cascade": ModelCase(
        "cascade",
        {
            "gate": {
                "name": "vae_gan",
                "layers": [16, 8],
                "latent": 2,
                "discriminator": [8],
                "beta": 0.01,
                "gamma": 0.1,
            },
            "score": {"name": "dnn_ae", "layers": [8, 3]},
            "accept": 0.5,
            "gate_sees": {"jet": 3, "met": 1},
            "score_sees": {"jet": 2, "muon": 1, "electron": 1, "met": 1},
        },
        TrainCard(epochs=12, batch_size=100, learning_rate=5e-3),
        features=("pt", "eta", "phi"),
    ),
    "onnx": ModelCase("onnx", {"score": "mse"}),
    "fixed": ModelCase(
        "fixed",
        {
            "input": "ap_ufixed<10,10>",
            "layers": [{"kind": "relu", "output": "ap_ufixed<8,8>"}],
            "score": {"kind": "squares", "result": "ap_ufixed<18,18>", "output": "ap_ufixed<18,18>", "per_unit": 1},
        },
    ),
}
CASES = {name: SETTINGS.get(name, ModelCase(name)) for name in registry.SCORERS}


@pytest.mark.parametrize(
    ("name", "check"),
    [pytest.param(name, check, id=f"{name}-{check.__name__}") for name in CASES for check in model_checks(CASES[name])],
)
def test_the_contract(name: str, check: object) -> None:
    check(CASES[name])


@pytest.mark.parametrize("name", ["dense_vae", "l1_vae", "vae", "vae_gan", "vicreg"])
def test_weights_taken_are_in_the_order_of_the_network(name: str) -> None:
    """A model has the same weights in the same order whether they are its own or were read."""
    case = CASES[name]
    scorer = registry.load(registry.SCORERS[name])(case.config, example_layout(case.axes, case.features))
    own = scorer.state()
    scorer.load_state(dict(reversed(own.items())))
    assert list(scorer.state()) == list(own)


def test_a_dense_vae_is_scored_where_its_rows_are() -> None:
    """Elsewhere than on a processor; of the device "meta", which has shapes alone, nothing can be taken to one."""
    from hepad.models.dense_vae import DenseVaeConfig
    from hepad.models.dense_vae.network import TorchDenseVae

    case = CASES["dense_vae"]
    scorer = TorchDenseVae(DenseVaeConfig.model_validate(case.config), example_layout(case.axes, case.features))
    rows = torch.zeros(3, scorer._width, device="meta")
    (score,) = scorer._score(scorer._build().to("meta"), (rows,))
    assert score.shape == (3,)


def test_the_cost_of_a_dense_vae_is_that_of_its_layers() -> None:
    case = CASES["dense_vae"]
    scorer = case.new()
    products = sum(weights.size for weights in scorer.state().values() if weights.ndim == 2)
    assert scorer.cost(case._batch(3, 1)).operations == products > 0


def test_a_model_that_breaks_the_contract_is_told_which_part(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = registry.load(registry.SCORERS["dnn_ae"])
    scores = kind.scores
    monkeypatch.setattr(kind, "scores", lambda self, batch: {k: -v for k, v in scores(self, batch).items()})
    with pytest.raises(AssertionError, match="dnn_ae: an anomaly scores above background"):
        check_model("dnn_ae")
