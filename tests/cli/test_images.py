"""A convolutional autoencoder of calorimeter images, from a Delphes file to scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import uproot

from ..conftest import Run


def test_images_are_trained_on_scored_and_listed(run: Run, data: Path, tmp_path: Path) -> None:
    towers = data / "towers.root"
    train = ("train", towers, "--model", "conv_ae", "--epochs", 2, "--region", "half=efficiency:0.5", "--json")
    # With this seed none of the parts of so few events is empty.
    report: dict[str, Any] = json.loads(run(*train, "--seed", 2, "-o", "bundle").stdout)
    assert report["events"] == 24
    assert report["train_loss"] > 0
    card = json.loads((tmp_path / "bundle" / "card.json").read_text())
    assert (card["columns"], card["shape"]) == (["et"], [1, 16, 24])
    run("score", towers, "--model", "./bundle", "-o", "scores.root")
    scores = uproot.open(tmp_path / "scores.root")["Scores"].arrays(["score_mse", "in_half"], library="np")
    assert np.isfinite(scores["score_mse"]).all()
    assert 0 < scores["in_half"].sum() < 24
    assert "conv_ae" in run("schema").stdout


def test_a_wrong_setting_is_refused_before_a_file_is_opened(run: Run, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "analyses" / "conv_ae.yaml").read_text(encoding="utf-8")
    (tmp_path / "wrong.yaml").write_text(text.replace("latent: 16", "latent: 0"), encoding="utf-8")
    error = run("train", "no_such_file.root", "--model", "wrong.yaml", "-o", "bundle", code=3).stderr
    assert "model.latent" in error


def test_a_supervised_network_needs_labels(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(36) % 3
    share = np.array([0.02, 0.06, 0.03])[labels]
    images = (rng.random((36, 72, 58, 3)) < share[:, None, None, None]).astype(np.float32)
    np.savez(tmp_path / "images.npz", images=images, n_tracks=images[..., 0].sum(axis=(1, 2)), labels=labels * 1.0)
    text = (Path(__file__).parents[2] / "analyses" / "cct.yaml").read_text(encoding="utf-8")
    large = "[64, 128], layers: 2, heads: 2, head_width: 128, dense: [128, 128]"
    assert large in text
    (tmp_path / "cct.yaml").write_text(text.replace(large, "[4, 4], dense: [4]"), encoding="utf-8")
    train = ("train", "images.npz", "--model", "cct.yaml", "--epochs", 1, "--region", "half=efficiency:0.5")
    assert json.loads(run(*train, "--json", "-o", "cct").stdout)["events"] == 36
    run("score", "images.npz", "--model", "./cct", "-o", "cct.root")
    scores = uproot.open(tmp_path / "cct.root")["Scores"].arrays(library="np")
    assert np.isfinite(scores["score_log_odds"]).all()
    np.savez(tmp_path / "unlabelled.npz", images=images, n_tracks=np.ones(36))
    assert "label" in run("train", "unlabelled.npz", "--model", "cct.yaml", "-o", "no", code=4).stderr
    run("score", "unlabelled.npz", "--model", "./cct", "-o", "unlabelled.root")  # what is trained needs none
    without = uproot.open(tmp_path / "unlabelled.root")["Scores"].arrays(library="np")
    np.testing.assert_array_equal(without["score_log_odds"], scores["score_log_odds"])
