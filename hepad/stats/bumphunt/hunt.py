"""BumpHunter: the most significant excess or deficit and its global p-value (arXiv:1101.0390)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.stats.bumphunt.found import BumpHunt, PlaneHunt, Tomography
from hepad.stats.bumphunt.layout import Layout
from hepad.stats.bumphunt.null import CountedNull, FixedNull, Null, RefittedNull
from hepad.stats.bumphunt.rare import rare_p
from hepad.stats.bumphunt.scan import Expectation, Scan, scan_all
from hepad.stats.bumphunt.weights import steady_variances
from hepad.stats.bumphunt.windows import ScanOptions
from hepad.stats.counts.poisson import significance
from hepad.stats.counts.toys import OnToys
from hepad.stats.fits.fit import FitResult

__all__ = ["bump_hunt", "hunt_channels", "hunt_plane", "look", "make_null", "tail"]

FloatArray = npt.NDArray[np.float64]


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
    simulated: then it fluctuates as well, in local and global p, with the weights of `steady_variances`. Give the fit
    that made the reference as `refit` to fit each pseudo-experiment anew, as the data were. `FitFailedError` if no
    refit converges.
    """
    counts, reference = counts[None], reference[None]
    variances = None if variances is None else variances[None]
    refits = None if refit is None else [refit]
    null = make_null(edges, counts, reference, variances=variances, options=options, refits=refits)
    return hunt_channels(edges, counts, reference, null=null, toys=toys, seed=seed)


def make_null(
    edges: FloatArray,
    counts: FloatArray,
    reference: FloatArray,
    *,
    variances: FloatArray | None = None,
    options: ScanOptions | None = None,
    refits: Sequence[FitResult] | None = None,
    exposures: Sequence[FloatArray | None] | None = None,
) -> Null:
    """What pseudo-experiments of channels (channels, n) are: refitted, of a counted reference, or of a known one.

    `exposures` (n,) are those with which `refits` were made.
    """
    options = options or ScanOptions()
    layout = Layout.line(counts.shape[1], options)
    if refits is not None:
        return RefittedNull(edges, tuple(refits), layout, options, None if exposures is None else tuple(exposures))
    return _null_of(counts, reference, variances, layout, options)


def hunt_channels(
    edges: FloatArray,
    counts: FloatArray,
    reference: FloatArray,
    *,
    null: Null | None = None,
    toys: int = 10_000,
    seed: int = 0,
    weights: FloatArray | None = None,
    on_toys: OnToys | None = None,
) -> BumpHunt:
    """Hunt in several channels at once: counts and reference (channels, n) in bins of edges (n+1,).

    A window is the same in all channels. Its p-value combines those of the channels, P(N >= d | b) on both sides of
    the expectation, by Fisher's method; the statistic is -ln of the smallest combined p. One channel is `bump_hunt`.
    `null` is that of `make_null`, by default for a known reference. Of weighted spectra counts and reference are
    effective ones, and `weights` (channels, n) what one of them stands for in `observed_in` and `expected_in`.
    `on_toys` is told how many of the pseudo-experiments are done.
    """
    null = null or make_null(edges, counts, reference)
    expected = null.reference if isinstance(null, CountedNull) else Expectation(reference)
    found, best = _found(counts, expected, null, toys=toys, seed=seed, on_toys=on_toys)
    if weights is not None:
        found["observed_in"] = null.layout.sums(counts * weights)[:, best]
        found["expected_in"] = null.layout.sums(expected.events * weights)[:, best]
    first, last = int(null.layout.first[0, best]), int(null.layout.last[0, best])
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
    data, events = counts.reshape(1, -1), reference.reshape(1, -1)
    null = _null_of(data, events, None if variances is None else variances.reshape(1, -1), layout, options)
    expected = null.reference if isinstance(null, CountedNull) else Expectation(events)
    found, best = _found(data, expected, null, toys=toys, seed=seed)
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


def _null_of(
    counts: FloatArray, reference: FloatArray, variances: FloatArray | None, layout: Layout, options: ScanOptions
) -> FixedNull | CountedNull:
    if variances is None or not np.any(variances > 0):
        return FixedNull(reference, layout, options)
    some = (reference > 0) & (variances > 0)
    weight = float(variances[some].sum() / reference[some].sum())
    steady = np.stack([steady_variances(*both, layout.shape) for both in zip(reference, variances, strict=True)])
    return CountedNull(counts, Expectation(reference, steady, weight), layout, options)


def _found(
    counts: FloatArray, expected: Expectation, null: Null, *, toys: int, seed: int, on_toys: OnToys | None = None
) -> tuple[dict[str, Any], int]:
    """The fields of `Found` and the number of the best window."""
    layout = null.layout
    scan = look(counts, expected, layout, null.options)
    best = int(np.argmin(scan.counting))
    log_p = float(scan.counting[best])
    statistic = abs(log_p)
    drawn = null.draw(toys, seed, on_toys=on_toys) if toys else np.empty(0)
    good = np.isfinite(drawn)
    failed = int(np.count_nonzero(~good))
    if toys and failed == toys:
        raise FitFailedError(f"none of the {toys} refitted pseudo-experiments converged")
    drawn = drawn[good]
    above, global_p, error = tail(drawn, statistic)
    estimated, estimated_error = (rare_p(null, log_p, seed=seed) if toys else None) or (None, None)
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
        "estimated_global_p": estimated,
        "estimated_global_p_error": estimated_error,
        "tomography": Tomography(layout.first, layout.last, scan.log_p, scan.sign, scan.vetoed),
    }
    return found, best
