"""The limits of the two-body search on pseudo-data: `benchmarks/bench_search_coverage.py` draws more of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hepad.pipeline.reinterpret.systematics import spurious_events
from hepad.search.expectation import Simulated, TooFewError, simulated_expectation
from hepad.search.search import prepare_search
from hepad.stats.fits.templates import gaussian_template
from hepad.stats.limits.cls import ALPHA, asymptotic_cls
from hepad.stats.limits.resonance import ResonanceChannel, ResonanceModel, resonance_limits


def test_all_spectra_without_photons_reach_a_tev_and_a_true_signal_is_rarely_excluded() -> None:
    """Pseudo-data are drawn from the other function, with a signal at the expected limit; photons are too few."""
    search = prepare_search("atlas_2023_ad_two_body")
    simulated = Simulated(search.folder / str(search.card.background_events), search)
    assert all(simulated.inside(search.categories[0], name).sum() > 100 for name in search.regions[1:])
    rng, limits = np.random.default_rng(2), {}
    for channel in search.categories[0].channels:
        if "gamma" in channel.name:
            with pytest.raises(TooFewError):
                simulated_expectation(simulated, search, channel.name, "pb10")
            continue
        expected = simulated_expectation(simulated, search, channel.name, "pb10")
        assert expected.reach > 2500
        # within the statistical error of some 20 %
        assert expected.background.sum() == pytest.approx(expected.simulated.sum(), rel=0.1)
        bins = int(np.searchsorted(channel.edges, expected.reach))
        edges, function = channel.edges[: bins + 1], channel.functions[0]
        shape, truth = gaussian_template(edges, 1000.0, 0.1), expected.alternative[:bins]
        fake = spurious_events(edges, truth, shape, function)
        plain, unsure = (
            ResonanceChannel(
                channel.name, edges, shape, 0 * shape, function, expected.background[:bins], spurious=error
            )
            for error in (0.0, fake)
        )
        limits[channel.name] = [float(resonance_limits([one]).expected[2]) for one in (plain, unsure)]
        assert limits[channel.name][1] >= 0.999 * limits[channel.name][0]
        if channel.name not in {"bb", "bmu"}:
            continue
        signal, excluded = limits[channel.name][1], 0
        for _ in range(12):
            counts = rng.poisson(truth + signal * shape).astype(float)
            model = ResonanceModel([replace(unsure, background=None, observed=counts)])
            mu = signal / model.scale
            excluded += asymptotic_cls(model.data(mu), model.posterior(mu)) < ALPHA
        assert excluded <= 3  # 4 or more have a probability of 0.2 % at 5 %
    assert len(limits) == 7
    assert limits["jj"][1] > 1.02 * limits["jj"][0]  # two functions differ where simulated events are few
