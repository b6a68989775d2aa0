"""Jets as sets of particles, from a file of JetClass to scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import uproot

from ..conftest import Run


def test_jets_are_trained_on_and_scored(run: Run, data: Path, tmp_path: Path) -> None:
    """By CLIP-VAE, whose weights are those of the paper's encoder and decoder, one epoch long."""
    jets = data / "jets.root"
    train = ("train", jets, "--model", "clip_vae", "--epochs", 1, "--region", "half=efficiency:0.5", "--json")
    report: dict[str, Any] = json.loads(run(*train, "--seed", 2, "-o", "bundle").stdout)
    assert report["train_loss"] > 0
    card = json.loads((tmp_path / "bundle" / "card.json").read_text())
    assert card["shape"] == [128, 8]
    run("score", jets, "--model", "./bundle", "-o", "scores.root")
    scores = uproot.open(tmp_path / "scores.root")["Scores"].arrays(["score_kl", "in_half"], library="np")
    assert np.isfinite(scores["score_kl"]).all()
    assert 0 < scores["in_half"].sum() < len(scores["in_half"])
