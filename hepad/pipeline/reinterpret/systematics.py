"""Systematic errors of a reinterpretation: the jets' energy of the signal, the function of the background."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hepad.pipeline.reinterpret.measure import Measured
from hepad.stats.fits.fit import Design, fisher_scoring
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.score_test import score_test

__all__ = ["JetShift", "spurious_events"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class JetShift:
    """A signal as it is, and with the energy of all its jets a standard deviation, `relative`, `down` and `up`."""

    relative: float
    nominal: Measured
    down: Measured
    up: Measured

    @cached_property
    def acceptances(self) -> tuple[float, float, float]:
        """The acceptance in the region of the limits: down, nominal, up."""
        region = self.nominal.search.signal_region
        down, nominal, up = (one.acceptance(region).value for one in (self.down, self.nominal, self.up))
        return down, nominal, up

    @property
    def error(self) -> float:
        """Relative error of the signal's yield: the larger of both changes; 0 without signal."""
        down, nominal, up = self.acceptances
        return max(abs(down - nominal), abs(up - nominal)) / nominal if nominal > 0 else 0.0


def spurious_events(edges: FloatArray, truth: FloatArray, signal: FloatArray, function: BackgroundFunction) -> float:
    """How many events of a signal the fit of a function finds in a background (n,) that follows another: at least 0.

    `edges` (n+1,) are in GeV, `signal` (n,) has the shape that is fitted. It is the largest of the signal itself and of
    the same moved by half of its width to both sides: where two functions cross, the signal itself finds nothing. The
    fit is one Newton step of signal and background away from that of the background, exact for a small signal.
    """
    design = Design(edges, truth, function)
    phi, _, _ = fisher_scoring(design, truth[None, :], design.start(truth)[None, :])
    expected, slopes = design.predict(phi)
    shapes = np.stack([_moved(edges, signal, by) for by in (-0.5, 0.0, 0.5)])
    return float(np.abs(score_test(truth[None, :], expected, slopes, shapes).events).max())


def _moved(edges: FloatArray, signal: FloatArray, widths: float) -> FloatArray:
    """A template (n,) of unit sum, moved in ln m by so many of its standard deviations."""
    logs = np.log(edges)
    centres, share = (logs[1:] + logs[:-1]) / 2, signal / signal.sum()
    spread = float(np.sqrt(share @ np.square(centres - share @ centres)))
    cumulative = np.concatenate([[0.0], np.cumsum(share)])
    moved = np.diff(np.interp(logs - widths * spread, logs, cumulative))
    return np.asarray(moved / moved.sum() if moved.sum() > 0 else share)
