"""`hepad cluster`: an injected signal is found among what a trigger keeps, and what it refuses."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
import pytest

from ..conftest import Run

needs_sklearn = pytest.mark.skipif(find_spec("sklearn") is None, reason="needs scikit-learn")
KEPT = ("--model", "dnn_ae", "--region", "kept=efficiency:0.1", "--space", "quantities")


@pytest.fixture
def samples(examples: Path, tmp_path: Path) -> Path:
    """data.h5 with 120 signal events among 2500, expected.h5 with 4500 of background alone, four.h5 of signal."""
    with h5py.File(examples / "background.h5") as background, h5py.File(examples / "a4l.h5") as signal:
        events, leptons = background["Particles"][:7000], signal["Particles"][:320]
    order = np.random.default_rng(1).permutation(2620)
    for name, content in (
        ("data", np.concatenate([events[:2500], leptons[:120]])[order]),
        ("expected", events[2500:]),
        ("four", leptons[120:]),
        ("few", events[:20]),
    ):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["Particles"] = content
    return tmp_path


@needs_sklearn
def test_an_injected_signal_is_found_and_described(run: Run, samples: Path) -> None:
    words = ("cluster", "data.h5", "--background", "expected.h5", "--simulation", "four=four.h5", *KEPT)
    report = json.loads(run(*words, "--min-size", 12, "--simulated", "-o", "clusters", "--json").stdout)
    best = min(report["rows"], key=lambda row: row["p_value"])
    assert report["global_p_value"] < 0.01
    assert best["data"] > 2 * best["expected"]
    assert best["shares"]["four"] > 5 * best["background"] / report["samples"]["background"]["inside"]
    assert {"n_muons", "n_electrons"} & {one["quantity"] for one in best["characteristics"][:3]}
    assert sum(row["shares"]["four"] for row in report["rows"]) == pytest.approx(1)
    for name, kind in (("data", "data"), ("background", "background")):
        assert sum(row[kind] for row in report["rows"]) == report["samples"][name]["inside"]
    assert sum(row["expected"] for row in report["rows"]) == pytest.approx(report["samples"]["data"]["inside"])
    assert report["samples"]["data"]["selected"] <= 2620
    folder = samples / "clusters"
    for name in ("counts.png", "map.png", "characteristics.png"):
        assert (folder / name).stat().st_size > 5000
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Clusters of triggered events" in page
    assert page.count("data:image/png") == 3
    assert f"<dt>{best['expected']:.1f}</dt><dd>are expected</dd>" in page
    assert 'id="make-it-again"' in page
    with (folder / "clusters.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert sum(row["cluster"] == best["name"] and row["sample"] == "data" for row in rows) == best["data"]
    assert len({(row["file"], row["entry"]) for row in rows}) == len(rows)
    again = run(*words, "--min-size", 12, "--simulated", "-o", "clusters")
    assert "complete already" in again.stderr
    assert f"cluster {best['name']}:" in again.stdout


@needs_sklearn
@pytest.mark.usefixtures("unrendered")
def test_without_a_background_nothing_is_tested(run: Run, samples: Path) -> None:
    """By default all selected events, in the model's inputs if it embeds nothing."""
    told = run("cluster", "data.h5", "--model", "dnn_ae", "-o", "clusters")
    assert "input space" in told.stdout
    report = json.loads((samples / "clusters" / "report.json").read_text(encoding="utf-8"))
    assert report["global_p_value"] is None
    assert all(row["p_value"] is None and row["background"] is None for row in report["rows"])
    assert report["region"] == "all selected events"
    assert "p (excess)" not in told.stdout


@needs_sklearn
@pytest.mark.usefixtures("unrendered")
def test_what_cannot_be_done_is_told(run: Run, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(*words: object, code: int, model: tuple[object, ...] = KEPT) -> str:
        error = run("cluster", *words, *model, "-o", "clusters", code=code).stderr
        assert not (samples / "clusters").exists()
        return " ".join(error.split())

    dense = ("--model", "dnn_ae")
    assert "dnn_ae has loose, tight" in told("data.h5", model=(*dense, "--region", "nowhere"), code=2)
    assert "embeds nothing" in told("data.h5", model=(*dense, "--space", "latent"), code=3)
    assert "too few for clusters of 10" in told("few.h5", code=4)
    none = (*dense, "--region", "none=threshold:1e30")
    assert "no event of the data is in the region" in told("data.h5", model=none, code=4)
    assert "other than 'data' or 'background'" in told("data.h5", "--simulation", "data=four.h5", code=2)
    assert "no such file" in told("nothing.h5", code=4)
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    assert "hepad cluster needs the package sklearn" in told("data.h5", code=5)


@needs_sklearn
def test_events_of_different_weights_are_refused(run: Run, samples: Path, write_slim: Callable[..., Path]) -> None:
    words = ("cluster", "data.h5", "--background", write_slim(), "--model", "dnn_ae", "-o", "clusters")
    assert "background: events of different weights (0.5 to 2)" in run(*words, code=4).stderr
