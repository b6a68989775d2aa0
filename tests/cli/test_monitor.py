"""`hepad monitor`: runs that are as the reference pass, one that is not is named, and what it refuses."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from ..conftest import Run

MODEL = ("--model", "dnn_ae", "--toys", 300)


@pytest.fixture
def runs(examples: Path, tmp_path: Path) -> Path:
    """reference.h5, same.h5 of other events alike, and hot.h5, whose jets are 40 % harder."""
    with h5py.File(examples / "background.h5") as file:
        events = file["Particles"][:7000]
    hot = events[5000:].copy()
    hot[:, 9:, 0] *= 1.4
    for name, content in (("reference", events[:3000]), ("same", events[3000:5000]), ("hot", hot)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["Particles"] = content
    return tmp_path


@pytest.mark.usefixtures("unrendered")
def test_a_run_that_has_shifted_is_named_with_what_has(run: Run, runs: Path) -> None:
    words = ("monitor", "reference.h5", "--run", "same.h5", "--run", "warm=hot.h5", *MODEL, "-o", "shifts")
    report = json.loads(run(*words, "--json").stdout)
    found = {one["name"]: one for one in report["runs"]}
    assert list(found) == ["same", "warm"]
    assert not any(row["shifted"] for row in found["same"]["quantities"])
    shifted = {row["quantity"] for row in found["warm"]["quantities"] if row["shifted"]}
    assert {"jet1_pt", "sum_pt_jets"} <= shifted
    assert not {"muon1_pt", "electron1_pt", "n_muons", "met"} & shifted
    assert not report["passed"]
    names = [row["quantity"] for row in found["warm"]["quantities"]]
    assert {"score mse", "in region loose", "in region tight", "n_jets", "jet10_pt"} <= set(names)
    assert report["tests"] == 2 * len(names)
    jets = next(row for row in found["warm"]["quantities"] if row["quantity"] == "sum_pt_jets")
    assert jets["mean"] / jets["reference_mean"] == pytest.approx(1.4, abs=0.15)
    folder = runs / "shifts"
    for name in ("shifts.png", "run_same.png", "run_warm.png"):
        assert (folder / name).exists()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == 3
    assert "1 of 2 runs have shifted" in page
    assert "<dt>1 of 2</dt><dd>runs have shifted</dd>" in page
    assert 'class="answer no"' in page
    assert 'id="make-it-again"' in page
    with (folder / "shifts.csv").open(encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == report["tests"]
    again = run(*words, "--check", code=7)  # complete already, and the check still fails
    assert "complete already" in again.stderr
    assert "--check: warm shifted against the reference" in again.stderr


@pytest.mark.usefixtures("unrendered")
def test_a_check_passes_where_nothing_has_shifted_or_not_far(run: Run, runs: Path) -> None:
    alike = run("monitor", "reference.h5", "--run", "same.h5", *MODEL, "--check", "-o", "alike")
    assert "0 of 1 runs have shifted" in alike.stdout
    far = ("--run", "hot.h5", "--min-distance", "0.5", "--check")
    run("monitor", "reference.h5", *far, *MODEL, "-o", "far")
    two = ("--run", "both=same.h5", "--run", "both=hot.h5", *MODEL, "-o", "two", "--json")
    assert json.loads(run("monitor", "reference.h5", *two).stdout)["runs"][0]["name"] == "both"


@pytest.mark.usefixtures("unrendered")
def test_what_cannot_be_compared_is_told(run: Run, runs: Path, write_slim: Callable[..., Path]) -> None:
    def told(*words: object, code: int) -> str:
        error = run("monitor", "reference.h5", *words, *MODEL, "-o", "shifts", code=code).stderr
        assert not (runs / "shifts").exists()
        return " ".join(error.split())

    assert "reference.h5 is of the reference and of run again" in told("--run", "again=reference.h5", code=2)
    assert "other than 'reference'" in told("--run", "reference=same.h5", code=2)
    assert "--alpha 2" in told("--run", "same.h5", "--alpha", 2, code=2)
    assert "--min-distance 1" in told("--run", "same.h5", "--min-distance", 1, code=2)
    assert "no such file" in told("--run", "x=nothing.h5", code=4)
    assert "different weights (0.5 to 2)" in told("--run", f"slim={write_slim()}", code=4)
    with h5py.File(runs / "empty.h5", "w") as file:
        file["Particles"] = np.zeros((0, 19, 4))
    assert "no entries" in told("--run", "empty.h5", code=4)
