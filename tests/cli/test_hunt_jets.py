"""`hepad hunt` with the methods of two jets and of densities: what the command gives, and what it refuses in a line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ..conftest import Run

CARD = """
schema: method/1
name: {name}
title: A small method
reference: nobody has published it
fidelity: inspired
selection: all_events
input: {{kind: table, features: [j1_a, j1_b, j2_a, j2_b]}}
method: {method}
folds: 3
train: {{epochs: 2, batch_size: 100}}
regions: {{loose: {{background_efficiency: 0.1}}}}
"""
METHODS = {
    "tnt": "{name: tnt, tagger: {kind: autoencoder, layers: [1]}, classifier: {kind: trees, trees: 3}, rotations: 1}",
    "vae_qr": "{name: vae_qr, network: {kind: autoencoder, layers: [1]}, quantiles: [0.5, 0.9]}",
    "quak": "{name: quak, density: {kind: flow, blocks: 1, width: 4}}",
}
GIVEN = ("--table", "--mass", "m", "--window", "3300:3700", "--sidebands", "2800:4200", "-o", "s.root")


@pytest.fixture
def tables(tmp_path: Path) -> None:
    """Data and a simulated signal, whose jets are larger."""
    rng = np.random.default_rng(1)
    for name, n, low, high, at in (("data", 900, 2800, 4200, 0), ("signal", 90, 3400, 3600, 3)):
        columns = {jet: rng.normal(at, 1, n) for jet in ("j1_a", "j1_b", "j2_a", "j2_b")}
        np.savez(tmp_path / f"{name}.npz", m=rng.uniform(low, high, n), **columns)
    for name, method in METHODS.items():
        (tmp_path / f"{name}.yaml").write_text(CARD.format(name=name, method=method), encoding="utf-8")


@pytest.mark.usefixtures("tables")
def test_each_gives_scores_and_regions(run: Run, tmp_path: Path) -> None:
    for name, score in (("tnt", "log_odds"), ("vae_qr", "depth"), ("quak", "oddness")):
        signal = ("--signal", "x=signal.npz") if name == "quak" else ()
        report = json.loads(run("hunt", "data.npz", "--method", f"{name}.yaml", *GIVEN, *signal, "--json").stdout)
        assert report["scores"] == ["rank", score]
        assert report["regions"]["loose"]["efficiency"] == pytest.approx(0.1, abs=0.02)
        again = run("hunt", "data.npz", "--method", f"{name}.yaml", *GIVEN, *signal).stdout
        assert ("is chance" in again) == (name == "tnt")
        (tmp_path / "s.root").unlink()


@pytest.mark.usefixtures("tables")
def test_what_they_cannot_learn_from_is_refused_in_a_line(run: Run, tmp_path: Path) -> None:
    for name, words, code, said in (
        ("tnt", ("--feature", "j1_a", "--feature", "j1_b"), 3, "must be those of two jets"),
        ("vae_qr", ("--feature", "j1_a", "--feature", "j2_b"), 3, "j2 has no feature a, but another jet has"),
        ("quak", (), 2, "quak learns from signals too: give files with --signal"),
        ("tnt", ("--background", "data.npz"), 2, "it takes no background"),
    ):
        error = run("hunt", "data.npz", "--method", f"{name}.yaml", *GIVEN, *words, code=code).stderr
        assert said in " ".join(error.split())
        assert error.count("\n") <= 3
        assert not (tmp_path / "s.root").exists()
