"""Channels of a search as a pyhf workspace of the background, and signals as patches of it.

A smooth background has free parameters, which pyhf knows no function for. It is binned: the function fitted to the
channel's counts, and how the logarithm of each bin changes with the parameters, along the eigenvectors of their
covariance. Each bin is a sample of its own with one `normsys` for each eigenvector: to first order in the logarithm
that is the function. The covariance is that of the counts themselves, which must not count twice: the constraints of
these parameters, which pyhf cannot do without, are so wide that they say little, see `WIDEST` and `STEEPEST`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError
from hepad.stats.fits.fit import Design, fisher_scoring
from hepad.stats.limits.limits import LimitModel, sensitivity
from hepad.stats.limits.resonance_channel import ResonanceChannel
from hepad.stats.limits.workspace import normsys

__all__ = ["background_workspace", "patch_set", "signal_patch", "workspace_digest"]

FloatArray = npt.NDArray[np.float64]
Operations = list[dict[str, Any]]

WIDEST = 100.0
"""Most standard deviations of the counts in one of the constraint, which then adds 1e-4 of what the counts say."""
STEEPEST = 1.5
"""Most that the logarithm of a bin may change by one standard deviation of the constraint, as between -1 and 1 pyhf
has a polynomial in place of the exponential. A bin that expects less than `_EMPTY` events is not asked."""
_EMPTY = 0.3
_VERSION = "1.0.0"
_NEGLIGIBLE = 1e-12


def background_workspace(channels: Sequence[ResonanceChannel]) -> dict[str, Any]:
    """The workspace (plain JSON) of independent channels without a signal, whose patches add one.

    Observations are the observed counts; where a channel has none, those of all are the expected background. Channels
    keep their order, which `signal_patch` relies on. `FitFailedError` if a background cannot be fitted.
    """
    observed = all(channel.observed is not None for channel in channels)
    parts, observations = [], []
    for channel in channels:
        samples, expected = _background(channel)
        parts.append({"name": channel.name, "samples": samples})
        counts = channel.observed if observed else expected
        assert counts is not None  # noqa: S101  all channels have them
        observations.append({"name": channel.name, "data": counts.tolist()})
    mu = {"name": "mu", "inits": [1.0], "bounds": [[0.0, 10.0]]}
    return {
        "channels": parts,
        "observations": observations,
        "measurements": [{"name": "limit", "config": {"poi": "mu", "parameters": [mu]}}],
        "version": _VERSION,
    }


def signal_patch(
    channels: Sequence[ResonanceChannel], *, signal_error: float = 0.0, luminosity_error: float = 0.0
) -> Operations:
    """The operations of a JSON patch that adds a signal to the workspace of the same channels.

    `mu` is in units of the signal as it is in the channels, and its range reaches ten times past the sensitivity. What
    a function may fake of this signal (`spurious`) is a sample of its shape around zero.
    """
    errors = {"signal_error": signal_error, "luminosity": luminosity_error}
    modifiers = [normsys(name, error) for name, error in errors.items() if error > 0]
    scale = sensitivity(
        LimitModel(
            np.concatenate([channel.signal for channel in channels]),
            np.concatenate([np.maximum(channel.prior_counts, 1e-9) for channel in channels]),
        )
    )
    bounds = {"name": "mu", "inits": [scale], "bounds": [[0.0, 10 * scale]]}
    found: Operations = [{"op": "replace", "path": "/measurements/0/config/parameters/0", "value": bounds}]
    for place, channel in enumerate(channels):
        signal = {
            "name": "signal",
            "data": channel.signal.tolist(),
            "modifiers": [{"name": "mu", "type": "normfactor", "data": None}, *modifiers],
        }
        found.append({"op": "add", "path": f"/channels/{place}/samples/0", "value": signal})
        if channel.spurious > 0:
            found.append({"op": "add", "path": f"/channels/{place}/samples/1", "value": _spurious(channel)})
    return found


def patch_set(
    workspace: dict[str, Any],
    patches: Sequence[tuple[str, Sequence[float | str], Operations]],
    *,
    labels: Sequence[str],
    description: str,
    record: str,
) -> dict[str, Any]:
    """A patch set of a workspace: of each signal its name, its values by `labels`, and its operations.

    `record` is that of HEPData, `ins` and seven digits, which pyhf asks for.
    """
    return {
        "metadata": {
            "description": description,
            "digests": {"sha256": workspace_digest(workspace)},
            "labels": list(labels),
            "references": {"hepdata": record},
        },
        "patches": [
            {"metadata": {"name": name, "values": list(values)}, "patch": operations}
            for name, values, operations in patches
        ],
        "version": _VERSION,
    }


def workspace_digest(workspace: dict[str, Any]) -> str:
    """The sha256 by which a patch set knows its workspace, as `pyhf.utils.digest` defines it."""
    return hashlib.sha256(json.dumps(workspace, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _background(channel: ResonanceChannel) -> tuple[list[dict[str, Any]], FloatArray]:
    """The samples of a channel's background, and the expected counts (n,)."""
    if channel.function is None:
        assert channel.background is not None  # noqa: S101  by the checks of the channel
        known = channel.background_error > 0
        modifiers = [normsys(f"{channel.name}_background_error", channel.background_error)] if known else []
        sample = {"name": "background", "data": channel.background.tolist(), "modifiers": modifiers}
        return [sample], channel.background
    expected, modes = _binned(channel)
    names = [f"{channel.name}_mode_{k}" for k in range(modes.shape[1])]
    width = len(str(len(expected) - 1))
    samples = []
    for i, count in enumerate(expected):
        data = np.zeros_like(expected)
        data[i] = count
        modifiers = [
            {"name": name, "type": "normsys", "data": {"hi": float(np.exp(step)), "lo": float(np.exp(-step))}}
            for name, step in zip(names, modes[i], strict=True)
        ]
        samples.append({"name": f"background_{i:0{width}d}", "data": data.tolist(), "modifiers": modifiers})
    return samples, expected


