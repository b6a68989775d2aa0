"""What a hunt of an analysis leaves behind: `hunt.json`, spectra, masses of the selected events and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hepad.errors import InputDataError
from hepad.output.atomic import atomic_folder
from hepad.output.figures import save_figure
from hepad.pipeline.hunt.windows_report import AnalysisReport, WindowResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["stored_report", "write_analysis"]

_RESULT, _MASSES = "hunt.json", "masses.npz"
_SIGMAS = (1, 2, 3, 4, 5)


def write_analysis(report: AnalysisReport, described: Mapping[str, Any], output: Path) -> None:
    """Fill the folder; the masses of the selected events are a table for `hepad bumphunt --trials --events`."""
    with atomic_folder(output, verb="hunt") as folder:
        content = {**described, "report": report.content()}
        (folder / _RESULT).write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
        if report.masses is not None:
            own = report.masses.T
            columns: dict[str, Any] = {_name(r): own[place] for place, r in enumerate(report.results)}
            np.savez_compressed(folder / _MASSES, **columns)
        save_figure(_significances(report), folder / "significance")
        for method in dict.fromkeys(result.method for result in report.results):
            save_figure(_spectra(report, method), folder / f"spectra_{method}")


def stored_report(output: Path) -> tuple[dict[str, Any], AnalysisReport]:
    """What a complete output says of itself, and its report; `InputDataError` if it is something else."""
    try:
        content = json.loads((output / _RESULT).read_text(encoding="utf-8"))
        report = AnalysisReport.from_json(content.pop("report"), output)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputDataError(f"{output} is no result of hepad hunt --analysis") from error
    return content, report


def _name(result: WindowResult) -> str:
    return f"{result.method}_{result.set}_{result.low:g}_{result.high:g}"


def _significances(report: AnalysisReport) -> Figure:
    """Local significances of all methods by the middle of their windows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for method in dict.fromkeys(result.method for result in report.results):
        mine = sorted((r for r in report.results if r.method == method), key=lambda r: r.low + r.high)
        axes.plot([(r.low + r.high) / 2 for r in mine], [r.z for r in mine], "o-", label=method)
    for sigma in _SIGMAS:
        axes.axhline(sigma, color="0.8", linewidth=0.8, zorder=0)
    axes.axhline(0, color="0.4", linewidth=0.8, zorder=0)
    axes.set(xlabel="Middle of the window (GeV)", ylabel="Local significance")
    axes.legend()
    return figure


def _spectra(report: AnalysisReport, method: str) -> Figure:
    """The spectra of what a method selects, a panel a window, with the function fitted outside of it."""
    from matplotlib.figure import Figure

    mine = [result for result in report.results if result.method == method]
    columns = min(3, len(mine))
    rows = -(-len(mine) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.2 * rows), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes, result in zip(panels, mine, strict=False):
        edges, counts, expected = (np.array(part) for part in (result.edges, result.counts, result.expected))
        widths, middles = np.diff(edges), (edges[1:] + edges[:-1]) / 2
        axes.axvspan(result.low, result.high, color="0.9", zorder=0)
        axes.errorbar(middles, counts / widths, np.sqrt(counts) / widths, fmt="k.", markersize=3, linewidth=0.8)
        axes.stairs(expected / widths, edges, color="tab:red")
        axes.set(yscale="log", xlabel=f"{report.mass} (GeV)", ylabel="Events / GeV")
        axes.set_title(f"{result.set} {result.low:g}-{result.high:g}: Z = {result.z:.2f}", fontsize=9)
    for axes in panels[len(mine) :]:
        axes.set_visible(False)
    return figure
