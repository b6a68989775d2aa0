"""The fit to the data of a workspace with its errors, against pyhf's own Minuit fit and formulae."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest
from typer.testing import CliRunner

from hepad.cli.main import app
from hepad.errors import FitFailedError
from hepad.pipeline.limit import workspace as limit_workspace
from hepad.pipeline.limit.workspace import WorkspaceLimitOptions, workspace_limits
from hepad.plot.postfit import MOST_CHANNELS, StackedChannel, plot_postfit
from hepad.plot.pulls import MOST_ROWS, Row, plot_pulls
from hepad.stats.limits import postfit
from hepad.stats.limits.postfit import FittedParameter, PostFit, post_fit
from hepad.stats.limits.published import PublishedExperiment, numpy_backend

WORKSPACE: dict[str, Any] = {
    "channels": [
        {"name": "SR", "samples": [
            {"name": "s", "data": [3.0, 9.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
            {"name": "b", "data": [24.0, 13.0], "modifiers": [
                {"name": "jes", "type": "histosys", "data": {"hi_data": [26.0, 15.0], "lo_data": [22.0, 12.0]}},
                {"name": "mu_b", "type": "normfactor", "data": None},
                {"name": "stat", "type": "staterror", "data": [1.5, 0.0]},
                {"name": "lumi", "type": "lumi", "data": None}]}]},
        {"name": "CR", "samples": [
            {"name": "b", "data": [90.0], "modifiers": [
                {"name": "mu_b", "type": "normfactor", "data": None},
                {"name": "jes", "type": "normsys", "data": {"hi": 1.05, "lo": 0.96}}]},
            {"name": "fakes", "data": [10.0], "modifiers": [{"name": "cr", "type": "shapesys", "data": [3.0]}]}]},
    ],
    "observations": [{"name": "SR", "data": [29.0, 19.0]}, {"name": "CR", "data": [112.0]}],
    "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": [
        {"name": "lumi", "auxdata": [1.0], "inits": [1.0], "sigmas": [0.02], "bounds": [[0.9, 1.1]]}]}}],
    "version": "1.0.0",
}  # fmt: skip

FIGURES = ("limit.png", "pulls.csv", "pulls.png", "postfit.csv", "postfit.png")


def fit(sr: list[float] | None = None) -> tuple[PostFit, PublishedExperiment]:
    workspace = copy.deepcopy(WORKSPACE)
    if sr is not None:
        workspace["observations"][0]["data"] = sr
    with numpy_backend():
        experiment = PublishedExperiment(workspace)
        return post_fit(experiment), experiment


@pytest.mark.parametrize("sr", [None, [24.0, 6.0]])
def test_pulls_and_bands_are_those_of_pyhf(sr: list[float] | None) -> None:
    found, experiment = fit(sr)
    model = experiment.model
    assert found.poi_at_zero == (sr is not None)
    fixed = model.config.suggested_fixed()
    fixed[model.config.poi_index] = found.poi_at_zero
    start = model.config.suggested_init()
    start[model.config.poi_index] = 0.0 if found.poi_at_zero else 1.0
    before = pyhf.get_backend()
    with numpy_backend():
        pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3))
        both, value, result = pyhf.infer.mle.fit(
            experiment.observed, model, start, fixed_params=fixed, return_uncertainties=True, return_fitted_val=True,
            return_result_obj=True,
        )  # fmt: skip
    assert pyhf.get_backend() == before
    values, errors = np.asarray(both).T
    covariance = np.asarray(result.hess_inv)
    np.testing.assert_allclose([p.value for p in found.parameters], values, atol=2e-3)
    np.testing.assert_allclose([p.error**2 for p in found.parameters], np.diag(covariance), rtol=5e-3, atol=1e-9)
    # pyhf's own errors of parameters with bounds are Minuit's, which are symmetrised in its inner coordinates.
    np.testing.assert_allclose([p.error for p in found.parameters], errors, rtol=0.02, atol=1e-9)
    assert found.twice_nll == pytest.approx(float(value), abs=1e-4)
    sigma = np.sqrt(np.diag(covariance))
    moved = np.array([_difference(model, values, i, sigma[i]) for i in range(len(values))])
    scaled = moved / np.where(sigma > 0, sigma, 1.0)[:, None]
    expected = np.sqrt(np.einsum("ib,ij,jb->b", scaled, covariance, scaled))
    bands = np.concatenate([channel.errors for channel in found.channels])
    np.testing.assert_allclose(bands, expected, rtol=0.01)
    totals = np.concatenate([channel.total for channel in found.channels])
    np.testing.assert_allclose(totals, model.expected_actualdata(values), rtol=1e-3)


def _difference(model: Any, values: Any, i: int, sigma: float) -> Any:
    step = np.where(np.arange(len(values)) == i, sigma, 0.0)
    return (model.expected_actualdata(values + step) - model.expected_actualdata(values - step)) / 2


def test_errors_are_those_of_the_second_derivatives() -> None:
    found, experiment = fit()
    values, errors = (np.array([getattr(p, what) for p in found.parameters]) for what in ("value", "error"))
    moved = np.flatnonzero(errors > 0)
    steps = 0.02 * np.diag(errors)[moved]

    def nll(theta: Any) -> float:
        return float(-np.ravel(experiment.model.logpdf(theta, experiment.observed))[0])

    hessian = np.array(
        [[sum(s * t * nll(values + s * a + t * b) for s in (1, -1) for t in (1, -1)) / 4 for a in steps] for b in steps]
    )
    expected = 0.02 * errors[moved] * np.sqrt(np.diag(np.linalg.inv(hessian)))
    np.testing.assert_allclose(errors[moved], expected, rtol=1e-3)


def test_errors_of_strongly_correlated_parameters_are_of_the_second_derivatives() -> None:
    """Counts n of means exp(A x): the covariance at the minimum is (A^T diag(n) A)^-1. Migrad's own is off by 10 %."""
    a, n = np.array([[1, 0.5, 0.1], [1, -0.5, 0.2], [1, 0.3, 1]]), np.array([1.0, 9.0, 100.0])

    def twice_nll(x: Any) -> float:
        return 2 * float(np.sum(np.exp(a @ x) - n * (a @ x)))

    found = postfit._minimise(twice_nll, np.zeros(3), np.full(3, 0.1), np.zeros(3, dtype=bool), [(-50.0, 50.0)] * 3)
    exact = np.linalg.inv(a.T @ np.diag(n) @ a)
    np.testing.assert_allclose(np.diag(np.array(found.covariance)), np.diag(exact), rtol=0.06)


