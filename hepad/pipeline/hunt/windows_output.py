"""What a hunt of an analysis leaves behind: `hunt.json`, spectra, masses of the selected events and figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hepad.errors import InputDataError
from hepad.output.atomic import atomic_folder
from hepad.output.figures import save_figure
from hepad.pipeline.hunt.windows_report import AnalysisReport, WindowResult
from hepad.stats.counts.poisson import signed_root

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hepad.plot.windows import WindowSpectrum

__all__ = ["stored_report", "write_analysis"]

_RESULT, _MASSES = "hunt.json", "masses.npz"


def write_analysis(report: AnalysisReport, described: Mapping[str, Any], output: Path) -> None:
    """Fill the folder; the masses of the selected events are a table for `hepad bumphunt --trials --events`."""
    with atomic_folder(output, verb="hunt") as folder:
        content = {**described, "report": report.content()}
        (folder / _RESULT).write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
        if report.masses is not None:
            own = report.masses.T
            columns: dict[str, Any] = {_name(r): own[place] for place, r in enumerate(report.results)}
            np.savez_compressed(folder / _MASSES, **columns)
        for name, figure in _figures(report):
            save_figure(figure, folder / name)


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


def _figures(report: AnalysisReport) -> Iterator[tuple[str, Figure]]:
    """The significances of all windows, and the spectra of each method, by the names of their files."""
    from hepad.plot.windows import window_significances, window_spectra

    title = f"{report.mass} [GeV]"
    methods: dict[str, list[WindowSpectrum]] = {}
    for result in report.results:
        methods.setdefault(result.method, []).append(_spectrum(result))
    found = {name: trials.global_p for name, trials in report.trials.items()}
    remarks = tuple(f"{name}: global p = {p:.2g}" for name, p in found.items())
    yield "significance", window_significances(methods, x_title=title, remarks=remarks)
    for method, spectra in methods.items():
        yield f"spectra_{method}", window_spectra(spectra, title=method, x_title=title)


def _spectrum(result: WindowResult) -> WindowSpectrum:
    from hepad.plot.windows import WindowSpectrum

    edges, counts, expected = (np.array(part) for part in (result.edges, result.counts, result.expected))
    pulls = signed_root(counts, np.maximum(expected, 1e-9))
    return WindowSpectrum(result.set, result.low, result.high, result.z, edges, counts, expected, pulls)
