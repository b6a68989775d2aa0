"""Jets as sets of particles, from a file of JetClass to scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import uproot

from hepad.cards.analysis import load_analysis
from hepad.inputs.base import make_input
from hepad.io.reader import read_events
from hepad.models.set_vae.network import ClipVae

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
    lacks = run("score", data / "jetclass_jets.npz", "--model", "./bundle", "-o", "other.root", code=4).stderr
    assert "a .npz of jets has no particles.id" in lacks


def test_jets_without_kinds_are_scored(data: Path) -> None:
    """By the networks that do not ask for them; a particle more or less of none is nothing."""
    card = load_analysis("clip_vae_no_ids")
    kind = make_input(card.input)
    (chunk,) = read_events([data / "jetclass_jets.npz"], kind.fields())
    batch = kind(chunk.events)
    scorer = ClipVae(card.model.config, batch.layout)
    assert np.isfinite(scorer.scores(batch)["kl"]).all()
    assert batch.there.all(axis=2).sum(axis=1).tolist() == [55, 27, 57, 20]
