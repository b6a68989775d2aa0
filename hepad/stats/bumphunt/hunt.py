"""BumpHunter: the most significant excess or deficit and its global p-value (arXiv:1101.0390)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.stats.bumphunt.gross_vitells import gross_vitells
from hepad.stats.bumphunt.layout import Layout
from hepad.stats.bumphunt.null import CountedNull, FixedNull, Null, RefittedNull
from hepad.stats.bumphunt.scan import Expectation, Scan, scan_all
from hepad.stats.bumphunt.windows import IntArray, ScanOptions
from hepad.stats.fit import FitResult
from hepad.stats.poisson import significance

__all__ = ["BumpHunt", "Found", "PlaneHunt", "Tomography", "bump_hunt", "hunt_channels", "hunt_plane", "look", "tail"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tomography:
    """All windows: first and past-the-last bin, both (axes, windows), ln p, sign and veto (windows,)."""

    first: IntArray
    last: IntArray
    log_p: FloatArray
    sign: npt.NDArray[np.int8]
    vetoed: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """The most significant window and what pseudo-experiments say of it.

    `global_p` is (k+1)/(n+1) for k of n pseudo-experiments with a statistic at least as large, `global_p_error` its
    binomial error; both are None without pseudo-experiments. `toy_statistics` (n,) holds only the toys that count:
    `failed_toys` more were drawn whose refit did not converge. `refit` says whether each toy was fitted anew,
    `counted_reference` whether the reference's own fluctuations are in local and global p.
    `estimated_global_p` is the one of `gross_vitells`, for when the pseudo-experiments run out.
    `observed_in` and `expected_in` (channels,) are the events in the window; `direction` is "excess" or "deficit".
    """

    direction: str
    observed_in: FloatArray
    expected_in: FloatArray
    log_p: float
    local_p: float
    local_z: float | None
    statistic: float
    windows: int
    refit: bool
    counted_reference: bool
    toys: int
    failed_toys: int
    toys_above: int
    global_p: float | None
    global_p_error: float | None
    toy_statistics: FloatArray
    estimated_global_p: float | None
    tomography: Tomography

    @property
    def observed(self) -> float:
        """Events in the window, all channels together."""
        return float(self.observed_in.sum())

    @property
    def expected(self) -> float:
        """Expected events in the window, all channels together."""
        return float(self.expected_in.sum())

    @property
    def global_z(self) -> float | None:
        """One-sided Gaussian significance of the global p-value; None if there is none or it is 1."""
        return None if self.global_p is None else significance(float(np.log(self.global_p)))


@dataclass(frozen=True)
class BumpHunt(Found):
    """The window, bins `first` to `last` exclusive, and its edges."""

    first: int
    last: int
    window: tuple[float, float]


@dataclass(frozen=True)
class PlaneHunt(Found):
    """The rectangle, bins `first` to `last` exclusive along both axes, and its edges along each."""

    first: tuple[int, int]
    last: tuple[int, int]
    window: tuple[tuple[float, float], tuple[float, float]]


def bump_hunt(
    edges: FloatArray,
    counts: FloatArray,
    reference: FloatArray,
    *,
    variances: FloatArray | None = None,
    options: ScanOptions | None = None,
    toys: int = 10_000,
    seed: int = 0,
    refit: FitResult | None = None,
) -> BumpHunt:
    """Hunt for the largest deviation of counts (n,) from reference (n,) in bins of edges (n+1,).

    Pseudo-experiments are Poisson fluctuations of the reference. Give its own `variances` (n,) if it was counted or
    simulated: then it fluctuates as well, in local and global p. Give the fit that made the reference as `refit` to
    fit each pseudo-experiment anew, as the data were. `FitFailedError` if no refit converges.
    """
    return hunt_channels(
        edges,
        counts[None],
        reference[None],
        variances=None if variances is None else variances[None],
        options=options,
        toys=toys,
        seed=seed,
        refits=None if refit is None else [refit],
    )


def hunt_channels(
    edges: FloatArray,
    counts: FloatArray,
    reference: FloatArray,
    *,
    variances: FloatArray | None = None,
    options: ScanOptions | None = None,
    toys: int = 10_000,
    seed: int = 0,
    refits: Sequence[FitResult] | None = None,
) -> BumpHunt:
    """Hunt in several channels at once: counts, reference and variances (channels, n) in bins of edges (n+1,).

    A window is the same in all channels. Its p-value combines those of the channels, P(N >= d | b) on both sides of
    the expectation, by Fisher's method; the statistic is -ln of the smallest combined p. One channel is `bump_hunt`.
    """
    options = options or ScanOptions()
    layout = Layout.line(counts.shape[1], options)
    expected = _expectation(reference, variances)
    null: Null
    if refits is not None:
        null = RefittedNull(edges, tuple(refits), layout, options)
    elif expected.variances is not None:
        null = CountedNull(counts, expected, layout, options)
    else:
        null = FixedNull(reference, layout, options)
    scan = look(counts, expected, layout, options)
    found, best = _found(counts, expected, layout, scan, null=null, toys=toys, seed=seed)
    first, last = int(layout.first[0, best]), int(layout.last[0, best])
    return BumpHunt(**found, first=first, last=last, window=(float(edges[first]), float(edges[last])))


def hunt_plane(
    edges: tuple[FloatArray, FloatArray],
    counts: FloatArray,
    reference: FloatArray,
    *,
    variances: FloatArray | None = None,
    options: ScanOptions | None = None,
    toys: int = 10_000,
    seed: int = 0,
) -> PlaneHunt:
    """Hunt in rectangles of a plane: counts, reference and variances (nx, ny), edges (nx+1,) and (ny+1,).

    Widths and steps of the options hold for both axes; there is no veto by sidebands.
    """
    options = options or ScanOptions()
    if options.sideband_p is not None:
        raise UsageError("a hunt in two dimensions has no sidebands; leave out their veto")
    layout = Layout.plane((counts.shape[0], counts.shape[1]), options)
    flat = counts.reshape(1, -1)
    expected = _expectation(reference.reshape(1, -1), None if variances is None else variances.reshape(1, -1))
    null: Null
    if expected.variances is not None:
        null = CountedNull(flat, expected, layout, options)
    else:
        null = FixedNull(expected.events, layout, options)
    scan = look(flat, expected, layout, options)
    found, best = _found(flat, expected, layout, scan, null=null, toys=toys, seed=seed)
    first, last = layout.first[:, best], layout.last[:, best]
    x, y = ((float(edges[i][first[i]]), float(edges[i][last[i]])) for i in (0, 1))
    return PlaneHunt(**found, first=(int(first[0]), int(first[1])), last=(int(last[0]), int(last[1])), window=(x, y))


def look(counts: FloatArray, expected: Expectation, layout: Layout, options: ScanOptions) -> Scan:
    """Scan data of counts (channels, bins); `InputDataError` if events lie in a window where nothing can be."""
    if expected.variances is None:
        d, b = layout.sums(counts), layout.sums(expected.events)
        channels, windows = np.nonzero((b <= 0) & (d > 0))
        if len(windows):
            first, last = layout.first[:, windows[0]], layout.last[:, windows[0]]
            where = " and ".join(f"{f} to {s - 1}" for f, s in zip(first, last, strict=True))
            raise InputDataError(
                f"the reference is zero in bins {where}, where {d[channels[0], windows[0]]:g} events are observed; "
                "merge bins or choose a range"
            )
    return scan_all(counts, expected, layout, options)


def tail(drawn: FloatArray, statistic: float) -> tuple[int, float | None, float | None]:
    """How many of the drawn statistics (n,) are at least as large, (k+1)/(n+1) and its error; None if n is 0."""
    # Equal statistics may differ in the last bits, as tables and sums round differently.
    above = int(np.count_nonzero(drawn >= statistic - 1e-7 * (1 + statistic)))
    if len(drawn) == 0:
        return 0, None, None
    p = (above + 1) / (len(drawn) + 1)
    return above, p, float(np.sqrt(p * (1 - p) / (len(drawn) + 1)))


def _expectation(reference: FloatArray, variances: FloatArray | None) -> Expectation:
    if variances is None or not np.any(variances > 0):
        return Expectation(reference)
    some = (reference > 0) & (variances > 0)
    return Expectation(reference, variances, float(variances[some].sum() / reference[some].sum()))


def _found(
    counts: FloatArray, expected: Expectation, layout: Layout, scan: Scan, *, null: Null, toys: int, seed: int
) -> tuple[dict[str, Any], int]:
    """The fields of `Found` and the number of the best window."""
    best = int(np.argmin(scan.counting))
    log_p = float(scan.counting[best])
    statistic = abs(log_p)
    drawn = null.draw(toys, seed) if toys else np.empty(0)
    good = np.isfinite(drawn)
    failed = int(np.count_nonzero(~good))
    if toys and failed == toys:
        raise FitFailedError(f"none of the {toys} refitted pseudo-experiments converged")
    drawn = drawn[good]
    above, global_p, error = tail(drawn, statistic)
    found: dict[str, Any] = {
        "direction": "excess" if scan.sign[best] > 0 else "deficit",
        "observed_in": layout.sums(counts)[:, best],
        "expected_in": layout.sums(expected.events)[:, best],
        "log_p": log_p,
        "local_p": float(np.exp(log_p)),
        "local_z": significance(log_p),
        "statistic": statistic,
        "windows": layout.windows,
        "refit": isinstance(null, RefittedNull),
        "counted_reference": isinstance(null, CountedNull),
        "toys": len(drawn),
        "failed_toys": failed,
        "toys_above": above,
        "global_p": global_p,
        "global_p_error": error,
        "toy_statistics": drawn,
        "estimated_global_p": gross_vitells(null, log_p, seed=seed) if toys else None,
        "tomography": Tomography(layout.first, layout.last, scan.log_p, scan.sign, scan.vetoed),
    }
    return found, best
