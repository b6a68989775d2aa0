"""A hunt in the plane of two masses: which jet is which, what is counted where, and one p-value over all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.stats import norm

from hepad.cards.fit import load_fit
from hepad.cards.plane import PlaneCard, load_any_hunt
from hepad.methods.base import Window
from hepad.pipeline.hunt.plane import _trials, candidates_of
from hepad.pipeline.hunt.windows_scan import Scanned
from hepad.pipeline.hunt.windows_selected import SelectedMasses
from hepad.stats.bumphunt.mass_looks import MassScan
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.templates import gaussian_template

from ...conftest import Run, leave_unrendered

CARD: dict[str, Any] = {
    "schema": "plane/1",
    "name": "small_plane",
    "title": "To test with",
    "reference": "none",
    "fidelity": "inspired",
    "selection": "all_events",
    "mass": "m",
    "candidates": ["j1", "j2"],
    "known": {"mass": "sd", "range": [75, 145], "nearest": 125, "require": {"b": [0.5, None]}},
    "unknown": {"mass": "sd", "edges": [100, 200, 300, 500], "span": 2},
    "regions": {"odd": {"score": [0.5, None]}, "all": {}, "tracks": {"ntracks": [None, 10]}},
    "require": {"deta": [None, 1.3]},
    "bins": [2000, 2150, 2300, 2500, 2700, 3000, 3300, 3600, 4000, 4500, 5000, 6000],
    "functions": ["ua2_3"],
    "shape": "gauss:0.12",
}


def test_which_jet_is_which() -> None:
    card = PlaneCard.model_validate(CARD)
    nan = float("nan")
    columns = {
        "j1_sd": [120, 126, 80, 75, 145, 130, 120, 300, nan],
        "j2_sd": [400, 124.5, 135, 400, 400, 120, 400, 125, 125],
        "j1_b": [1, 1, 1, 1, 1, 0.4, 1, 1, 1],
        "j2_b": [0, 1, 1, 1, 1, 1, 1, 1, 1],
        "j1_score": [0, 0.9, 0.5, 0, 0, 0.6, 0, 0.4, 0.9],
        "j2_score": [0.5, 0.1, 0, 0.6, 0.6, 0, 0.6, 0, 0],
        "deta": [0, 1.2, 0, 0, 0, 0, 1.3, 0, 0],
    }
    arrays = {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    mass = np.array([2e3] * 9)
    found = candidates_of(card, "odd", arrays, mass)
    # Nearest to 125; 145 is outside, 75 inside; without its tag it is none; the bounds are on the other jet.
    assert found.kept.tolist() == [True, True, True, True, False, True, False, False, True]
    np.testing.assert_array_equal(found.x[found.kept], [400, 126, 80, 400, 130, nan])
    np.testing.assert_array_equal(found.inside(126, 400), [nan, 2e3, nan, nan, nan, 2e3, nan, nan, nan])
    some = candidates_of(card, "all", arrays, np.where(np.arange(9) == 1, nan, mass))
    assert some.kept.tolist() == [True, False, True, True, False, True, False, True, True]
    assert card.unknown.windows == ((100, 300), (200, 500))


def sample(events: int, signal: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = events + signal
    columns = {"m": np.append(2000 + rng.exponential(600, events), rng.normal(3100, 60, signal))}
    for name, where in (("j1", 125), ("j2", 250)):
        columns[f"{name}_sd"] = np.append(rng.uniform(60, 600, events), rng.normal(where, 8, signal))
        columns[f"{name}_b"] = rng.uniform(0.3, 1, n)
        columns[f"{name}_score"] = np.append(rng.uniform(size=events), rng.uniform(0.4, 1, signal))
    return {**columns, "deta": rng.uniform(0, 1.6, n)}


def direct(columns: Mapping[str, np.ndarray], low: float, high: float, *, odd: bool) -> np.ndarray:
    """The masses of the events in a window, one event after the other."""
    found = []
    for i, mass in enumerate(columns["m"]):
        jets = [{p: columns[f"{j}_{p}"][i] for p in ("sd", "b", "score")} for j in ("j1", "j2")]
        known = [abs(j["sd"] - 125) if 75 <= j["sd"] < 145 and j["b"] >= 0.5 else np.inf for j in jets]
        other = jets[int(known[0] <= known[1])]
        passes = min(known) < np.inf and columns["deta"][i] < 1.3 and low <= other["sd"] < high
        if passes and (not odd or other["score"] >= 0.5):
            found.append(mass)
    return np.array(found)


def test_windows_hold_what_is_in_them(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_unrendered(monkeypatch)
    monkeypatch.setattr("hepad.pipeline.hunt.windows_scan._BUMP_TOYS", 20)
    limits = SimpleNamespace(observed=30.0, expected=np.arange(5) * 10.0)  # they take nine tenths of the time
    monkeypatch.setattr("hepad.stats.bumphunt.mass_looks.asymptotic_result", lambda *_, **__: limits)
    data, signal = sample(4000, 150, 1), sample(0, 200, 2)
    np.savez(tmp_path / "data.npz", **data)
    np.savez(tmp_path / "signal.npz", **signal)
    (tmp_path / "plane.yaml").write_text(yaml.safe_dump(CARD), encoding="utf-8")
    words = ("hunt", "data.npz", "--analysis", "plane.yaml", "--table", "--signal", "x=signal.npz", "--toys", 50)
    report = json.loads(run(*words, "--luminosity", 10, "-o", "out", "--json").stdout)
    spectra = {(row["region"], row["low"]): row for row in report["spectra"]}
    windows = ((100, 300), (200, 500))
    assert set(spectra) == {(region, low) for region in ("odd", "all") for low, _ in windows}
    for (region, low), row in spectra.items():
        masses = direct(data, low, dict(windows)[low], odd=region == "odd")
        assert row["counts"] == np.histogram(masses, CARD["bins"])[0].tolist()
        assert sum(row["expected"]) == pytest.approx(sum(row["counts"]), rel=0.02)  # fitted without a signal
    assert report["left_out"]["region tracks"].startswith("data.npz has no column 'j1_ntracks'")  # in any folder
    best = max(report["scan"], key=lambda point: point["z"])
    assert (best["low"], best["z"] > 3) == (200, True)  # m_X of 250 GeV is in two windows, nearer to the middle of one
    assert 2700 < best["mass"] < 3500
    for row in report["signals"]:
        assert (row["low"], row["high"]) == (200, 500)
        inside = direct(signal, 200, 500, odd=row["method"] == "odd")
        assert row["efficiency"] == pytest.approx(len(inside) / 200)
        assert row["observed_fb"] == pytest.approx(30.0 / 10)
    whole = report["global_p_of_all"]
    assert whole["global_p"] < 1e-2
    assert whole["shared_events"] == shared(data, windows)
    assert min(report["global_p"].values(), key=lambda one: one["global_p"])["global_p"] < whole["global_p"] * 1.5
    again = run(*words, "--luminosity", 10, "-o", "out")
    assert "is complete" in " ".join((again.stdout + again.stderr).split())
    assert (tmp_path / "out" / "local_p_odd.png").is_file()
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "local standard deviations</dd>" in page
    assert "What this is not" in page
    assert all(f'href="{name}"' in page for name in ("plane.json", "tables.tex", "local_p_odd.csv"))


def shared(data: Mapping[str, np.ndarray], windows: Any) -> int:
    """Events in more than one spectrum: all that are odd are in 'all' too, the others where windows overlap."""
    low, high = CARD["bins"][0], CARD["bins"][-1]

    def kept(*, odd: bool) -> list[float]:
        every = [direct(data, *window, odd=odd) for window in windows]
        return [mass for masses in every for mass in masses if low <= mass <= high]

    seen: dict[float, int] = {}
    for mass in [*kept(odd=True), *kept(odd=False)]:
        seen[mass] = seen.get(mass, 0) + 1
    return sum(count > 1 for count in seen.values())


def test_few_events_and_bad_files_are_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty events are enough, 19 are not; a file of a signal is none; the peak of a signal is that in the region."""
    leave_unrendered(monkeypatch)
    monkeypatch.setattr("hepad.pipeline.hunt.windows_scan._BUMP_TOYS", 20)
    limits = SimpleNamespace(observed=3.0, expected=np.arange(5.0))
    monkeypatch.setattr("hepad.stats.bumphunt.mass_looks.asymptotic_result", lambda *_, **__: limits)

    def events(masses: np.ndarray, heavy: np.ndarray, score: np.ndarray) -> dict[str, np.ndarray]:
        there = np.ones(len(masses))
        known = {"j1_sd": 125 * there, "j1_b": there, "j1_score": there, "deta": 0 * there}
        return {"m": masses, **known, "j2_sd": heavy, "j2_b": there, "j2_score": score}

    odd = np.append(np.full(20, 0.9), np.full(19, 0.2))
    spectrum = np.tile(np.repeat([2100.0, 2200, 2400, 2600, 2900, 3200], [6, 5, 4, 3, 1, 1]), 2)[:39]
    np.savez(tmp_path / "data.npz", **events(spectrum, np.where(np.arange(39) == 3, 250.0, 350.0), odd))
    masses = np.append(np.linspace(2390, 2410, 40), np.linspace(3190, 3210, 20))
    np.savez(tmp_path / "x.npz", **events(masses, np.full(60, 350.0), np.where(masses < 3000, 0.2, 0.9)))
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    np.savez(tmp_path / "lost.npz", **events(masses, np.full(60, 1e4), np.where(masses < 3000, 0.2, 0.9)))
    np.savez(tmp_path / "none.npz", **events(masses, np.full(60, 350.0), 0 * masses))
    regions = {"odd": {"score": [0.5, None]}, "even": {"score": [None, 0.5]}}
    (tmp_path / "plane.yaml").write_text(yaml.safe_dump({**CARD, "regions": regions}), encoding="utf-8")
    words = ("hunt", "data.npz", "--analysis", "plane.yaml", "--table", "--signal", "x=x.npz", "--signal", "x=bad.npz")
    words = (*words, "--signal", "lost=lost.npz", "--signal", "none=none.npz")
    words = (*words, "--method", "odd", "--method", "even", "--toys", 0, "--skip-bad-files")
    result = run(*words, "--json", "-o", "out", code=8)
    assert "1 file was left out" in result.stderr
    report = json.loads(result.stdout)
    few = "of 20 events that are needed for significances"
    limits_on = "limits on signal"
    assert report["left_out"] == {
        "region even": f"19 {few}",
        "odd X 100:300": f"1 {few}",
        f"{limits_on} lost in region odd": "no window has the peak of its m_X",
        f"{limits_on} none in region odd": "none of its events is kept",
    }
    assert [(row["low"], row["events"]) for row in report["spectra"]] == [(200, 20)]
    assert report["signals"][0]["mass"] == pytest.approx(3200, rel=0.01)  # not that of the region that comes later


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--method", "even"), "has the regions all, odd, tracks, not even"),
        (("--toys", 20), "at least 50 are needed"),
        (("--epochs", 3), "--epochs has no effect in small_plane"),
        (("--luminosity", -1), "the luminosity is positive"),
        (("--range", "2000:2500"), "leaves 3 bins of 5"),
    ],
)
def test_what_is_asked_for_in_vain(run: Run, tmp_path: Path, words: tuple[Any, ...], message: str) -> None:
    (tmp_path / "plane.yaml").write_text(yaml.safe_dump(CARD), encoding="utf-8")
    (tmp_path / "data.npz").write_bytes(b"")
    result = run("hunt", "data.npz", "--analysis", "plane.yaml", "--table", "-o", "out", *words, code=2)
    assert message in " ".join(result.stderr.split())


