"""What a reinterpretation of a hunt leaves in its folder: one page, figures, tables and all numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from hepad.bundles.citation import experiment, shipped_citations, source_of
from hepad.cards.hunt import HUNTS_FOLDER
from hepad.output.atomic import atomic_folder, write_files
from hepad.output.closing import closing
from hepad.output.csv_rows import csv_records
from hepad.output.document import Answer, Block, Figure, Files, Heading, Table, Text
from hepad.output.figure_context import SIMULATION, FigureContext
from hepad.output.figures import save_figures
from hepad.output.json_text import json_text
from hepad.output.latex import TABLES_FILE, to_latex
from hepad.output.page import to_html
from hepad.pipeline.reinterpret.hunted import FILES, VERB, HuntedReport, MethodRow, PointRow
from hepad.pipeline.study.output import FIGURES
from hepad.plot.sensitivity import SensitivityLine, sensitivity_figure

if TYPE_CHECKING:
    import matplotlib.figure

__all__ = ["HEADER", "method_cells", "write_hunted"]

HEADER = (
    "method",
    "expected limit [pb]",
    "seeds",
    "efficiency there",
    "with next to none",
    "at --xsec",
    "excluded",
)
_FB = 1e3
_TOP = 3.0
"""Of the axis of the cross section over its limit: beyond, it is excluded anyway."""

_FILES = (
    ("reinterpret.json", "all numbers, and the provenance"),
    ("methods.csv", "a row a method"),
    ("points.csv", "a row a point"),
    TABLES_FILE,
)

_FIRST = "exclusion"
"""The figure of the answer."""

_CAPTIONS = {
    "efficiency": "What is kept of all events of the signal, in the window and selected, if so much of it is in the "
    "data that the method learns from; median over seeds, the band has all of them.",
    "exclusion": "The cross section over the expected limit that the method has with so much signal in the data: above "
    "1 it is expected to be excluded.",
}


def write_hunted(report: HuntedReport) -> None:
    """Write the folder, each part complete or not there."""
    output = report.output
    assert output is not None  # noqa: S101 - asked for by the caller
    with atomic_folder(output / FIGURES, verb=VERB) as folder:
        drawn = save_figures(_figures(report), folder)
    content = json_text("reinterpret/reinterpret.json", {**report.content(), "figures": drawn})
    tables = [csv_records([vars(row) for row in rows]) for rows in (report.methods, report.points)]
    page = _page(report, drawn)
    texts = (to_html(page, output), to_latex(page), content, *tables)
    write_files(output, dict(zip(FILES, texts, strict=True)), verb=VERB)


def method_cells(row: MethodRow) -> list[str]:
    """A method as a row of the table of `HEADER`."""
    limit = "-" if row.limit_pb is None else f"{row.bound}{row.limit_pb:.3g}"
    seeds = (
        ""
        if row.limit_low_pb is None or row.limit_high_pb is None or row.bound
        else (f"{row.limit_low_pb:.3g} to {row.limit_high_pb:.3g}")
    )
    return [
        row.method,
        limit,
        seeds,
        _share(row.efficiency_at_limit),
        _share(row.efficiency_without) if row.learns else "the same",
        _share(row.efficiency_at_cross_section),
        "" if row.excluded is None else f"{'yes' if row.excluded >= 1 else 'no'}, {row.excluded:.2g} times the limit",
    ]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _figures(report: HuntedReport) -> Iterator[tuple[str, matplotlib.figure.Figure]]:
    ways: dict[str, tuple[Callable[[PointRow], tuple[float | None, ...]], str, float | None]] = {
        "efficiency": (lambda p: (p.efficiency, p.efficiency_low, p.efficiency_high), "Signal efficiency", None),
        "exclusion": (lambda p: (p.excluded,) * 3, "Cross section / expected limit", _TOP),
    }
    for name, (of, title, top) in ways.items():
        lines = [_line(report, row.method, of) for row in report.methods]
        highest = max((float(np.nanmax(line.high)) for line in lines if np.isfinite(line.high).any()), default=1.0)
        yield (
            name,
            sensitivity_figure(
                {f"peak at {report.peak_gev:.0f} GeV": lines},
                y_title=title,
                top=top or min(1.0, highest * 1.25),
                context=_context(report),
            ),
        )


_IS_NOT = (
    "A result of the collaboration whose search this is. Efficiencies and limits are of mock data with the signal in "
    "them, by the methods and the background that are named above; no data of an experiment were looked at."
)


def _context(report: HuntedReport) -> FigureContext:
    """Mock data of so much luminosity, and the hunt that the signal is in."""
    whose, source = experiment(report.hunt.reference), source_of(report.hunt.reference)
    return FigureContext(
        label=SIMULATION,
        luminosity=report.results.luminosity,
        search=", ".join(filter(None, (whose, source))),
        searcher=whose,
    )


def _line(report: HuntedReport, method: str, of: Callable[[PointRow], tuple[float | None, ...]]) -> SensitivityLine:
    points = [point for point in report.points if point.method == method]
    values = np.array([[np.nan if one is None else one for one in of(point)] for point in points], dtype=np.float64)
    x = np.array([point.cross_section_pb * _FB for point in points])
    return SensitivityLine(report.results.card.label(method), x, *values.T)


def _answer(report: HuntedReport, pictures: dict[str, Figure]) -> Answer:
    """The verdict, what it rests on, and the figure that shows it."""
    verdict, best, section = report.verdict(), report.best, report.cross_section_pb
    numbers = [
        *([] if section is None else [(f"{section:.3g} pb", "cross section of the signal")]),
        *([] if best is None else [(f"{best.limit_pb:.3g} pb", f"expected limit at 95 % CL of {best.method}")]),
        (f"{report.share:.1%}", "of all events reach the hunt"),
    ]
    return Answer(f"{verdict[0].upper()}{verdict[1:]}.", numbers, pictures.get(_FIRST), "open")


def _page(report: HuntedReport, drawn: list[str]) -> list[Block]:
    card, hunt = report.results.card, report.hunt
    below, low, high, above = report.window_gev
    pictures = {name: Figure(f"{FIGURES}/{name}.png", _CAPTIONS[name]) for name in drawn}
    left_out: list[Block] = []
    if report.results.failed:
        rows = [[name, why] for name, why in report.results.failed.items()]
        left_out = [Heading("Left out"), Table(["point", "because"], rows, numbers_from=2)]
    return [
        Heading(f"A signal in {hunt.name}: {hunt.title}", 1),
        _answer(report, pictures),
        Text(f"After: {hunt.reference}. {hunt.fidelity}: {hunt.fidelity_note}"),
        Table(HEADER, [method_cells(row) for row in report.methods]),
        Text(
            f"{report.share:.1%} of all events of the files reach the hunt, where their mass peaks at "
            f"{report.peak_gev:.0f} GeV; the window is {low:g} to {high:g} GeV, and the sidebands reach from "
            f"{below:g} to {above:g}. Cross sections are those of all events of the files: a selection before that is "
            "not in them."
        ),
        Text(
            "A method that learns from data keeps more of a signal the more of it there is. So each is trained in mock "
            f"data, {card.data_fraction:.0%} of the background, {report.luminosity_fb:.4g}/fb, with growing numbers "
            f"of signal events, as the study {card.name} says, by {len(card.seeds)} seeds. The limit expected (CLs, "
            "95 %) is the cross section from which on the signal, with the efficiency that it then has, is more than "
            "the median limit above what the fit to the selected background expects in the window; < and > are ends of "
            "what was put in. It is that of this luminosity: a method that learns from more data is another one."
        ),
        *(picture for name, picture in pictures.items() if name != _FIRST),
        *left_out,
        Heading("Files"),
        Files(_FILES),
        *closing(report.provenance, cite=shipped_citations("hunts", HUNTS_FOLDER, hunt.name), is_not=_IS_NOT),
    ]
