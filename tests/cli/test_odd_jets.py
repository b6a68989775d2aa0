"""Odd jets, through `hepad score` of each model of jets: an answer, or one line that says where the fault is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.cards.resolver import bundled_names

from ..conftest import Run

SUPERVISED = {"particle_flow", "antelope"}
MODELS = ("set_vae", "clip_vae", "vrnn", "wnae_jets", *sorted(SUPERVISED))

Change = Callable[[dict[str, Any]], None]


def jets(path: Path, size: tuple[int, ...], change: Change = lambda _: None) -> Path:
    """A file of JetClass with jets of so many particles, neutral hadrons; the branches are changed before."""
    count, total = np.array(size), sum(size)
    rng = np.random.default_rng(1)
    pt, eta, phi = np.sort(rng.exponential(20, total) + 1)[::-1], rng.normal(0, 0.2, total), rng.normal(0, 0.2, total)
    columns: dict[str, Any] = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta)}
    columns |= {"energy": pt * np.cosh(eta), "isNeutralHadron": np.ones(total)}
    flags = ("isChargedHadron", "isPhoton", "isElectron", "isMuon")
    columns |= {name: np.zeros(total) for name in (*flags, "charge", "d0val", "d0err", "dzval", "dzerr")}
    columns |= {"jet_" + name: np.full(len(size), value) for name, value in (("pt", 500.0), ("energy", 600.0))}
    columns |= {
        f"jet_{name}": np.zeros(len(size)) for name in ("eta", "phi", "sdmass", *(f"tau{n}" for n in range(1, 5)))
    }
    change(columns)
    parts = {name: ak.unflatten(v.astype(np.float32), count) for name, v in columns.items() if name[:4] != "jet_"}
    scalars = {name: v.astype(np.float32) for name, v in columns.items() if name[:4] == "jet_"}
    with uproot.recreate(path) as file:
        file.mktree("tree", {"part": ak.zip(parts).type, **{name: values.dtype for name, values in scalars.items()}})
        file["tree"].extend({"part": ak.zip(parts), **scalars})
    return path


def set_to(value: float, *names: str) -> Change:
    """Of the last particle of the last jet, or of the last jet."""

    def change(columns: dict[str, Any]) -> None:
        for name in names:
            columns[name][-1] = value

    return change


def of_no_kind(columns: dict[str, Any]) -> None:
    columns["isNeutralHadron"][-1] = 0


FAULTS: dict[str, tuple[Change, set[str], str]] = {
    "momentum": (set_to(np.nan, "px"), set(MODELS), "part_px"),
    "impact": (set_to(np.nan, "d0val"), SUPERVISED, "part_d0val"),
    "kind": (of_no_kind, {"set_vae", "clip_vae"}, "not one of part_isChargedHadron"),
    "energy": (set_to(-3.0, "energy"), {"set_vae", "clip_vae", *SUPERVISED}, "part_energy"),
    "infinite": (set_to(np.inf, "jet_tau2"), {"wnae_jets"}, "jet_tau2"),
    "negative": (set_to(-1.0, "jet_pt"), set(MODELS), "jet_pt"),
}
"""What is wrong with the last jet, the models that see it, and what is said."""


def trained(model: str, events: Path, run: Run) -> str:
    """A bundle of the model: that which ships, or one of a training of an epoch."""
    if model in bundled_names("bundles"):
        return model
    signal = ("--against", events) if model in SUPERVISED else ()
    region = ("--region", "half=efficiency:0.5")
    run("train", events, *signal, "--model", model, "--epochs", 1, "--seed", 2, *region, "-o", "bundle")
    return "./bundle"


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("model", MODELS)
def test_an_answer_or_one_line(model: str, data: Path, run: Run, tmp_path: Path) -> None:
    """A jet of one particle, of none, of more than fit has a score; a fault of what is read is told, with its entry."""
    bundle = trained(model, data / "jets.root", run)
    run("score", jets(tmp_path / "odd.root", (1, 0, 130, 2, 30)), "--model", bundle, "-o", "odd.out.root")
    scores = uproot.open(tmp_path / "odd.out.root")["Scores"].arrays(library="np")
    assert scores["selected"].all()
    assert all(np.isfinite(values).all() for name, values in scores.items() if name.startswith("score"))
    for name, (change, seen_by, message) in FAULTS.items():
        path = jets(tmp_path / f"{name}.root", (3, 4), change)
        said = run("score", path, "--model", bundle, "-o", f"{name}.out.root", code=4 if model in seen_by else 0).stderr
        if model in seen_by:
            said = " ".join(said.split())
            assert message in said, said
            assert "entry 1" in said or "row 1" in said, said
            assert "Traceback" not in said
