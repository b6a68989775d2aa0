"""Fits of workspaces where minimisers err: large and small counts, odd parameters; and what is no model at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest
from scipy.optimize import brentq
from typer.testing import CliRunner

from hepad.cli.main import app
from hepad.errors import FitFailedError, InputDataError
from hepad.stats.limits.cls import asymptotic_bands, asymptotic_cls, asymptotic_result
from hepad.stats.limits.published import PublishedExperiment, numpy_backend
from hepad.stats.limits.workspace_likelihood import WorkspaceLikelihood, maximise
from hepad.stats.limits.workspace_model import workspace_model

LARGE = {
    "signal": [231463.62, 190822.11, 72307.73, 24744.96, 9013.512],
    "background": [11153054.0, 5122485.5, 1612950.8, 623655.0, 288350.78],
}
"""The first five bins of a public report (pyhf, issue 2232)."""


def workspace(
    signal: list[float],
    background: list[float],
    observed: list[float],
    errors: list[float] | None = None,
    *,
    kind: str = "shapesys",
    **parameter: Any,
) -> dict[str, Any]:
    modifiers = [] if errors is None else [{"name": "u", "type": kind, "data": errors}]
    return {
        "channels": [{"name": "SR", "samples": [
            {"name": "s", "data": signal, "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
            {"name": "b", "data": background, "modifiers": modifiers}]}],
        "observations": [{"name": "SR", "data": observed}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": [
            {"name": "mu", **parameter}] if parameter else []}}],
        "version": "1.0.0",
    }  # fmt: skip


def profiled(mu: float, s: Any, b: Any, n: Any, error: Any, m: Any) -> float:
    """-2 ln L of counts n with b known from m = (b / error)^2 auxiliary counts, the best b by a quadratic equation."""
    tau = (b / error) ** 2 / b  # auxiliary counts by event of background
    p = tau + 1
    q = p * mu * s - n - m
    best = (-q + np.sqrt(q * q + 4 * p * m * mu * s)) / (2 * p)
    mean = best + mu * s
    return float(2 * np.sum(mean - n * np.log(mean / n) - n + tau * best - m * np.log(tau * best / m) - m))


def exact_limits(s: Any, b: Any, n: Any, error: Any) -> list[float]:
    """Observed and five expected asymptotic limits with the nuisance parameters solved for."""
    s, b, n, error = (np.asarray(x, dtype=np.float64) for x in (s, b, n, error))
    m = (b / error) ** 2
    tau = m / b
    posterior = (n + m) / (1 + tau)  # the background that fits the data without a signal

    def q(mu: float, counts: Any, aux: Any, best: float) -> float:
        floor = profiled(best, s, b, counts, error, aux)
        return max(profiled(mu, s, b, counts, error, aux) - floor, 0.0) if best < mu else 0.0

    def slope(mu: float) -> float:
        return profiled(mu + 1e-5, s, b, n, error, m) - profiled(mu - 1e-5, s, b, n, error, m)

    top = 1e3
    best = 0.0 if slope(1e-4) > 0 else float(brentq(slope, 1e-4, top))

    def pair(mu: float) -> tuple[float, float]:
        return q(mu, n, m, best), q(mu, posterior, tau * posterior, 0.0)

    curves = [lambda mu: asymptotic_cls(*pair(mu)) - 0.05]
    curves += [lambda mu, i=i: asymptotic_bands(pair(mu)[1])[i] - 0.05 for i in range(5)]
    return [float(brentq(curve, 1e-3, top, rtol=1e-8)) for curve in curves]


@pytest.mark.parametrize("excess", [0.0, 3.0])
@pytest.mark.parametrize(("relative", "size"), [(0.2, 1.0), (0.066, 1.0), (0.1, 1e-5), (0.001, 3.0)])
def test_limits_at_any_size_of_the_counts(relative: float, size: float, excess: float) -> None:
    """From 3 to 30 million events a bin, where -2 ln L itself has no digits left for its slope."""
    s, b = (np.array(LARGE[name]) * size for name in ("signal", "background"))
    n = np.round(b * (1 + excess * relative / 3))
    expected = exact_limits(s, b, n, relative * b)
    with numpy_backend():
        experiment = PublishedExperiment(workspace(*(x.tolist() for x in (s, b, n, relative * b))))
        result = asymptotic_result(experiment, points=0)
    np.testing.assert_allclose([result.observed, *result.expected], expected, rtol=3e-4)


def test_the_limits_of_a_public_report() -> None:
    """Solved analytically, 20 % and 6.6 % errors: numbers of the first; pyhf with Minuit has 1.536 for the second."""
    s, b = LARGE["signal"], LARGE["background"]
    errors = [2230610.8, 1024497.1, 322590.16, 124731.0, 57670.156]
    with numpy_backend():
        result = asymptotic_result(PublishedExperiment(workspace(s, b, b, errors)), points=0)
    np.testing.assert_allclose(result.expected, [2.546, 3.378, 4.605, 6.245, 8.111], atol=6e-4)
    assert result.observed == pytest.approx(4.605, abs=6e-4)


def run(path: Path, content: dict[str, Any], *arguments: str) -> Any:
    path.write_text(json.dumps(content))
    return CliRunner().invoke(app, ["limit", "--workspace", str(path), "--json", *arguments])


def test_data_where_no_background_is(tmp_path: Path) -> None:
    """Two events in a bin of signal alone: numbers of pyhf 0.7.6 with scipy; a p-value there is none."""
    done = run(tmp_path / "w.json", workspace([3.0, 5.0], [0.0, 10.0], [2.0, 11.0]))
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert content["observed"] == pytest.approx(1.2856, abs=2e-4)
    np.testing.assert_allclose(content["expected"], [0.1726, 0.2985, 0.5378, 0.9512, 1.5541], atol=2e-4)
    assert content["excess"] is None
    assert "bin 1 of channel 'SR' has data (2) where no background is expected" in " ".join(done.stderr.split())


def test_a_bin_without_anything_changes_nothing() -> None:
    with numpy_backend():
        limits = [
            asymptotic_result(PublishedExperiment(workspace(*yields)), points=0).observed
            for yields in (([5.0, 0.0], [50.0, 0.0], [55.0, 0.0]), ([5.0], [50.0], [55.0]))
        ]
    assert limits[0] == pytest.approx(limits[1], rel=1e-6)


@pytest.mark.parametrize("start", [-1.0, 0.0, 30.0])
def test_the_start_of_the_parameter_of_interest_does_not_matter(start: float) -> None:
    """Bounds of -10 to 10 are usual; a start below 0, or past a bound, is moved. 1.7325: without parameter settings."""
    spec = workspace([5.0, 10.0], [50.0, 60.0], [55.0, 62.0], bounds=[[-10, 10]], inits=[start])
    with numpy_backend():
        assert asymptotic_result(PublishedExperiment(spec), points=0).observed == pytest.approx(1.7325, abs=2e-4)


GREEDY = workspace([5.0], [1.0], [0.0], [1.5])
GREEDY["measurements"][0]["config"]["poi"] = "u"
SHORT = workspace([5.0, 10.0], [50.0, 60.0], [55.0], [5.0, 6.0])
UNSEEN = {**workspace([5.0], [50.0], [55.0]), "observations": [{"name": "CR", "data": [55.0]}]}
TWICE = workspace([5.0], [50.0], [55.0])
TWICE["channels"].append(TWICE["channels"][0])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SHORT, "channel 'SR' has 2 bins in its sample 's', but its observation has 1"),
        (workspace([5.0, 10.0], [50.0], [55.0, 62.0]), "2 bins in its sample 's', but its sample 'b' has 1"),
        (workspace([5.0], [50.0], [55.0], [5.0, 6.0]), "but the shapesys 'u' of its sample 'b' has 2"),
        (UNSEEN, "no observation of channel 'SR'"),
        (TWICE, "two of the channels are named 'SR'"),
        (GREEDY, "parameter of interest 'u' is a shapesys, which has a constraint; name the normfactor"),
        (workspace([5.0, 10.0], [50.0, 60.0], [80.0, 100.0], fixed=True), "'mu' is fixed in the measurement"),
        (workspace([5.0, 10.0], [-1.0, 60.0], [0.0, 62.0]), "background of the workspace is -1 events in bin 1"),
        (workspace([0.0, 5.0], [0.0, 10.0], [1.0, 11.0]), "has data (1) where neither background nor signal"),
        (workspace([-5.0, 2.0], [50.0, 60.0], [45.0, 62.0]), "sums to -3 events: there is nothing to set a limit on"),
        (workspace([0.0, 0.0], [50.0, 60.0], [45.0, 62.0]), "signal of the workspace is zero"),
        (workspace([5.0], [50.0], [55.0], inits=[1.0, 2.0]), "the workspace makes no model"),
    ],
)
def test_what_makes_no_model_is_one_line(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    done = run(tmp_path / "w.json", content)
    assert done.exit_code == 4, done.output
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_whatever_pyhf_raises_is_input_that_makes_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(pyhf.Workspace, "model", fails)
    with pytest.raises(InputDataError, match=r"^the workspace makes no model: first line$"):
        workspace_model(workspace([5.0], [50.0], [55.0]))


def test_a_signal_that_makes_yields_negative_is_one_line(tmp_path: Path) -> None:
    """Destructive interference: the likelihood ends where a yield would be negative, before CLs falls to 0.05."""
    done = run(tmp_path / "w.json", workspace([0.3, -1.0], [50.0, 0.5], [50.0, 0.0]))
    assert done.exit_code == 4, done.output  # it sums to a negative number
    done = run(tmp_path / "w.json", workspace([3.0, -1.0], [500.0, 0.5], [500.0, 0.0]))
    assert done.exit_code == 6, done.output
    assert "events in bin 2 of channel 'SR'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_minimum_of_a_curved_likelihood_is_closer_than_minuits() -> None:
    """Yields that bend with their parameters, where scoring converges slowly: Minuit gains nothing more."""
    from hepad.stats.limits import workspace_likelihood as module

    rng = np.random.default_rng(4)
    spec = workspace([5.0, 10.0, 3.0], [50.0, 60.0, 20.0], [70.0, 50.0, 29.0], [2.0, 3.0, 2.0], kind="staterror")
    for i in range(8):
        up, down = rng.normal(0, 0.15, (2, 3)) * [50, 60, 20]
        data = {"hi_data": [50 + up[0], 60 + up[1], 20 + up[2]], "lo_data": [50 - down[0], 60 - down[1], 20 - down[2]]}
        spec["channels"][0]["samples"][1]["modifiers"].append({"name": f"h{i}", "type": "histosys", "data": data})
    with numpy_backend():
        experiment = PublishedExperiment(spec)
        likelihood, values = experiment.likelihood, experiment.observed
        low, high = np.array(experiment.model.config.suggested_bounds()).T
        poi = experiment.model.config.poi_index
        for mu in (0.0, 1.0, 3.0):
            theta = experiment._data.fixed(mu)[0]
            low[poi] = high[poi] = mu
            other = module._minuit(likelihood, values, theta + 0.01 * (high > low), (low, high))
            assert likelihood.twice_nll(theta, values) < likelihood.twice_nll(other, values) + 1e-7


def test_the_likelihood_is_saturated_at_the_counts_and_steep_below_zero_yields() -> None:
    """Two bins, 5 - mu and 20 + 2 mu, without constraints: a Poisson deviance, and 1000 for each event below 0."""
    with numpy_backend():
        experiment = PublishedExperiment(workspace([-1.0, 2.0], [5.0, 20.0], [3.0, 24.0]))
        likelihood, values = WorkspaceLikelihood(experiment.model), experiment.observed
        found = [likelihood.twice_nll(np.array([mu]), values) for mu in (2.0, 0.0, 5.5)]
        empty = PublishedExperiment(workspace([-1.0, 2.0], [5.0, 20.0], [0.0, 24.0]))
        below = WorkspaceLikelihood(empty.model).twice_nll(np.array([5.5]), empty.observed)
    assert found[0] == pytest.approx(0, abs=1e-12)
    assert found[1] == pytest.approx(2 * (5 - 3 - 3 * np.log(5 / 3) + 20 - 24 - 24 * np.log(20 / 24)))
    assert found[2] > 1000 * 0.5 + 2 * 3 * 600
    assert below == pytest.approx(500 + 2 * (31 - 24 - 24 * np.log(31 / 24)))


def test_a_minimum_is_proved_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held up after one step, scoring hands over to SLSQP and Minuit; without them it says how far it still was."""
    from hepad.stats.limits import workspace_likelihood

    spec = workspace([5.0, 10.0], [50.0, 60.0], [80.0, 100.0], [5.0, 6.0], kind="staterror")
    with numpy_backend():
        experiment = PublishedExperiment(spec)
        likelihood, values = WorkspaceLikelihood(experiment.model), experiment.observed
        start = np.ones(3)
        bounds = np.array([0.0, 1e-10, 1e-10]), np.array([np.inf, 10.0, 10.0])
        best = maximise(likelihood, values, start, bounds)
        monkeypatch.setattr(workspace_likelihood, "_STEPS", 1)
        for name in ("_slsqp", "_minuit"):
            with monkeypatch.context() as only:
                only.setattr(workspace_likelihood, name, lambda _, __, theta, ___: theta)
                only.setattr(workspace_likelihood, "_HALVINGS", 0)  # nor does scoring polish what the others find
                again = maximise(likelihood, values, start, bounds)
                assert again[1] == pytest.approx(best[1], abs=1e-3)
        for name in ("_slsqp", "_minuit"):
            monkeypatch.setattr(workspace_likelihood, name, lambda _, __, theta, ___: theta)
        monkeypatch.setattr(workspace_likelihood, "_HALVINGS", 0)
        with pytest.raises(FitFailedError, match="above its minimum after three minimisers"):
            maximise(likelihood, values, start, bounds)
