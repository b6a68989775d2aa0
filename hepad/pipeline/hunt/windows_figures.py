"""The figures of a hunt of an analysis, by the names of their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hepad.output.figure_context import FigureContext
from hepad.pipeline.hunt.windows_report import AnalysisReport, ScanPoint, SignalRow, WindowResult
from hepad.plot.mass_methods import (
    MassLine,
    SignalBar,
    expected_limits,
    local_p_of_methods,
    method_limits,
    signal_limits,
)
from hepad.plot.windows import WindowSpectrum, window_significances, window_spectra
from hepad.stats.bumphunt.correlated import WindowTrials
from hepad.stats.counts.poisson import signed_root

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CAPTIONS", "analysis_figures"]

CAPTIONS = {
    "local_p": "Local p-value of a resonance of each mass, in the spectrum of the window that is responsible for it.",
    "significance": "Significance of the events in each window above the function fitted outside of it.",
    "limits": "Limits at 95 % CL on a resonance, in what each method selects; steps are where another window begins.",
    "expected_limits": "Expected limits of all methods, on selected events: a method that keeps less has lower ones.",
    "signal_limits": "Limits at 95 % CL on each simulated signal: with its efficiency in the window of its peak.",
}
"""What the figures show."""


def analysis_figures(report: AnalysisReport) -> Iterator[tuple[str, Figure]]:
    """Those of the masses first, then the significances of all windows, and the spectra of each method."""
    # Of no energy: a hunt takes events of any, and hardly a file of them says of which.
    title, context = f"{report.mass} [GeV]", FigureContext(luminosity=report.luminosity)
    lines = _lines(report)
    if lines:
        remarks = _remarks(report.scan_trials.methods, report.scan_trials.whole)
        yield "local_p", local_p_of_methods(lines, x_title=title, remarks=remarks, context=context)
    methods: dict[str, list[WindowSpectrum]] = {}
    for result in report.results:
        methods.setdefault(result.method, []).append(_spectrum(result))
    yield (
        "significance",
        window_significances(methods, x_title=title, remarks=_remarks(report.trials, report.whole), context=context),
    )
    unit = "95% CL limit on events" if report.luminosity is None else r"95% CL limit on $\sigma \times A$ [fb]"
    known = [line for line in lines if np.isfinite(line.expected).any()]
    if known:
        yield "limits", method_limits(known, x_title=title, y_title=unit, context=context)
        yield "expected_limits", expected_limits(known, x_title=title, y_title=unit, context=context)
    bars = _bars(report)
    if bars:
        unit = "95% CL limit on events produced" if report.luminosity is None else r"95% CL limit on $\sigma$ [fb]"
        yield "signal_limits", signal_limits(bars, x_title=unit, context=context)
    for method, spectra in methods.items():
        yield f"spectra_{method}", window_spectra(spectra, title=method, x_title=title, context=context)


def _remarks(methods: Mapping[str, WindowTrials], whole: WindowTrials | None) -> tuple[str, ...]:
    """Global p-values; of a single method it is the same as of all."""
    if whole is None:
        return ()
    several = {"all methods": whole} if len(methods) > 1 else {}
    return ("Global p", *(f"{name}: {found.global_p:.2g}" for name, found in {**methods, **several}.items()))


def _lines(report: AnalysisReport) -> list[MassLine]:
    methods: dict[str, list[ScanPoint]] = {}
    for point in sorted(report.scan, key=lambda point: point.mass):
        methods.setdefault(point.method, []).append(point)
    order = dict.fromkeys(point.method for point in report.scan)
    return [_line(name, methods[name], 1.0 / (report.luminosity or 1.0)) for name in order]


def _line(name: str, points: Sequence[ScanPoint], scale: float) -> MassLine:
    observed = [np.nan if point.observed is None else point.observed for point in points]
    expected = [(np.nan,) * 5 if point.expected is None else point.expected for point in points]
    masses, z = (np.array([getattr(point, key) for point in points]) for key in ("mass", "z"))
    return MassLine(name, masses, z, np.array(observed) * scale, np.array(expected) * scale)


def _bars(report: AnalysisReport) -> dict[str, list[SignalBar]]:
    scale = 1.0 / (report.luminosity or 1.0)
    found: dict[str, list[SignalBar]] = {}
    for row in report.signals:
        if row.responsible and row.expected is not None:
            found.setdefault(row.signal, []).append(_bar(row, scale))
    return found


def _bar(row: SignalRow, scale: float) -> SignalBar:
    assert row.expected is not None  # noqa: S101  it was looked at
    observed = None if row.observed is None else row.observed * scale
    return SignalBar(row.method, observed, tuple(value * scale for value in row.expected))


def _spectrum(result: WindowResult) -> WindowSpectrum:
    edges, counts, expected = (np.array(part) for part in (result.edges, result.counts, result.expected))
    pulls = signed_root(counts, np.maximum(expected, 1e-9))
    return WindowSpectrum(result.set, result.low, result.high, result.z, edges, counts, expected, pulls)
