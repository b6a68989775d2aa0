"""What a limit on a signal rests on whose shape is known from few simulated events.

The fit weighs the mass of each data event: it finds mu = sum of w over the excess of the data, with weights w that are
made of the signal's template. A template of few events has peaks where these happen to be. They find the very events
that they were made of, and fewer of any others: the more of a signal a smooth background can imitate, the more of its
weight is in such accidents, and a limit that believes them is too strong. How much the weights find of the true signal,
its events themselves tell, each seen by the template of all the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.stats.fits.fit import Design, fisher_scoring
from hepad.stats.fits.templates import kernel_products
from hepad.stats.limits.resonance_channel import ResonanceChannel

__all__ = ["Response", "SignalEvents", "template_response"]

FloatArray = npt.NDArray[np.float64]

_LIMIT = 1.96
"""Standard deviations of a signal that a search just excludes in the mean, asymptotically."""


@dataclass(frozen=True)
class SignalEvents:
    """The simulated events that a template was made of: masses (m,) in GeV, and weights (m,) in events at mu = 1."""

    masses: FloatArray
    weights: FloatArray

    def within(self, edges: FloatArray) -> float:
        """As how many events of equal weight those between the first edge and the last count, at least 0."""
        weights = self.weights[(self.masses >= edges[0]) & (self.masses < edges[-1])]
        squares = float(np.square(weights).sum())
        return max(float(weights.sum()), 0.0) ** 2 / squares if squares > 0 else 0.0


@dataclass(frozen=True)
class Response:
    """The part of a true signal that the fit of its template finds, at most 1, and the events that this rests on.

    `effective` is the inverse square of its relative error, that of the signal's yield included: one less than there
    are for a signal of which each event tells alike.
    """

    value: float
    effective: float

    @property
    def error(self) -> float:
        """The relative error of `value` downwards, where a limit is too strong: as a log-normal's is less than upwards.

        One standard deviation down, as a factor of 1 / (1 + error), is then `value` less its error.
        """
        return float(1 / (self.effective**0.5 - 1)) if self.effective > 1 else float("inf")

    def with_error(self, error: float) -> float:
        """This error and another relative one of the signal together."""
        return math.hypot(self.error, error)


def template_response(channels: Sequence[ResonanceChannel], events: Sequence[SignalEvents]) -> Response:
    """The response of the common fit of disjoint channels, whose signals were smoothed from `events` of each.

    To first order in the signal, where it is as large as what the fit just excludes.
    """
    fits = [_background(channel) for channel in channels]
    pairs = list(zip(channels, fits, strict=True))
    whole = sum(float(one.signal @ _weighing(one, fit, 0.0) @ one.signal) for one, fit in pairs)
    if not whole > 0:
        return Response(0.0, 0.0)
    mu = _LIMIT / whole**0.5
    found, squares, whole = 0.0, 0.0, 0.0
    for (channel, fit), sample in zip(pairs, events, strict=True):
        matrix = _weighing(channel, fit, mu)
        seen, of_pairs = _seen_by_others(channel, sample, matrix)
        found, squares = found + float(seen.sum()), squares + float(np.square(seen).sum()) + of_pairs
        whole += float(channel.signal @ matrix @ channel.signal)
    if found <= 0 or whole <= 0:
        return Response(0.0, 0.0)
    return Response(min(found / whole, 1.0), found**2 / squares)


def _seen_by_others(channel: ResonanceChannel, sample: SignalEvents, matrix: FloatArray) -> tuple[FloatArray, float]:
    """What the template of all other events finds of each event (m,), and the sum of squares of what pairs give to it.

    The template is made of the events that judge it. Their sum is one over pairs, and where it is near zero the error
    is that of the pairs as much as that of the events: squares of both make its variance.
    """
    masses, weights = sample.masses, sample.weights
    bins = np.searchsorted(channel.edges, masses, side="right") - 1
    inside = (masses >= channel.edges[0]) & (bins < len(channel.signal))
    bins = np.where(inside, bins, 0)
    others = float(weights.sum()) - weights
    share = np.divide(weights.sum(), others, out=np.zeros_like(others), where=others > 0)
    scaled = np.where(inside, weights * share, 0.0)
    squares = np.bincount(bins, np.square(scaled), len(channel.signal))
    itself, pairs = np.empty(len(masses)), 0.0
    for block, found in kernel_products(channel.edges, masses, weights, matrix):
        own = found[bins[block], np.arange(found.shape[1])] * weights[block]
        itself[block] = own
        pairs += float(np.square(weights[block]) @ (squares @ np.square(found)))
        pairs -= float(np.square(own * scaled[block]).sum())
    return scaled * ((matrix @ channel.signal)[bins] - itself), max(pairs, 0.0)


def _background(channel: ResonanceChannel) -> tuple[FloatArray, FloatArray]:
    """The events that its function expects (n,), and their derivatives (n, k): none of a background that is known."""
    counts = channel.prior_counts
    if channel.function is None:
        return counts, np.zeros((len(counts), 0))
    design = Design(channel.edges, counts, channel.function, exposure=channel.exposure)
    phi, _, _ = fisher_scoring(design, counts[None, :], design.start(counts)[None, :])
    expected, slopes = design.predict(phi)
    return expected[0], slopes[0]


def _weighing(channel: ResonanceChannel, fit: tuple[FloatArray, FloatArray], mu: float) -> FloatArray:
    """The matrix (n, n) whose product with a template are the weights of the bins: what the background takes is out.

    That is V^-1 - V^-1 S (S' V^-1 S)^-1 S' V^-1, with the variances V of the counts at `mu` and the derivatives S of
    the background by its parameters.
    """
    expected, slopes = fit
    variances = expected + mu * channel.signal
    inverse = np.divide(1.0, variances, out=np.zeros_like(variances), where=variances > 0)
    scaled = slopes * inverse[:, None]
    taken = scaled @ np.linalg.pinv(slopes.T @ scaled, hermitian=True) @ scaled.T
    return np.asarray(np.diag(inverse) - taken, dtype=np.float64)
