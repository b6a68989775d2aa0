"""The folder of explanation maps: tables for people, JSON, the maps as npz and CSV, and figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hepad.output.atomic import atomic_folder
from hepad.output.closing import write_page
from hepad.output.csv_rows import write_csv
from hepad.output.document import Answer, Block, Figure, Heading, Table, Text, to_markdown
from hepad.output.figure_context import simulated
from hepad.output.figures import save_figure
from hepad.output.json_text import json_text
from hepad.pipeline.explain.report import MapsReport, SampleMaps
from hepad.pipeline.explain.shared import FILES

__all__ = ["channels_table", "top_table", "write_maps"]

_SHOWN = 5
"""Events of a sample in a figure: more would not be legible."""
_NUMBERS = 4
"""Numbers of the answer: those of two samples."""
_PIXELS = 100
"""Pixels of an event in the table of a sample: those of the largest parts."""
_METHODS = {
    "exact": "The score is a sum over the pixels, above a baseline that a perfect reconstruction has too: what each "
    "pixel adds is known exactly.",
    "path": "The score is no sum over the pixels: what it changes by from an image without any is shared out along the "
    "straight path from there (integrated gradients, arXiv:1703.01365). The baseline is the score of the empty image.",
}


def write_maps(report: MapsReport, output: Path, record: Mapping[str, Any], *, simulation: bool) -> None:
    """Write report.html, explain.md, explain.json, maps as npz and CSV, and figures to a folder."""
    from hepad.plot.maps import map_figure

    with atomic_folder(output, verb="explain") as folder:
        beside = list(FILES)
        for sample in report.samples:
            _write_arrays(report, sample, folder / f"maps_{sample.sample}.npz")
            _write_pixels(report, sample, folder / f"pixels_{sample.sample}.csv")
            figure = map_figure(
                _rows(sample), channels=report.channels, eta=report.eta, phi=report.phi, in_bins=report.in_bins,
                score=report.score, title=f"{report.model}, {sample.sample}", context=simulated(simulation),
            )  # fmt: skip
            save_figure(figure, folder / f"maps_{sample.sample}")
            beside += [
                (f"maps_{sample.sample}.npz", f"{sample.sample}: the maps as arrays"),
                (f"pixels_{sample.sample}.csv", f"{sample.sample}: the pixels of the largest parts"),
            ]
        page = _page(report)
        (folder / "explain.md").write_text(to_markdown(page), encoding="utf-8")
        write_page(folder, page, record, beside)
        content = {**report.to_json(), "provenance": record}
        del content["output"]  # outputs name no folders
        (folder / "explain.json").write_text(json_text("explain/explain.json", content), encoding="utf-8")


def channels_table(report: MapsReport) -> Table:
    """For each sample the mean score, its baseline, and what each channel adds in the mean."""
    header = ["sample", "events", "in the mean", f"mean {report.score}", "baseline", *report.channels, "not shared out"]
    rows = []
    for sample in report.samples:
        mean = sample.mean
        added = [f"{value:.4g}" for value in mean.parts.sum(axis=(1, 2))]
        cells = [sample.sample, f"{sample.events}", f"{mean.events}", f"{mean.score:.4g}", f"{mean.baseline:.4g}"]
        rows.append([*cells, *added, f"{sample.incomplete:.1e}"])
    return Table(header, rows)


def top_table(report: MapsReport, leading: int = 3) -> Table:
    """The events of the highest scores with the pixels that carry most."""
    rows = []
    for sample in report.samples:
        for event in sample.top:
            said = ", ".join(
                f"{p['channel']}[{p['eta']},{p['phi']}] {p['part']:+.3g}"
                for p in event.pixels(report.channels, leading)
            )
            lit = int((event.seen != 0).sum())
            rows.append([sample.sample, f"{event.file}", f"{event.entry}", f"{event.score:.4g}", f"{lit}", said])
    return Table(["sample", "file", "entry", report.score, "lit pixels", "largest parts [eta, phi]"], rows)


def _page(report: MapsReport) -> list[Block]:
    where = "of all selected events" if report.region is None else f"of the events in region {report.region}"
    first, *others = (
        Figure(f"maps_{sample.sample}.png", f"{sample.sample}: the mean, then the events of the highest scores.")
        for sample in report.samples
    )
    return [
        Heading(f"Which pixels carry the score {report.score} of {report.model}", 1),
        _answer(report, first),
        Text(f"{_METHODS[report.method]} Means and highest scores are {where}."),
        channels_table(report),
        Text("Not shared out: the largest part of score - baseline of a shown event that is not in the map."),
        Heading("The events of the highest scores"),
        top_table(report),
        *others,
    ]


def _answer(report: MapsReport, figure: Figure) -> Answer:
    """The channel that adds most to the mean score of each sample."""
    said, numbers = [], []
    for sample in report.samples:
        mean = sample.mean
        added = mean.parts.sum(axis=(1, 2))
        top = int(np.argmax(added))
        said.append(f"{report.channels[top]} in {sample.sample}")
        numbers += [
            (f"{mean.score:.4g}", f"mean score of {mean.events} events of {sample.sample}"),
            (f"{added[top]:.4g}", f"of it by channel {report.channels[top]}"),
        ]
    words = f"The channel that adds most to the score {report.score} of {report.model} is {', '.join(said)}."
    return Answer(words, numbers[:_NUMBERS], figure)


def _rows(sample: SampleMaps) -> list[Any]:
    from hepad.plot.maps import MapRow

    mean = sample.mean
    rows = [MapRow(f"mean of {mean.events}", mean.score, mean.seen, mean.parts)]
    return rows + [MapRow(f"{e.file}:{e.entry}", e.score, e.seen, e.parts) for e in sample.top[:_SHOWN]]


def _write_arrays(report: MapsReport, sample: SampleMaps, path: Path) -> None:
    """`seen` and `parts` (k, channel, eta, phi) of the top events with their numbers (k,), `mean_...` and the edges."""
    arrays: dict[str, Any] = {
        name: np.array([getattr(e, name) for e in sample.top])
        for name in ("entry", "score", "baseline", "missing", "seen", "parts")
    }
    arrays["file_number"] = np.array([e.file for e in sample.top])  # `file` is numpy's name for what it writes to
    arrays |= {
        "mean_seen": sample.mean.seen,
        "mean_parts": sample.mean.parts,
        "mean_score": np.array(sample.mean.score),
    }
    arrays |= {"eta_edges": report.eta, "phi_edges": report.phi, "channels": np.array(report.channels)}
    np.savez_compressed(path, **arrays)


def _write_pixels(report: MapsReport, sample: SampleMaps, path: Path) -> None:
    eta, phi = ((edges[1:] + edges[:-1]) / 2 for edges in (report.eta, report.phi))
    rows: list[list[object]] = [["file", "entry", "channel", "eta", "phi", "input", "part"]]
    for event in sample.top:
        for p in event.pixels(report.channels, _PIXELS):
            place = f"{eta[p['eta']]:.6g}", f"{phi[p['phi']]:.6g}"
            rows.append([event.file, event.entry, p["channel"], *place, f"{p['input']:.9g}", f"{p['part']:.9g}"])
    write_csv(path, rows)
