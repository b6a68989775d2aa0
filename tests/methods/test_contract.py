"""Every registered method keeps the contract of `hepad.testing`."""

from __future__ import annotations

import numpy as np
import pytest

from hepad import registry
from hepad.methods.base.folded import FittedFolds
from hepad.testing import MethodCase, check_method, method_checks

# Small enough to train in a second; what is not named keeps its defaults.
JETS = ["jet1", "jet2"]
NETWORK = {"kind": "network", "layers": [8]}
TREES = {"kind": "trees", "trees": 10, "leaves": 8, "features": 0.5, "learning_rate": 0.3}
FLOW = {"blocks": 1, "width": 8, "epochs": 2, "batch_size": 200, "learning_rate": 5e-3, "keep_epochs": 1}
SETTINGS = {
    "cathode": MethodCase("cathode", {"classifier": TREES, "rotations": 1, "flow": FLOW}),
    "lacathode": MethodCase("lacathode", {"classifier": TREES, "rotations": 1, "flow": FLOW}),
    "cwola": MethodCase("cwola", {"classifier": NETWORK, "rotations": 1, "restarts": 2}),
    "cwola_jets": MethodCase(
        "cwola_jets",
        {"jets": JETS, "reweight": "eta", "classifier": TREES, "rotations": 1},
        features=("pt", "eta", "phi"),
    ),
    "cuts": MethodCase("cuts", {"require": {"jet1_pt": [2.0, None], "met_pt": [None, 50.0]}}),
    "idealised": MethodCase("idealised", {"classifier": TREES, "rotations": 1, "keep": "all"}),
    "supervised": MethodCase("supervised", {"classifier": TREES, "rotations": 1, "keep": "all"}),
    "tnt": MethodCase(
        "tnt",
        {"jets": JETS, "tagger": {"kind": "autoencoder", "layers": [1]}, "classifier": TREES, "rotations": 1},
        features=("pt", "eta", "phi"),
    ),
    "quak": MethodCase("quak", {"density": {"kind": "flow", "blocks": 1, "width": 8}}),
    "vae_qr": MethodCase(
        "vae_qr",
        {"jets": ["jet1", "jet3"], "network": {"kind": "vae", "layers": [8], "latent": 1}, "quantiles": [0.5, 0.9]},
        features=("pt", "eta"),
    ),
    "cwola of trees": MethodCase("cwola", {"classifier": TREES, "rotations": 1, "keep": "all", "reweight": "met_pt"}),
}
CASES = {name: MethodCase(name) for name in registry.METHODS} | SETTINGS


@pytest.mark.parametrize(
    ("name", "check"),
    [
        pytest.param(name, check, id=f"{name}-{check.__name__}")
        for name in CASES
        for check in method_checks(CASES[name])
    ],
)
def test_the_contract(name: str, check: object) -> None:
    check(CASES[name])


def test_a_method_that_breaks_the_contract_is_told_which_part(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = FittedFolds.scores
    monkeypatch.setattr(
        FittedFolds, "scores", lambda self, batch, folds: scores(self, batch, np.where(folds < 0, -1, (folds + 1) % 3))
    )
    with pytest.raises(AssertionError, match="cwola: an event is not scored by a network that saw it"):
        check_method("cwola", config=SETTINGS["cwola"].config)
