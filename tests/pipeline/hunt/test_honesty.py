"""What a report says of scores that follow the mass, and of selections that make a hump."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from hepad.methods.base import Window
from hepad.pipeline.hunt.honesty import MassDependence, Spill

WINDOW = Window(3000, 3500, (2500, 4000))


def test_what_follows_the_mass_and_what_sculpts_is_told() -> None:
    rng = np.random.default_rng(1)
    mass, weight = rng.uniform(2000, 4500, 6000), np.ones(6000)
    noise = rng.normal(size=6000)
    sides = np.flatnonzero(((mass >= 2500) & (mass < 3000)) | ((mass >= 3500) & (mass < 4000)))
    plain = MassDependence.of(noise, mass, weight, WINDOW, selected=noise > 1)
    assert (plain.follows, plain.sculpts, plain.remark) == (False, False, "")
    assert plain.events == len(sides)
    rising = noise + mass / 1000
    slope = MassDependence.of(rising, mass, weight, WINDOW, selected=rising > np.quantile(rising[sides], 0.9))
    assert slope.follows
    assert "follows the mass" in slope.remark
    around = noise + 1.0 * (np.abs(mass - 3250) < 500)
    hump = MassDependence.of(around, mass, weight, WINDOW, selected=around > 1.5)
    assert hump.follows
    assert hump.sculpts
    assert "it sculpts: " in hump.remark
    assert MassDependence(**asdict(hump)) == hump
    in_window = noise + 3.0 * ((mass >= 3000) & (mass < 3500))  # a signal that does not spill over is none
    assert MassDependence.of(in_window, mass, weight, WINDOW, selected=in_window > 1) == plain


def test_few_events_say_nothing_and_scores_that_are_not_there_are_left_out() -> None:
    mass, score = np.array([2600.0, 2700, 3200, 3600, np.nan]), np.array([1.0, np.nan, 2, 3, 4])
    found = MassDependence.of(score, mass, np.ones(5), WINDOW, selected=score > 1)
    assert found.events == 2
    assert (found.near, found.hump, found.sculpts, found.remark) == (None, None, False, "")
    none = MassDependence.of(score[:0], mass[:0], np.ones(0), WINDOW)
    assert (none.events, none.p) == (0, 1)


def test_a_spill_is_told_in_words() -> None:
    assert Spill(0.6, 0.25, 0.05, 0.1).remark == (
        "60 % in the window, 30 % in the sidebands, where it counts as background"
    )
