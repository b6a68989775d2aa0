"""`hepad hunt --analysis` of tables: methods that want simulation beside those that do not, resumed, and replayed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hepad.errors import FitFailedError, InputDataError
from hepad.pipeline.hunt import task, windows_scan, windows_selected
from hepad.pipeline.hunt.trainings import _Job
from hepad.pipeline.hunt.windows_scan import responsible, scan_shapes
from hepad.stats.fits.templates import crystal_ball_template

from ..conftest import Run, leave_unrendered

METHOD = """
schema: method/1
name: {name}
title: A small method
reference: nobody has published it
fidelity: inspired
selection: all_events
input: {{kind: table, features: [a, b], scale: {scale}}}
method: {method}
folds: {folds}
own_input: true
"""
TREES = "{name: %s, classifier: {kind: trees, trees: 3, leaves: 4}, rotations: 1}"
METHODS = {
    "all": METHOD.format(name="all", scale="none", method="{name: cuts}", folds=3),
    "label": METHOD.format(name="label", scale="standard", method=TREES % "supervised", folds=3),
    "starved": METHOD.format(name="starved", scale="standard", method=TREES % "cwola", folds=100),
}
CARD = """
schema: hunt/1
name: small
title: One window
reference: nobody has published it
fidelity: inspired
selection: all_events
mass: m
windows: {A: [2700, 3300, 3700, 4300], B: [5900, 6000, 6500, 7000]}
fractions: [{fraction: 0.1}]
bins: [2500, 2600, 2700, 2800, 2900, 3000, 3150, 3300, 3500, 3700, 3900, 4100, 4300, 4600, 5000, 6000]
functions: [ua2_3]
shape: gauss:0.2
methods: [all.yaml]
input: {kind: table, features: [a, b]}
"""
GIVEN = ("hunt", "data.npz", "--analysis", "small.yaml", "--table", "--toys", 50)
TAILS = (0.5, 2.0, 2.0, 5.0)
ALL = ("--method", "all.yaml", "--method", "label.yaml", "--method", "starved.yaml")
SIMULATED = (*ALL, "--background", "background.npz", "--signal", "x=signal.npz")


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Tables of events, cards, figures that are empty; the files that are read, in their order."""
    rng = np.random.default_rng(1)
    for name, count, signal in (("data", 1500, 40), ("background", 1000, 0), ("signal", 0, 200)):
        mass = np.append(2500 + rng.exponential(700, count), rng.normal(3500, 60, signal))
        a = np.append(rng.normal(size=count), rng.normal(3, 1, signal))
        np.savez(tmp_path / f"{name}.npz", m=mass, a=a, b=rng.normal(size=count + signal))
    for name, text in {**METHODS, "small": CARD}.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    leave_unrendered(monkeypatch)
    monkeypatch.setattr("hepad.pipeline.hunt.windows_scan._BUMP_TOYS", 20)
    read: list[tuple[str, ...]] = []

    def reading(plan: Any, *rest: Any) -> Any:
        read.append(tuple(path.name for path in plan.paths))
        return before(plan, *rest)

    before = task.read_events_of
    for module in (task, windows_selected):
        monkeypatch.setattr(module, "read_events_of", reading)
    return read


