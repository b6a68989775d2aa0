"""A convolutional autoencoder of calorimeter images, from a Delphes file to scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from ..conftest import Run


@pytest.mark.usefixtures("unrendered")
def test_images_are_trained_on_scored_explained_and_listed(run: Run, data: Path, tmp_path: Path) -> None:
    towers = data / "towers.root"
    train = ("train", towers, "--model", "conv_ae", "--epochs", 2, "--region", "half=efficiency:0.5", "--json")
    train = (*train, "--region", "hlt=rate:50/100")
    # With this seed none of the parts of so few events is empty.
    report: dict[str, Any] = json.loads(run(*train, "--seed", 2, "-o", "bundle").stdout)
    assert report["events"] == 24
    assert report["train_loss"] > 0
    card = json.loads((tmp_path / "bundle" / "card.json").read_text())
    assert (card["columns"], card["shape"]) == (["et"], [1, 16, 24])
    assert card["regions"]["hlt"]["threshold"] == card["regions"]["half"]["threshold"]  # 50 kHz of 100
    run("score", towers, "--model", "./bundle", "-o", "scores.root")
    scores = uproot.open(tmp_path / "scores.root")["Scores"].arrays(["score_mse", "in_half"], library="np")
    assert np.isfinite(scores["score_mse"]).all()
    assert 0 < scores["in_half"].sum() < 24
    run("explain", towers, "-m", "./bundle", "--region", "half", "--top", 2, "-o", "why")
    maps, order = np.load(tmp_path / "why" / "maps_events.npz"), np.argsort(-scores["score_mse"])
    assert maps["entry"].tolist() == order[:2].tolist()
    np.testing.assert_allclose(maps["parts"].sum(axis=(1, 2, 3)), scores["score_mse"][order[:2]], rtol=1e-5)
    np.testing.assert_allclose(maps["mean_score"], scores["score_mse"][scores["in_half"]].mean(), rtol=1e-5)
    assert maps["eta_edges"][[0, -1]].tolist() == [-3, 3]
    lines = (tmp_path / "why" / "pixels_events.csv").read_text().splitlines()
    channel, eta, phi, part = (lines[1].split(",")[i] for i in (2, 3, 4, 6))
    row, column = (np.searchsorted(maps[f"{axis}_edges"], float(v)) - 1 for axis, v in (("eta", eta), ("phi", phi)))
    assert channel == "et"
    assert maps["parts"][0].max() == maps["parts"][0, 0, row, column] == pytest.approx(float(part), rel=1e-8)
    assert "there are half" in run("explain", towers, "-m", "./bundle", "--region", "no", "-o", "w", code=2).stderr
    assert "it has mse" in run("explain", towers, "-m", "./bundle", "--score", "kl", "-o", "w", code=3).stderr
    assert "conv_ae" in run("schema").stdout
    _check_libraries(run, towers, tmp_path)


def _check_libraries(run: Run, towers: Path, folder: Path) -> None:
    """The network without logic as a graph, and on a processor beside torch."""
    runtime = pytest.importorskip("onnxruntime")
    refused = run("export", towers, "--model", "./bundle", "--format", "da4ml", "-o", "logic", code=3)
    assert "has no logic" in refused.stderr
    exported = json.loads(run("export", towers, "--model", "./bundle", "--format", "onnx", "-o", "x", "--json").stdout)
    assert (exported["parity"]["events"], exported["parity"]["mismatches"]) == (24, 0)
    assert exported["inputs"] == [{"column": "et", "gain": 1.0, "offset": 0.0}]
    assert exported["regions"]["half"]["score"] == "mse"
    vectors = np.load(folder / "x/vectors.npz")
    graph = runtime.InferenceSession((folder / "x/model.onnx").read_bytes(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(graph.run(["score"], {"x": vectors["x"]})[0], vectors["score"], rtol=1e-4)
    quick = ("--seconds", 0.01, "--repeat", 2, "--batch", 2, "--json")
    report = json.loads(run("latency", towers, "--model", "./bundle", "--budget", "hlt-cpu", *quick).stdout)
    libraries = [item["backend"].split()[0] for item in report["details"]["agreement"]]
    assert libraries == ["hepad", "onnxruntime"]
    assert all(item["decisions"][0]["flips"] == 0 for item in report["details"]["agreement"])
    assert all(item["rank_correlation"] > 0.999 for item in report["details"]["agreement"])
    assert run("latency", "--model", "./bundle", "--tier", "measured", "--part", "encoder", code=2).stderr


def test_a_wrong_setting_is_refused_before_a_file_is_opened(run: Run, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "analyses" / "conv_ae.yaml").read_text(encoding="utf-8")
    (tmp_path / "wrong.yaml").write_text(text.replace("latent: 16", "latent: 0"), encoding="utf-8")
    error = run("train", "no_such_file.root", "--model", "wrong.yaml", "-o", "bundle", code=3).stderr
    assert "model.latent" in error


@pytest.mark.usefixtures("unrendered")
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
    why = ("explain", "images.npz", "-m", "./cct", "--top", 2, "--mean-of", 3, "-o", "why", "--json")
    (sample,) = json.loads(run(*why).stdout)["samples"]
    assert sample["incomplete"] < 1e-3
    assert "--mean-of 3" in json.loads((tmp_path / "why" / "explain.json").read_text())["provenance"]["command"]
    for event in sample["top"]:
        assert event["score"] == pytest.approx(scores["score_log_odds"][event["entry"]], rel=1e-3, abs=1e-5)
    np.savez(tmp_path / "unlabelled.npz", images=images, n_tracks=np.ones(36))
    assert "label" in run("train", "unlabelled.npz", "--model", "cct.yaml", "-o", "no", code=4).stderr
    run("score", "unlabelled.npz", "--model", "./cct", "-o", "unlabelled.root")  # what is trained needs none
    without = uproot.open(tmp_path / "unlabelled.root")["Scores"].arrays(library="np")
    np.testing.assert_array_equal(without["score_log_odds"], scores["score_log_odds"])
