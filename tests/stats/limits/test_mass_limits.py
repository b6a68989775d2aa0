"""Limits and p-values against the mass: shapes against numerical integrals, real spectra, injected signals."""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from typer.testing import CliRunner

from hepad.cards.fit import load_fit
from hepad.cli.main import app
from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.pipeline.limit.mass import _other_luminosity, mass_limits
from hepad.pipeline.limit.mass_report import MassLimitOptions
from hepad.spectra.files import read_spectrum
from hepad.spectra.shapes import parse_masses, signals
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.templates import crystal_ball_template, gaussian_template
from hepad.stats.limits.mass_scan import gross_vitells
from hepad.stats.limits.resonance import ResonanceChannel, ResonanceModel

EDGES = np.geomspace(1000, 6000, 41)


def test_a_crystal_ball_is_the_integral_of_its_density() -> None:
    alpha_l, n_l, alpha_r, n_r = 1.2, 3.0, 1.8, 5.0

    def density(mass: float) -> float:
        t = (mass - 1000) / 30
        if t < -alpha_l:
            return float(np.exp(-(alpha_l**2) / 2) * (1 + alpha_l * (-t - alpha_l) / n_l) ** -n_l)
        if t > alpha_r:
            return float(np.exp(-(alpha_r**2) / 2) * (1 + alpha_r * (t - alpha_r) / n_r) ** -n_r)
        return float(np.exp(-(t**2) / 2))

    edges = np.array([500, 900, 964, 980, 1010, 1054, 1300, 3000.0])
    parts = [quad(density, a, b)[0] for a, b in pairwise(edges)]
    whole = sum(quad(density, a, b)[0] for a, b in ((-np.inf, 964), (964, 1054), (1054, np.inf)))
    ours = crystal_ball_template(edges, 1000, 0.03, (alpha_l, n_l, alpha_r, n_r))
    np.testing.assert_allclose(ours, np.array(parts) / whole, rtol=1e-7)
    far = crystal_ball_template(edges, 1000, 0.03, (50, 2, 50, 2))  # no tails: a Gaussian
    np.testing.assert_allclose(far, gaussian_template(edges, 1000, 0.03), atol=1e-12)


def test_p0_has_its_half_chi_square_and_gross_vitells_its_trials() -> None:
    function = BackgroundFunction.from_card(load_fit("dijet3"))
    background = function.expected(EDGES, [1e-3, 9.0, -5.0])
    background *= 1e5 / background.sum()
    masses = np.arange(1500, 4000, 60.0)
    models = []
    for mass in masses:
        signal = gaussian_template(EDGES, mass, 0.05)
        models.append(ResonanceModel([ResonanceChannel("m", EDGES, signal, 0 * signal, function, background)]))
    counts, aux = models[0].throw_background(400, np.random.default_rng(5))
    start, scans = None, []
    for model in models:
        q, converged, start = model.q_zero_of(counts, aux, start)
        assert converged.all()
        scans.append(q)
    local = np.array(scans)
    # Half of all q0 are zero, 15.9 % above 1 (arXiv:1007.1727); toys share their counts between masses.
    assert np.mean(local[10] > 0) == pytest.approx(0.5, abs=0.1)
    assert np.mean(local[10] > 1) == pytest.approx(norm.sf(1), abs=0.06)
    crossings = np.mean(np.sum((local[:-1] <= 0.5) & (local[1:] > 0.5), axis=0))
    for q0 in (5.0, 7.0):
        direct = np.mean(local.max(axis=0) > q0)
        assert np.exp(gross_vitells(q0, float(crossings))) == pytest.approx(direct, abs=0.06)