def test_what_is_trained_has_no_plane(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(b"")
    for words in (
        ("hunt", "--replicas", 3, "-o", "out"),
        ("reinterpret", "--background", "data.npz"),
        ("reinterpret",),
    ):
        result = run(words[0], "data.npz", "--analysis", "atlas_2023_yxh", *words[1:], code=3)
        assert "use it with 'hepad hunt --analysis atlas_2023_yxh'" in " ".join(result.stderr.split())


def test_a_card_of_a_plane_is_checked(run: Run, tmp_path: Path) -> None:
    assert isinstance(load_any_hunt("atlas_2023_yxh"), PlaneCard)
    run("analysis", "check", "atlas_2023_yxh")
    wrong = {**CARD, "shape": "gauss:x", "mass": "nothing+at_all", "selection": "no_such"}
    (tmp_path / "plane.yaml").write_text(yaml.safe_dump(wrong), encoding="utf-8")
    assert "no_such" in run("analysis", "check", "plane.yaml", code=7).stdout
    for changed, message in (
        ({"unknown": {"edges": [100, 200], "span": 2}}, "no window is left"),
        ({"candidates": ["j1", "j1"]}, "two different objects"),
        ({"bins": [1, 2, 2, 3, 4, 5]}, "edges of bins must rise"),
    ):
        with pytest.raises(ValueError, match=message):
            PlaneCard.model_validate({**CARD, **changed})


EDGES = np.arange(2000.0, 6001.0, 200.0)
FUNCTION = BackgroundFunction.from_card(load_fit("dijet3"))
TRUTH = FUNCTION.expected(EDGES, np.array([1e-3, 8.0, 4.0]))
COUNTS = (TRUTH * 20_000 / TRUTH.sum()).round()
SHAPE = gaussian_template(EDGES, 3600.0, 0.06)[None]


def test_a_plane_of_one_or_two_cells() -> None:
    """Of one cell the global p-value is the local one, of two that share no event 1 - (1 - p)^2, of one twice p."""
    middles = np.repeat((EDGES[1:] + EDGES[:-1]) / 2, COUNTS.astype(int))
    nothing = np.full(len(middles), np.nan)
    apart = [np.concatenate([middles, nothing]), np.concatenate([nothing, middles])]

    def plane(z: float, *masses: np.ndarray) -> float:
        looks = [MassScan(EDGES, COUNTS, FUNCTION, SHAPE, np.array([z])) for _ in masses]
        ones = [
            SelectedMasses(method="r", set="X", window=Window(k + 1, k + 2, (0, 9)), masses=own)
            for k, own in enumerate(masses)
        ]
        left_out: dict[str, str] = {}
        found = _trials(Scanned((), (), (), tuple(zip(ones, looks, strict=True))), 100, 1, left_out)
        assert left_out == {}
        assert found.whole is not None
        assert found.methods["r"].global_p == found.whole.global_p
        return found.whole.global_p

    for z in (1.0, 4.0):
        p = float(norm.sf(z))
        assert plane(z, middles) == pytest.approx(p, rel=1e-9)
        assert plane(z, *apart) == pytest.approx(1 - (1 - p) ** 2, rel=0.03)
    assert plane(1.0, middles, middles) == pytest.approx(norm.sf(1.0), rel=0.02)


@pytest.mark.parametrize(
    ("words", "told", "not_told"),
    [
        (("--analysis", "plane.yaml", "--table"), "--column NAME=COLUMN for a feature of a card", "--skip-bad-files"),
        (("--analysis", "plane.yaml"), "data.npz is a table: give --table", "--column"),
        # Its methods have two inputs, and read in one after the other: an error is not of the first one's folder.
        (("--analysis", "cms_2024_dijet_anomaly"), "data.npz is a table: give --table", "interrupted"),
        (("--method", "cwola_rho", "--mass", "jet1", "--window", "3:4", "--sidebands", "2:5"), "give --table", "--col"),
    ],
)
def test_tables_that_are_read_in_vain(
    run: Run, tmp_path: Path, words: tuple[str, ...], told: str, not_told: str
) -> None:
    (tmp_path / "plane.yaml").write_text(yaml.safe_dump(CARD), encoding="utf-8")
    for name in ("data", "more"):
        np.savez(tmp_path / f"{name}.npz", other=np.ones(5), m=np.ones(5))
    said = " ".join(run("hunt", "data.npz", "more.npz", *words, "-o", "out", code=4).stderr.split())
    assert told in said
    assert not_told not in said