def test_each_parameter_has_its_kind_and_constraint() -> None:
    found, _ = fit()
    of = {p.name: p for p in found.parameters}
    kinds = {"mu": "free", "mu_b": "free", "jes": "constrained", "lumi": "constrained", "cr[0]": "gamma",
             "stat[0]": "gamma", "stat[1]": "fixed"}  # fmt: skip
    assert {name: p.kind for name, p in of.items()} == kinds
    assert of["lumi"].pull == pytest.approx((of["lumi"].value - 1) / 0.02)
    assert of["lumi"].pull_error == pytest.approx(of["lumi"].error / 0.02)
    assert (of["cr[0]"].centre, of["cr[0]"].width) == pytest.approx((1.0, 0.3))  # 10 +- 3 events
    assert (of["stat[0]"].centre, of["stat[0]"].width) == pytest.approx((1.0, 1.5 / 24))
    assert (of["jes"].centre, of["jes"].width) == (0.0, 1.0)
    assert of["mu"].pull is None
    assert not any(p.at_bound for p in of.values() if p.kind != "fixed")
    assert [(c.name, list(c.samples)) for c in found.channels] == [("CR", ["b", "fakes"]), ("SR", ["b", "s"])]


@pytest.mark.parametrize(
    ("centre", "width", "pulls"), [(1.0, 0.5, (2.0, 0.6)), (1.0, 0.0, (None, None)), (None, 0.5, (None, None))]
)
def test_a_pull_needs_a_centre_and_a_width(
    centre: float | None, width: float, pulls: tuple[float | None, float | None]
) -> None:
    found = FittedParameter("jes", "constrained", 2.0, 0.3, centre, width)
    assert (found.pull, found.pull_error) == pulls