def _binned(channel: ResonanceChannel) -> tuple[FloatArray, FloatArray]:
    """The expected counts (n,) of the function fitted to the channel, and the changes (n, k) of their logarithms.

    Each column is along an eigenvector of the covariance of the function's parameters, as many standard deviations as
    `WIDEST` and `STEEPEST` allow.
    """
    assert channel.function is not None  # noqa: S101  asked of smooth backgrounds only
    counts = channel.prior_counts
    design = Design(channel.edges, counts, channel.function, exposure=channel.exposure)
    phi, _, converged = fisher_scoring(design, counts[None, :], design.start(counts)[None, :])
    if not converged[0]:
        raise FitFailedError(f"{channel.name}: the fit of {channel.function.name} did not converge")
    expected, slopes = design.predict(phi)
    logs = slopes[0] / expected[0][:, None]
    information = logs.T @ (expected[0][:, None] * logs)
    sizes, vectors = np.linalg.eigh(information)
    modes = logs @ vectors / np.sqrt(np.maximum(sizes, _NEGLIGIBLE))
    signs = np.where(modes[np.argmax(np.abs(modes), axis=0), np.arange(modes.shape[1])] < 0, -1.0, 1.0)
    steepest = np.abs(modes[expected[0] > _EMPTY]).max(axis=0, initial=_NEGLIGIBLE)
    return expected[0], np.asarray(modes * signs * np.clip(STEEPEST / steepest, 1.0, WIDEST))


def _spurious(channel: ResonanceChannel) -> dict[str, Any]:
    shape = channel.spurious * channel.signal / channel.signal.sum()
    data = {"hi_data": shape.tolist(), "lo_data": (-shape).tolist()}
    modifier = {"name": f"{channel.name}_spurious", "type": "histosys", "data": data}
    return {"name": "spurious", "data": [0.0] * len(shape), "modifiers": [modifier]}
