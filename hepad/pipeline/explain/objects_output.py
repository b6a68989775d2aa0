"""The folder of shares of objects: the page, Markdown, JSON, and figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hepad.output.atomic import atomic_folder
from hepad.output.closing import write_page
from hepad.output.document import Answer, Block, Figure, Heading, Table, Text, to_markdown
from hepad.output.figure_context import FigureContext, simulated
from hepad.output.figure_kinds import titled
from hepad.output.figures import save_figure
from hepad.output.json_text import json_text
from hepad.output.quantity_titles import object_titles
from hepad.pipeline.explain.objects import ExplainReport, SampleRow
from hepad.pipeline.explain.shared import FILES

__all__ = ["events_table", "shares_table", "write_objects"]

_ANSWERED = 2
"""Samples whose numbers are in the answer, two each."""


def shares_table(report: ExplainReport, *, brief: bool = False) -> Table:
    """The share of each object in the error of each sample and of its top events.

    `brief` leaves out errors and how often an object is there, for a terminal.
    """
    header = ["object"]
    for sample in report.samples:
        header += [sample.sample, f"{sample.sample}, top {len(sample.top)}", *([] if brief else ["has it"])]
    rows = []
    for name in report.samples[0].objects:
        cells = [name]
        for sample in report.samples:
            both = (sample.objects[name], sample.top_objects[name])
            cells += [f"{share[0]:.1%}" if brief else _pm(share) for share in both]
            if not brief:
                cells.append(f"{sample.present[name]:.1%}")
        rows.append(cells)
    return Table(header, rows)


def events_table(report: ExplainReport, leading: int = 3) -> Table:
    """The top events of each sample with the objects that carry most of their scores."""
    rows = []
    for sample in report.samples:
        for event in sample.top:
            order = sorted(event.shares, key=lambda name: -event.shares[name])[:leading]
            said = ", ".join(
                f"{name} {event.shares[name]:.0%}{'' if name in event.present else ' (absent)'}" for name in order
            )
            rows.append([sample.sample, str(event.file), str(event.entry), f"{event.score:.4g}", said])
    return Table(["sample", "file", "entry", report.score, "carried by"], rows, numbers_from=5)


def write_objects(report: ExplainReport, output: Path, record: Mapping[str, Any], *, simulation: bool) -> None:
    """Write report.html, explain.md, explain.json and figures to a folder."""
    with atomic_folder(output, verb="explain") as folder:
        with titled(object_titles(report.samples[0].objects)):
            _draw(report, folder, simulated(simulation))
        page = _page(report)
        (folder / "explain.md").write_text(to_markdown(page), encoding="utf-8")
        write_page(folder, page, record, FILES)
        content = {**report.to_json(), "provenance": record}
        del content["output"]  # outputs name no folders
        (folder / "explain.json").write_text(json_text("explain/explain.json", content), encoding="utf-8")


def _draw(report: ExplainReport, folder: Path, context: FigureContext) -> None:
    from hepad.plot.explain import ShareRow, share_figure

    title = f"{report.model}, {report.score}"
    lines = []
    for sample in report.samples:
        everything = {name: share for name, (share, _) in sample.objects.items()}
        best = {name: share for name, (share, _) in sample.top_objects.items()}
        lines += [ShareRow(sample.sample, everything), ShareRow(f"{sample.sample}, top {len(sample.top)}", best)]
    save_figure(share_figure(lines, caption=title, context=context), folder / "shares")
    for sample in report.samples:
        events = [
            ShareRow(f"{event.file}:{event.entry}  {event.score:.3g}", event.shares, event.present)
            for event in sample.top[:40]  # more would not be legible
        ]
        figure = share_figure(
            events,
            rows=f"{sample.sample}: file:entry, score",
            caption=f"{title}; \N{MULTIPLICATION SIGN}: absent object",
            context=context,
        )
        save_figure(figure, folder / f"events_{sample.sample}")


def _page(report: ExplainReport) -> list[Block]:
    return [
        Heading(f"What carries the score {report.score} of {report.model}", 1),
        _answer(report),
        Text(
            "The score is the mean over the input columns of the squared reconstruction error; a share is the part of "
            "an object's columns in the sum over the events, with its standard error. 'has it' is the fraction of "
            "events that have the object; an absent one is padding, which a model reconstructs too unless it masks it."
        ),
        shares_table(report),
        Heading("The most anomalous events"),
        events_table(report),
        *(
            Figure(f"events_{sample.sample}.png", f"{sample.sample}: the events of the highest scores, by object.")
            for sample in report.samples
        ),
    ]


def _answer(report: ExplainReport) -> Answer:
    """The object of the largest share in each sample, and in its top events."""
    said = ", ".join(f"{_largest(sample.objects)} in {sample.sample}" for sample in report.samples)
    numbers = [number for sample in report.samples[:_ANSWERED] for number in _numbers(sample)]
    figure = Figure("shares.png", "The share of each object, in all events and in those of the highest scores.")
    return Answer(
        f"The largest share of the score {report.score} of {report.model} is that of {said}.", numbers, figure
    )


def _numbers(sample: SampleRow) -> list[tuple[str, str]]:
    first, top = _largest(sample.objects), _largest(sample.top_objects)
    return [
        (_pm(sample.objects[first]), f"share of {first} in {sample.sample}"),
        (_pm(sample.top_objects[top]), f"share of {top} in its {len(sample.top)} highest scores"),
    ]


def _largest(shares: Mapping[str, tuple[float, float]]) -> str:
    return max(shares, key=lambda name: shares[name][0])


def _pm(share: tuple[float, float]) -> str:
    return f"{share[0]:.1%} ± {share[1]:.1%}"
