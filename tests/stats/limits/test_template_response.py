"""What the fit of a template finds of a true signal: known where the truth is, and what the events themselves say."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.templates import kernel_template
from hepad.stats.limits.resonance import ResonanceChannel, ResonanceModel
from hepad.stats.limits.template_response import Response, SignalEvents, template_response

EDGES = np.geomspace(300.0, 4000.0, 41)
DIJET = BackgroundFunction("dijet4", "dijet", 4, 13000.0)


def background(events: float = 1e5) -> np.ndarray:
    found = DIJET.expected(EDGES, [1.0, 9.0, -4.5, -0.05])
    return found * (events / found.sum())


def channel_of(
    masses: np.ndarray, function: BackgroundFunction | None = DIJET
) -> tuple[ResonanceChannel, SignalEvents]:
    sample = SignalEvents(masses, np.full(len(masses), 1 / len(masses)))
    template = kernel_template(EDGES, sample.masses, sample.weights)
    return ResonanceChannel("jj", EDGES, template, 0 * template, function, background()), sample


def found_by_fits(channel: ResonanceChannel, truth: np.ndarray, mu: float) -> float:
    """The part of a true signal that the fit of a template finds, by the fit itself: without data are Asimov data."""
    counts = channel.background + mu * truth
    model = ResonanceModel(
        [ResonanceChannel("jj", EDGES, channel.signal, 0 * truth, channel.function, observed=counts)]
    )
    return model.excess()[1] * model.scale / mu


@pytest.mark.parametrize("width", [0.06, 0.25])
def test_events_say_what_the_fit_finds_of_others(width: float) -> None:
    """The mean over samples is that of fits to a known truth; its error is what a sample is off by."""
    rng = np.random.default_rng(8)
    truth = np.histogram(np.exp(rng.normal(np.log(1200.0), width, 200_000)), EDGES)[0] / 200_000
    said, fitted, errors = [], [], []
    for _ in range(12):
        channel, sample = channel_of(np.exp(rng.normal(np.log(1200.0), width, 60)))
        response = template_response([channel], [sample])
        said.append(response.value)
        errors.append(response.error)
        fitted.append(found_by_fits(channel, truth, 60.0))
    assert np.mean(said) == pytest.approx(np.mean(np.minimum(fitted, 1.0)), abs=0.1)
    assert np.std(np.subtract(said, fitted)) < np.mean(errors)


def test_accidents_of_a_signal_like_the_background_find_nothing() -> None:
    """Events with the background's own spectrum: what a template of forty has of its own are accidents."""
    rng = np.random.default_rng(3)
    masses = rng.choice(np.sqrt(EDGES[1:] * EDGES[:-1]), 40, p=background() / background().sum())
    assert template_response(*([one] for one in channel_of(masses))).effective < 4


def test_a_known_background_leaves_events_as_they_are() -> None:
    """With nothing to imitate it, a signal of equal events in one bin is found, as well as its events are known.

    One less: the template is of the events that judge it.
    """
    channel, sample = channel_of(np.full(25, 1000.0), None)
    response = template_response([channel], [sample])
    assert response.value == pytest.approx(1.0)
    assert response.effective == pytest.approx(24.0)
    assert response.with_error(0.3) == pytest.approx(np.hypot(1 / (24**0.5 - 1), 0.3))


def test_one_event_says_nothing() -> None:
    channel, sample = channel_of(np.array([1000.0]))
    assert template_response([channel], [sample]) == Response(0.0, 0.0)
