"""Systematic errors: what a function fakes, against backgrounds whose spurious signal is known."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.pipeline.reinterpret.systematics import spurious_events
from hepad.stats.fits.functions import BackgroundFunction

EDGES = np.geomspace(300.0, 4000.0, 61)
DIJET = BackgroundFunction("dijet4", "dijet", 4, 13000.0)
CENTRES = np.sqrt(EDGES[1:] * EDGES[:-1])


def background(events: float = 1e6) -> np.ndarray:
    found = DIJET.expected(EDGES, [1.0, 9.0, -4.5, -0.05])
    return found * (events / found.sum())


def peak(mass: float = 1200.0, width: float = 0.05) -> np.ndarray:
    shape = np.exp(-0.5 * np.square(np.log(CENTRES / mass) / width))
    return shape / shape.sum()


def test_a_function_fakes_nothing_in_its_own_background() -> None:
    assert spurious_events(EDGES, background(), peak(), DIJET) < 1e-3


@pytest.mark.parametrize("events", [20.0, -20.0])
def test_what_is_faked_is_found(events: float) -> None:
    """A background with a bump of the signal's own shape has that many events of it, whatever its sign.

    A little more half a width beside it, where the background that floats with it takes less of it.
    """
    truth = background() + events * peak()
    assert spurious_events(EDGES, truth, 7.0 * peak(), DIJET) == pytest.approx(20.0, rel=0.05)


def test_a_bump_beside_the_signal_counts_too() -> None:
    """Half a width beside the bump the signal would find less: the largest of its neighbourhood is taken."""
    truth = background() + 20.0 * peak(1200.0 * np.exp(0.025))
    assert spurious_events(EDGES, truth, peak(), DIJET) == pytest.approx(20.0, rel=0.05)