def test_cms_dijets_against_the_mass(examples: Path, tmp_path: Path) -> None:
    options = MassLimitOptions(
        function="dijet3", masses="2500:5500:1000", luminosity=137.0, global_toys=20, output=tmp_path / "o"
    )
    report = mass_limits(str(examples / "cms_dijet_137fb.csv"), ["gauss:0.05"], options=options)
    assert report.fit.deviance == pytest.approx(41.39, abs=0.01)  # shared REFERENCES, Bump hunting
    assert [point.mass for point in report.points] == list(np.arange(2500.0, 5501, 1000))
    medians = [float(point.limit.expected[2]) for point in report.points]
    assert medians == sorted(medians, reverse=True)
    assert all(point.limit.calculator == "asymptotics" for point in report.points)
    assert report.overall is not None
    assert report.overall.log_p >= report.largest.excess.log_p
    assert any("signal widths apart" in text for text in report.warnings)
    content = json.loads((tmp_path / "o/limit.json").read_text())
    first = content["points"][0]
    assert first["observed_pb"] == pytest.approx(first["observed"] / 137_000)
    with (tmp_path / "o/limit.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (row["unit"], float(row["observed"])) == ("fb", pytest.approx(1000 * first["observed_pb"]))
    assert first["log10_p0"] == pytest.approx(np.log10(first["p0"]))
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == [
        "SHA256SUMS",
        "limit.csv",
        "limit.json",
        "limit.png",
        "local_p.csv",
        "local_p.png",
        "report.html",
        "tables.tex",
    ]


def test_a_luminosity_that_is_not_that_of_the_data(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("# luminosity: 137 fb-1\n1,2,3\n", encoding="utf-8")
    assert _other_luminosity(str(path), 137.2) == _other_luminosity(str(path), None) == []
    (warning,) = _other_luminosity(str(path), 36.0)
    assert "for 36 fb-1 (--luminosity), but comments of d.csv say 137 fb-1" in warning


def write(path: Path, counts: np.ndarray) -> str:
    lines = [f"{a:.6f},{b:.6f},{n:.9g}" for a, b, n in zip(EDGES[:-1], EDGES[1:], counts, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def injected(events: float) -> np.ndarray:
    function = BackgroundFunction.from_card(load_fit("dijet3"))
    background = function.expected(EDGES, [1e-3, 9.0, -5.0])
    return np.round(background * 1e5 / background.sum() + events * gaussian_template(EDGES, 2500, 0.04))


def test_an_injected_signal_is_found_with_each_kind_of_shape(tmp_path: Path) -> None:
    data = write(tmp_path / "d.csv", injected(1500))
    simulated = write(tmp_path / "s.csv", 5000 * gaussian_template(EDGES, 2500, 0.04))
    options = MassLimitOptions(function="dijet3", global_toys=0)
    gauss = mass_limits(data, ["gauss:2500,0.04"], options=options).points[0]
    hist = mass_limits(data, [f"hist:{simulated}"], options=options).points[0]
    ball = mass_limits(data, ["dscb:2500,0.04,20,3,20,3"], options=options).points[0]
    assert gauss.excess.mu == pytest.approx(1500, rel=0.05)
    assert gauss.excess.z > 5
    assert gauss.limit.observed is not None
    assert gauss.limit.observed > 1500
    for other in (hist, ball):
        assert other.excess.mu == pytest.approx(gauss.excess.mu, rel=2e-3)
        assert other.limit.observed == pytest.approx(gauss.limit.observed, rel=2e-3)
    assert hist.mass == pytest.approx(2500, rel=0.02)


def test_weighted_spectra_are_fitted_as_effective_events(tmp_path: Path) -> None:
    import hist

    counts = injected(0)
    half = hist.Hist(hist.axis.Variable(EDGES.tolist()), storage=hist.storage.Weight())
    half[:] = np.stack([0.5 * counts, 0.25 * counts], axis=-1)  # twice the events with half the weight each
    from hepad.spectra.files import write_histograms_json

    write_histograms_json(tmp_path / "w.json", {"m": half})
    options = MassLimitOptions(function="dijet3", global_toys=0)
    weighted = mass_limits(f"{tmp_path / 'w.json'}:m", ["gauss:2500,0.04"], options=options)
    plain = mass_limits(write(tmp_path / "d.csv", counts), ["gauss:2500,0.04"], options=options)
    np.testing.assert_allclose(weighted.points[0].limit.expected, 0.5 * plain.points[0].limit.expected, rtol=1e-3)
    assert "effective counts" in weighted.warnings[0]


def test_low_counts_at_a_mass_are_thrown(tmp_path: Path) -> None:
    data = write(tmp_path / "d.csv", np.round(injected(0) / 40))
    options = MassLimitOptions(function="dijet3", masses="2000,5000", toys=0, global_toys=0)
    assert read_spectrum(data).counts[-8:].sum() < 10
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hepad.pipeline.limit.mass.SCAN_TOYS", 100)
        low, high = mass_limits(data, ["gauss:0.05"], options=options).points
    assert (low.limit.calculator, high.limit.calculator) == ("asymptotics", "toys")
    assert "only" in high.limit.reason
    assert high.limit.observed_error is not None
    assert high.excess.toys == 100


def test_a_fit_that_fails_names_its_mass(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise FitFailedError("a fit did not converge")

    monkeypatch.setattr("hepad.pipeline.limit.mass.set_limit", fail)
    spec = str(examples / "cms_dijet_137fb.csv")
    arguments = ["limit", "--spectrum", spec, "--function", "dijet3", "--signal-shape", "gauss:3000,0.05"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 6
    assert "hepad: at 3000 GeV: a fit did not converge" in done.stderr


def test_masses_and_shapes_are_read() -> None:
    assert parse_masses("1000:1300:100") == [1000, 1100, 1200, 1300]
    assert parse_masses("1000:1350:100")[-1] == 1300
    assert parse_masses("1,2.5") == [1, 2.5]
    moved = signals(["gauss:9,0.05"], [2000.0, 3000.0], EDGES)
    assert [s.mass for s in moved] == [2000, 3000]
    for text in ("1:2", "2:1:1", "a", "5,4", "1:2:0", "0,1", "1:1e9:0.001"):
        with pytest.raises(UsageError, match="--mass"):
            parse_masses(text)
    for shape in ("gauss:0.05", "gauss:1,2,3", "tri:1", "dscb:2000,0.1", "gauss:a,b", "gauss:2000,0"):
        with pytest.raises(UsageError):
            signals([shape], None, EDGES)
    with pytest.raises(InputDataError, match="lies in the spectrum"):
        signals(["gauss:9000,0.05"], None, EDGES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --signal and --background, or --spectrum, or --workspace"),
        (["--signal", "1", "--spectrum", "x.csv"], "give one of --signal and --spectrum"),
        (["--signal", "1"], "needs a --background"),
        (["--spectrum", "x.csv"], "needs a --signal-shape"),
        (["--signal", "1", "--background", "2", "--patch", "p.json"], "--patch does not go with --signal"),
        (
            ["--signal", "1", "--background", "2", "--calculator", "magic"],
            "auto, asymptotic, toys or exact",
        ),
        (["--signal", "1", "--background", "2", "--calculator", "asymptotic", "--toys", "5"], "need no pseudo"),
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["limit", *arguments])
    assert done.exit_code == 2
    assert message in done.stderr