@pytest.mark.usefixtures("replay_here")
def test_it_goes_on_in_its_fits_and_can_be_replayed(
    run: Run, tables: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from hepad.methods.supervised import Supervised

    trained: list[str] = []
    fits: list[str] = []
    train, fit = Supervised.train, windows_scan.SelectedSpectrum.points

    def training(self: Supervised, one: Any, *rest: Any) -> Any:
        trained.append(one.name)
        return train(self, one, *rest)

    def fitting(self: Any) -> Any:
        fits.append(str(self.names))
        if len(fits) == 2:
            raise KeyboardInterrupt
        return fit(self)

    monkeypatch.setattr(Supervised, "train", training)
    monkeypatch.setattr(windows_scan.SelectedSpectrum, "points", fitting)
    assert "the same command goes on" in " ".join(run(*GIVEN, *SIMULATED, "-o", "out", code=130).stderr.split())
    assert trained == ["0.1.0", "1.2.0", "2.0.0"]
    report = json.loads(run(*GIVEN, *SIMULATED, "-o", "out", "--json").stdout)
    assert len(trained) == 3
    assert len(fits) == 3  # the first was kept
    once = [("data.npz",), ("background.npz",), ("signal.npz",)]
    assert [tables.count(files) for files in once] == [4, 4, 4]  # two inputs, in two runs
    assert "starved A 3300:3700" in report["left_out"]
    assert "too few for so many folds" in report["left_out"]["starved A 3300:3700"]
    assert "leaves no bins on both sides" in report["left_out"]["all methods B 6000:6500"]
    assert [(row["method"], row["fraction"]) for row in report["windows"]] == [("all", None), ("label", 0.1)]
    rows: dict[str, Mapping[str, Any]] = {row["method"]: row for row in report["signals"]}
    assert rows["all"]["efficiency"] == pytest.approx(1, abs=1e-12)
    assert rows["label"]["expected"][2] < 0.7 * rows["all"]["expected"][2]
    assert "expected_fb" not in rows["all"]
    assert "identical" in run("replay", "out").stdout
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "hepad hunt data.npz --method all.yaml --method label.yaml" in page
    assert "too few for so many folds" in page
    assert page.count(">fraction</th>") == 1  # of label: all, which is of cuts, has none
    best = max(report["scan"], key=lambda row: row["z"])
    assert f"The largest excess is that of method {best['method']} at {best['mass']:.0f} GeV." in page
    assert f"<dt>{best['z']:.2f}</dt><dd>local standard deviations</dd>" in page


@pytest.mark.usefixtures("tables")
def test_what_fails_is_told_and_ends_nothing_else(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from hepad.methods.supervised import Supervised

    def failing(reason: str) -> Any:
        def fails(*_: Any, **__: Any) -> Any:
            raise FitFailedError(reason)

        return fails

    def training(_: Supervised, one: Any, problem: Any, *__: Any) -> Any:
        raise FitFailedError(f"{one.name} of {problem.folds} diverges")

    train = Supervised.train
    monkeypatch.setattr(Supervised, "train", training)
    monkeypatch.setattr("hepad.stats.bumphunt.mass_looks.fit_background", failing("no scan"))
    monkeypatch.setattr(windows_scan, "bump_hunt", failing("no bump"))
    monkeypatch.setattr("hepad.pipeline.hunt.windows.Bootstraps.trials", failing("no bootstraps"))
    (tmp_path / "low.yaml").write_text(METHODS["all"].replace("cuts}", "cuts, require: {a: [null, 50]}}"))
    np.savez(tmp_path / "far.npz", m=np.full(9, 3500.0), a=np.full(9, 99.0), b=np.zeros(9))
    words = ("--method", "low.yaml", *SIMULATED[2:4], "--background", "background.npz", "--signal", "far=far.npz")
    report = json.loads(run(*GIVEN, *words, "-o", "out", "--json").stdout)
    assert [(row["method"], row["fraction"]) for row in report["windows"]] == [("all", None)]
    assert report["left_out"] == {
        "all methods B 6000:6500": report["left_out"]["all methods B 6000:6500"],
        "label A 3300:3700": "0.1.0 of 3 diverges",
        "largest bump of all A 3300:3700": "a fit to the whole spectrum did not converge",
        "scan of all A 3300:3700 in global p": "no scan",
        "limits on signal far with all A 3300:3700": "none of its events is selected in the spectrum",
        "global p of the whole of all methods": "no bootstraps",
        "global p of the counts of all": "no bootstraps",
        "global p of the counts of all methods": "no bootstraps",
    }
    assert "could not be computed: see Left out" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    alone = ("hunt", "data.npz", "--table", "--mass", "m", "--window", "3300:3700", "--sidebands", "2700:4300")
    given = (*alone, "--method", "label.yaml", *SIMULATED[-4:], "-o", "scores.npz")
    assert "0.1.0 of 3 diverges" in run(*given, code=6).stderr
    monkeypatch.setattr(Supervised, "train", train)
    run(*given)


def test_what_builds_on_a_training_that_failed_fails_for_its_reason() -> None:
    before = {"failed": np.frombuffer(b"diverges", dtype=np.uint8)}
    found = _Job({}, tells=True).do("of/second", {"of/other": {}, "of/first": before})
    assert bytes(found["failed"]) == b"diverges"


def test_limits_that_could_not_be_found_are_told() -> None:
    nothing = np.zeros((0, 2))
    spectrum = windows_scan.SelectedSpectrum(*[nothing] * 5, ("a", "b", "c"), *[nothing] * 3)  # type: ignore[arg-type]
    fits, left_out = np.zeros((3, 9)), dict[str, str]()
    fits[0, :8], fits[1, 2:8] = np.nan, np.nan
    windows_scan._tell_signals(SimpleNamespace(label="all A"), spectrum, fits, left_out)  # type: ignore[arg-type]
    assert left_out == {
        "limits on signal a with all A": "a fit of signal and background did not converge",
        "limits on signal b with all A": "a limit could not be computed",
    }


def test_what_is_lacking_is_said_before_anything_is_trained(
    run: Run, tables: list[tuple[str, ...]], tmp_path: Path
) -> None:
    for words, code, said in (
        (("--method", "all.yaml", "--method", "label.yaml"), 2, "learns from background too"),
        (("--method", "all.yaml", "--background", "background.npz"), 2, "none of the methods takes background"),
        (("--method", "starved.yaml"), 4, "no window can be hunted in; the first, starved A 3300:3700"),
        (("--method", "all.yaml", "--luminosity", 0), 2, "the luminosity is positive"),
        (("--method", "all.yaml", "--range", "3400:5100"), 4, "no window can be hunted in"),
    ):
        assert said in " ".join(run(*GIVEN, *words, "-o", "out", code=code).stderr.split())
    assert ("signal.npz",) not in tables
    (tmp_path / "small.yaml").write_text(CARD.replace("gauss:0.2", "triangle:0.2"), encoding="utf-8")
    assert "unknown signal shape 'triangle:0.2'" in run(*GIVEN, "-o", "out", code=3).stderr.replace("\n", " ")
    edges = np.arange(2000.0, 4001.0, 100.0)
    masses = [signal.mass for signal in scan_shapes("dscb:0.1,0.5,2,2,5", [(2000, 2500), (2300, 3900)], edges)]
    half_inside = [m for m in np.geomspace(2000, 3900, 15) if crystal_ball_template(edges, m, 0.1, TAILS).sum() >= 0.5]
    assert masses == pytest.approx(half_inside)
    assert 5 < len(masses) < 15


def test_progress_is_of_all_methods(
    tables: list[tuple[str, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from hepad.cards.hunt import load_hunt
    from hepad.methods.base import Window
    from hepad.pipeline.hunt import windows
    from hepad.pipeline.hunt.options import HuntOptions

    def enough(*_: Any, **__: Any) -> None:
        raise InputDataError("all is trained")

    monkeypatch.setattr(windows, "_report", enough)
    (tmp_path / "other.yaml").write_text(METHODS["label"].replace("name: label", "name: other"), encoding="utf-8")
    told: list[tuple[int, int]] = []
    options = HuntOptions(
        mass="",
        window=Window(1, 2, (0, 3)),
        output=tmp_path / "out",
        table=True,
        background=[str(tmp_path / "background.npz")],
        signals={"x": [str(tmp_path / "signal.npz")]},
        on_training=lambda done, of: told.append((done, of)),
    )
    names = [str(tmp_path / f"{name}.yaml") for name in ("label", "all", "other")]
    files, card = [str(tmp_path / "data.npz")], load_hunt(str(tmp_path / "small.yaml"))
    with pytest.raises(InputDataError, match="all is trained"):
        windows.hunt_analysis(files, card, names, options=options)
    assert told == [(0, 6), (1, 6), (2, 6), (3, 6), (3, 6), (3, 6), (4, 6), (5, 6), (6, 6)]


def test_the_window_whose_middle_is_nearest_is_responsible() -> None:
    """In parts of the window: 3500 GeV is 5 % from the middles of both, of which the second is the wider."""
    ranges = [(3013.0, 3682.0), (3331.0, 4300.0), (3682.0, 4500.0)]
    assert [responsible(mass, ranges) for mass in (3013.0, 3400.0, 3560.0, 3682.0, 4499.0)] == [0, 0, 1, 1, 2]
    assert responsible(4500.0, ranges) is None
