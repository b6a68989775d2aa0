"""One fit of counting bins with processes of background in common: control regions tell how many there are of each.

It is a workspace of pyhf (HistFactory), a channel for each bin. Each process has a normalisation in all bins, free or
log-normal around that of simulation, and in each bin a factor of its simulated statistics with a Poisson constraint of
as many events as have the same relative error (HistFactory's `shapesys`). The luminosity's error is that of the signal
and of processes whose normalisation is not free.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hepad.errors import InputDataError
from hepad.stats.limits.limits import LimitModel, sensitivity
from hepad.stats.limits.postfit import yield_errors
from hepad.stats.limits.published import PublishedExperiment
from hepad.stats.limits.workspace import normsys

__all__ = [
    "CountingBin",
    "Normalisation",
    "predicted",
    "simultaneous_experiment",
    "simultaneous_workspace",
    "without_signal",
]

_LEAST = 1e-6
"""Signal events in a bin below which it has none."""


@dataclass(frozen=True)
class Normalisation:
    """Of a process: free in the fit, else known to a relative error."""

    free: bool = False
    error: float = 0.0


@dataclass(frozen=True)
class CountingBin:
    """A bin: events of each process with their statistical error, events of signal, and those observed or None."""

    name: str
    background: Mapping[str, tuple[float, float]]
    signal: float = 0.0
    observed: float | None = None

    @property
    def total(self) -> float:
        """The expected background events."""
        return sum(events for events, _ in self.background.values())

    @property
    def error(self) -> float:
        """Their statistical error."""
        return float(np.sqrt(sum(error**2 for _, error in self.background.values())))


def simultaneous_workspace(
    bins: Sequence[CountingBin],
    processes: Mapping[str, Normalisation],
    *,
    luminosity_error: float = 0.0,
    signal_error: float = 0.0,
) -> dict[str, Any]:
    """The pyhf workspace of bins; without observed counts its observations are the expected background.

    `InputDataError` for a bin without background: there is no likelihood of it.
    """
    for one in bins:
        if one.total <= 0:
            raise InputDataError(f"bin {one.name} has no simulated background: merge it with another")
    model = LimitModel(
        np.array([one.signal for one in bins]),
        np.array([one.total for one in bins]),
        np.array([_observed(one) for one in bins]),
        background_variances=np.array([one.error**2 for one in bins]),
    )
    scale = sensitivity(model)
    luminosity = [normsys("luminosity", luminosity_error)] if luminosity_error > 0 else []
    signal = [{"name": "mu", "type": "normfactor", "data": None}, *luminosity]
    if signal_error > 0:
        signal.append(normsys("signal_error", signal_error))
    common = {name: _normalisation(name, one, luminosity) for name, one in processes.items()}
    present = {process for one in bins for process, (events, _) in one.background.items() if events > 0}
    free = sorted(name for name, one in processes.items() if one.free and name in present)
    parameters = [{"name": "mu", "inits": [scale], "bounds": [[0.0, 10 * scale]]}]
    parameters += [{"name": f"norm_{name}", "inits": [1.0], "bounds": [[0.0, 10.0]]} for name in free]
    return {
        "channels": [_channel(one, common, signal) for one in bins],
        "observations": [{"name": one.name, "data": [_observed(one)]} for one in bins],
        "measurements": [{"name": "fit", "config": {"poi": "mu", "parameters": parameters}}],
        "version": "1.0.0",
    }


def without_signal(workspace: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A workspace of `simultaneous_workspace` without its signal, and the JSON patch that puts it there again."""
    found = copy.deepcopy(workspace)
    parameters = found["measurements"][0]["config"]["parameters"]
    operations = [{"op": "replace", "path": "/measurements/0/config/parameters/0", "value": parameters[0]}]
    parameters[0] = {"name": "mu", "inits": [1.0], "bounds": [[0.0, 10.0]]}
    for place, channel in enumerate(found["channels"]):
        if channel["samples"][0]["name"] == "signal":
            value = channel["samples"].pop(0)
            operations.append({"op": "add", "path": f"/channels/{place}/samples/0", "value": value})
    return found, operations


def simultaneous_experiment(
    bins: Sequence[CountingBin],
    processes: Mapping[str, Normalisation],
    *,
    luminosity_error: float = 0.0,
    signal_error: float = 0.0,
) -> PublishedExperiment:
    """The workspace as an experiment, to be used inside `numpy_backend`; it has data if all bins have them."""
    spec = simultaneous_workspace(bins, processes, luminosity_error=luminosity_error, signal_error=signal_error)
    experiment = PublishedExperiment(spec)
    experiment.has_data = all(one.observed is not None for one in bins)
    return experiment


def predicted(
    bins: Sequence[CountingBin], processes: Mapping[str, Normalisation], *, luminosity_error: float = 0.0
) -> tuple[float, float]:
    """The background of the first bin and its error, as the other bins and simulation predict it.

    What is observed in the first bin has no say: the fit gives it more events than can be, and a signal strength of its
    own takes what there is too much of. Use it inside `numpy_backend`; `FitFailedError` if the fit fails.
    """
    first, *others = bins
    full = replace(first, signal=1.0, observed=10 * first.total + 100)
    apart = [full, *(replace(one, signal=0.0) for one in others)]
    experiment = simultaneous_experiment(apart, processes, luminosity_error=luminosity_error)
    likelihood, model, theta = experiment.likelihood, experiment.model, experiment.best_fit().copy()
    moving = np.flatnonzero(~likelihood.fixed)
    covariance = np.zeros((len(theta), len(theta)))
    information = likelihood.information(theta, experiment.observed)[np.ix_(moving, moving)]
    covariance[np.ix_(moving, moving)] = np.linalg.inv(information)
    poi = model.config.poi_index
    covariance[poi, :] = covariance[:, poi] = 0.0
    theta[poi] = 0.0
    place = model.config.channel_slices[first.name].start
    background = np.asarray(model.expected_actualdata(theta))[place]
    return float(background), float(yield_errors(model, theta, covariance)[place])


def _observed(one: CountingBin) -> float:
    return one.total if one.observed is None else one.observed


def _normalisation(name: str, one: Normalisation, luminosity: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if one.free:
        return [{"name": f"norm_{name}", "type": "normfactor", "data": None}]
    return [*luminosity, *([normsys(f"norm_{name}", one.error)] if one.error > 0 else [])]


def _channel(
    one: CountingBin, common: Mapping[str, list[dict[str, Any]]], signal: list[dict[str, Any]]
) -> dict[str, Any]:
    samples = []
    if one.signal > _LEAST:
        samples.append({"name": "signal", "data": [one.signal], "modifiers": signal})
    for process, (events, error) in one.background.items():
        if events > 0:
            own = [{"name": f"statistics_{one.name}_{process}", "type": "shapesys", "data": [error]}] if error else []
            samples.append({"name": process, "data": [events], "modifiers": [*common[process], *own]})
    return {"name": one.name, "samples": samples}
