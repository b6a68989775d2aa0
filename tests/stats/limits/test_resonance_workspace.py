"""Channels as pyhf workspaces and patches: pyhf must set the limits that our own likelihood does."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from hepad.cards.fit import load_fit
from hepad.io.exchange.pyhf_quiet import pyhf_quiet
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.limits.calculator import combined_experiment
from hepad.stats.limits.cls import asymptotic_result
from hepad.stats.limits.published import PublishedExperiment, numpy_backend
from hepad.stats.limits.resonance_channel import ResonanceChannel
from hepad.stats.limits.resonance_workspace import (
    background_workspace,
    patch_set,
    signal_patch,
    workspace_digest,
)

ERRORS = {"signal_error": 0.1, "luminosity_error": 0.02}
EDGES = np.geomspace(1000.0, 4000.0, 9)


def spectrum(name: str, *, observed: bool, spurious: float = 0.0) -> ResonanceChannel:
    """Counts that fall from 4000 to 16, with a Gaussian signal at 2 TeV."""
    function = BackgroundFunction.from_card(load_fit("exponential2"))
    middle, widths = (EDGES[1:] + EDGES[:-1]) / 2, np.diff(EDGES)
    background = 4000.0 * np.exp(-(middle - middle[0]) / 500.0)
    signal = 40.0 * widths * np.exp(-0.5 * ((middle - 2000.0) / 150.0) ** 2) / (150.0 * np.sqrt(2 * np.pi))
    counts = np.round(background + 6 * np.sin(np.arange(len(middle)))) if observed else None
    zero = np.zeros_like(signal)
    return ResonanceChannel(name, EDGES, signal, zero, function, background, counts, spurious=spurious)


def count(name: str, observed: float | None) -> ResonanceChannel:
    one = np.array([1.0])
    seen = None if observed is None else observed * one
    return ResonanceChannel(name, np.array([0.0, 1.0]), 5 * one, 0 * one, None, 30 * one, seen, background_error=0.1)


CASES = {
    "a smooth background alone": [spectrum("jj", observed=False)],
    "a smooth background, data, and what the function fakes": [spectrum("jj", observed=True, spurious=60.0)],
    "two regions that count": [count("a", 38.0), count("b", 25.0)],
}


@pytest.mark.parametrize("name", CASES)
def test_pyhf_sets_the_same_limits(name: str) -> None:
    import pyhf

    channels = CASES[name]
    workspace = background_workspace(channels)
    operations = signal_patch(channels, **ERRORS)
    patches = patch_set(
        workspace, [("mass_2000", [2000.0], operations)], labels=["mass_gev"], description="d", record="ins1234567"
    )
    with pyhf_quiet():
        found = pyhf.PatchSet(json.loads(json.dumps(patches)))
        found.verify(json.loads(json.dumps(workspace)))
        assert workspace_digest(workspace) == pyhf.utils.digest(workspace)
        spec = found.apply(workspace, "mass_2000")
        with numpy_backend():
            theirs = asymptotic_result(PublishedExperiment(dict(spec), None), points=0)
    ours = asymptotic_result(combined_experiment(channels, **ERRORS), points=0)
    # Without a constraint the modes are free as our parameters are; 0.5 % is what the wide constraints may take.
    assert theirs.expected == pytest.approx(ours.expected, rel=5e-3)
    observed = channels[0].observed is not None
    if observed:
        assert theirs.observed == pytest.approx(ours.observed, rel=5e-3)
        changed = copy.deepcopy(workspace)
        changed["observations"][0]["data"][0] += 1
        with pyhf_quiet(), pytest.raises(pyhf.exceptions.PatchSetVerificationError):
            found.verify(changed)
    if channels[0].spurious:
        bare = asymptotic_result(combined_experiment([spectrum("jj", observed=True)], **ERRORS), points=0)
        assert ours.expected[2] > 1.1 * bare.expected[2]  # else the case would ask for nothing