def test_figures_and_numbers_are_written_and_left_out_without_a_minimum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, output = tmp_path / "w.json", tmp_path / "out"
    path.write_text(json.dumps(WORKSPACE))
    # The figure of the limit has its own tests.
    monkeypatch.setattr(limit_workspace, "save_figure", lambda _, stem: stem.with_suffix(".png").touch())
    report = workspace_limits(str(path), options=WorkspaceLimitOptions(points=0, output=output))
    written = {"SHA256SUMS", "limit.json", "report.html", "tables.tex", "workspace.json"}
    assert {p.name for p in output.iterdir()} == written | set(FIGURES)
    assert all((output / name).stat().st_size > 10_000 for name in ("pulls.png", "postfit.png"))
    content = json.loads((output / "limit.json").read_text())["fit"]
    assert content == report.to_json()["fit"]
    assert content["channels"][1]["observed"] == [29.0, 19.0]
    assert {p["name"] for p in content["parameters"] if p["pull"] is not None} == {"jes", "lumi", "cr[0]", "stat[0]"}

    def failing(*_: object) -> None:
        raise FitFailedError("no minimum")

    monkeypatch.setattr(postfit, "_minimise", failing)
    # Into the same folder: what is in it is known to be ours.
    done = CliRunner().invoke(app, ["limit", "--workspace", str(path), "-o", str(output), "--json"])
    assert done.exit_code == 0, done.output
    assert {p.name for p in output.iterdir()} == written | {"limit.png"}
    content = json.loads(done.stdout)
    assert content["fit"] is None
    assert "no minimum: there are no figures" in content["warnings"][-1]
    assert "no minimum: there are no figures" in " ".join(done.stderr.split())


def test_a_minimum_that_minuit_does_not_find_is_an_error() -> None:
    def endless(theta: Any) -> float:
        return -float(theta[0])  # no minimum

    with pytest.raises(FitFailedError, match="did not converge"):
        postfit._minimise(endless, np.zeros(1), np.ones(1), np.array([False]), [(0.0, np.inf)])


def test_many_parameters_and_channels_are_cut_with_a_note() -> None:
    rows = [Row(f"p{i}", 0.01 * i, 1.0, 0.0, 1.0) for i in range(MOST_ROWS + 5)]
    figure = plot_pulls(rows, [], [Row("mu$", 1.0, 0.3, at_bound=True)])
    top, bottom = figure.axes
    labels = [label.get_text() for label in top.get_yticklabels()]
    assert labels == [f"p{i}" for i in range(5, MOST_ROWS + 5)]
    assert "5 smaller ones not shown" in top.get_xlabel()
    assert len(bottom.get_yticks()) == 1
    one = np.array([2.0, 0.0])
    samples = {f"s{i}": one * (12 - i) for i in range(12)}
    channels = [StackedChannel(f"c{i}", one, samples, one / 4) for i in range(MOST_CHANNELS + 1)]
    figure = plot_postfit(channels)
    assert len(figure.axes) == 2 * MOST_CHANNELS
    legend = figure.legends[0]
    assert legend.get_title().get_text() == f"The first {MOST_CHANNELS} of {MOST_CHANNELS + 1} channels"
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["Data", *[f"s{i}" for i in range(8)], "Others", "Uncertainty after the fit"]
