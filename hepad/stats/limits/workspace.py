"""Models as pyhf workspaces: plain JSON that the pyhf and cabinetry command lines accept."""

from __future__ import annotations

from typing import Any

from hepad.stats.limits.limits import LimitModel, sensitivity

__all__ = ["build_workspace", "normsys"]


def build_workspace(model: LimitModel) -> dict[str, Any]:
    """A pyhf workspace (plain JSON) of one channel; without data its observations are the background expectation.

    The parameter of interest is `mu`; its range reaches ten times past the expected sensitivity.
    """
    background: list[dict[str, Any]] = []
    signal: list[dict[str, Any]] = [{"name": "mu", "type": "normfactor", "data": None}]
    if model.background_error > 0:
        background.append(normsys("background_error", model.background_error))
    statistical = model.statistical_errors
    if statistical is not None:
        background.append({"name": "background_statistics", "type": "staterror", "data": statistical.tolist()})
    if model.signal_error > 0:
        signal.append(normsys("signal_error", model.signal_error))
    if model.luminosity_error > 0:
        signal.append(normsys("luminosity", model.luminosity_error))
    observed = model.background if model.observed is None else model.observed
    scale = sensitivity(model)
    mu = {"name": "mu", "inits": [scale], "bounds": [[0.0, 10 * scale]]}
    return {
        "channels": [
            {
                "name": "channel",
                "samples": [
                    {"name": "signal", "data": model.signal.tolist(), "modifiers": signal},
                    {"name": "background", "data": model.background.tolist(), "modifiers": background},
                ],
            }
        ],
        "observations": [{"name": "channel", "data": observed.tolist()}],
        "measurements": [{"name": "limit", "config": {"poi": "mu", "parameters": [mu]}}],
        "version": "1.0.0",
    }


def normsys(name: str, error: float) -> dict[str, Any]:
    """A relative error as a log-normal modifier with kappa = 1 + error."""
    return {"name": name, "type": "normsys", "data": {"hi": 1 + error, "lo": 1 / (1 + error)}}
