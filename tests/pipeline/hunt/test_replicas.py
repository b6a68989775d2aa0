"""Hunts in parts of background: a selection by chance has uniform p-values, one that knows the window is found out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest, norm

Run = Callable[..., Any]

CARD = """
schema: hunt/1
name: parts
title: One window
reference: nobody has published it
fidelity: inspired
selection: all_events
mass: m
windows: {A: [2500, 3000, 3500, 4000]}
fractions: [{fraction: 0.2}]
bins: [2000, 2200, 2400, 2600, 2800, 3000, 3100, 3200, 3300, 3400, 3500, 3700, 3900, 4100, 4400, 5000, 6000]
functions: [dijet3]
methods: [all.yaml]
input: {kind: table, features: [a]}
"""
CUTS = """
schema: method/1
name: NAME
title: A cut
reference: nobody has published it
fidelity: inspired
selection: all_events
input: {kind: table, features: [COLUMN], scale: none}
method: {name: cuts, require: {COLUMN: [0.5, null]}}
own_input: true
"""


def test_p_values_in_parts_of_background(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    grid = np.arange(2000.0, 6000.0)
    density = (1 - grid / 13_000) ** 8 * (grid / 13_000) ** -4  # dijet3 itself
    mass = rng.choice(grid, 20_000, p=density / density.sum()) + rng.random(20_000)
    near = rng.random(20_000) < 0.4 + 0.3 * (np.abs(mass - 3250) < 400)
    np.savez(tmp_path / "t.npz", m=mass, chance=rng.random(20_000), knows=near.astype(float))
    (tmp_path / "parts.yaml").write_text(CARD, encoding="utf-8")
    for column in ("chance", "knows"):
        text = CUTS.replace("NAME", column).replace("COLUMN", column)
        (tmp_path / f"{column}.yaml").write_text(text, encoding="utf-8")
    given = (
        "hunt",
        "t.npz",
        "--table",
        "--analysis",
        "parts.yaml",
        "--method",
        "chance.yaml",
        "--method",
        "knows.yaml",
    )
    report = json.loads(run(*given, "--replicas", 12, "--share", 0.25, "-o", "out", "--json").stdout)
    assert (report["replicas"], report["share"], report["events"]) == (12, 0.25, 20_000)
    rows = {row["method"]: row for row in report["windows"]}
    for row in rows.values():
        z = np.array(row["z"])
        assert len(z) == 12
        assert len(set(z)) == 12
        assert row["mean_z"] == pytest.approx(z.mean())
        assert row["mean_z_error"] == pytest.approx(z.std(ddof=1) / np.sqrt(12))
        assert row["kolmogorov_p"] == pytest.approx(kstest(norm.sf(z), "uniform").pvalue)
    assert abs(rows["chance"]["mean_z"]) < 1.5
    assert rows["chance"]["selected_excess"] == pytest.approx(1, abs=0.1)
    assert rows["knows"]["mean_z"] > 2
    inside, around = (mass >= 3000) & (mass < 3500), (mass >= 2500) & (mass < 4000)
    expected = near[inside].mean() / near[around & ~inside].mean()
    assert rows["knows"]["selected_excess"] == pytest.approx(expected, abs=0.05)
    assert rows["knows"]["sculpts"] > 6 > rows["chance"]["sculpts"]
    methods = report["methods"]
    assert methods["knows"]["kolmogorov_p"] < 1e-3 < methods["chance"]["kolmogorov_p"]
    assert methods["knows"]["below_0.05"] == np.mean(norm.sf(rows["knows"]["z"]) < 0.05)
    again = run(*given, "--replicas", 12, "--share", 0.25, "-o", "out")
    assert "complete already" in again.stderr
    assert "12 replicas of 25%" in again.stdout
    assert not list(tmp_path.glob("*.run"))
    for words, code, said in (
        (("--replicas", 12, "--share", 1.5), 2, "a share between 0 and 1"),
        (("--replicas", 12, "--toys", 100), 2, "--toys does not go with --replicas"),
        (("--replicas", 2, "--share", 0.0001), 4, "no window could be fitted"),
    ):
        error = " ".join(run(*given, *words, "-o", "other", code=code).stderr.split())
        assert said in error
    words = ("hunt", "t.npz", "--method", "chance.yaml", "--replicas", 3, "-o", "other")
    assert "give --analysis" in run(*words, code=2).stderr
