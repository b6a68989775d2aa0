"""A report on clusters for people and machines: HTML, Markdown, JSON, a table of events, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepad.output.atomic import atomic_folder
from hepad.output.closing import write_page
from hepad.output.csv_rows import write_csv
from hepad.output.document import Answer, Block, Figure, Heading, Notes, Table, Text, to_markdown
from hepad.output.figure_context import simulated
from hepad.output.figure_kinds import figure_kinds, titled
from hepad.output.figures import save_figure
from hepad.output.json_text import json_text
from hepad.output.quantity_titles import quantity_titles
from hepad.paths import InputPath
from hepad.pipeline.cluster.figures import cluster_figures
from hepad.pipeline.cluster.report import ClusterReport, ClusterRow
from hepad.samples.described import Described

if TYPE_CHECKING:
    from hepad.pipeline.cluster.run import Clustered

__all__ = ["characteristics_words", "formatted_clusters", "summary", "write_report"]

_FILES = (
    ("report.md", "this page for a terminal"),
    ("report.json", "all numbers, and the provenance"),
    ("clusters.csv", "which event is in which cluster"),
)
_NUMBERS = 4
"""Numbers of an answer without a background: the events of so many clusters."""


def formatted_clusters(report: ClusterReport) -> tuple[list[str], list[list[str]]]:
    """Header and rows: data, expectation, p-value, share of each simulation, and the largest differences."""
    simulations = [name for name in report.samples if name not in {"data", "background"}]
    header = ["cluster", "data"]
    if report.global_p_value is not None:
        header += ["background", "expected", "p (excess)"]
    header += [*(f"share of {name}" for name in simulations), "differs in"]
    rows = []
    for row in report.rows:
        cells = [row.name, str(row.data)]
        if row.expected is not None and row.p_value is not None:
            cells += [str(row.background), f"{row.expected:.1f}", f"{row.p_value:.2g}"]
        cells += [f"{row.shares[name]:.1%}" for name in simulations]
        rows.append([*cells, characteristics_words(row, 3)])
    return header, rows


def characteristics_words(row: ClusterRow, count: int) -> str:
    """The largest differences in words: `n_muons +2.1`."""
    return ", ".join(f"{one.quantity} {one.difference:+.1f}" for one in row.characteristics[:count])


def summary(report: ClusterReport) -> list[str]:
    """What came out, in sentences."""
    clusters = sum(row.name != "none" for row in report.rows)
    lines = [
        (
            f"{clusters} cluster{'' if clusters == 1 else 's'} of at least {report.min_size} events of the region "
            f"'{report.region}' of {report.model}, in {report.dimensions} axes of its {report.space} space."
        )
    ]
    best = report.most_significant
    if best is not None and report.global_p_value is not None:
        sign = "<" if report.global_p_is_bound else "="
        lines.append(
            f"The largest excess is in cluster {best.name}: {best.data} events where {best.expected:.1f} are expected, "
            f"p = {best.p_value:.2g}; in any of the {len(report.rows)} classes p {sign} {report.global_p_value:.2g} "
            f"({report.toys} pseudo-experiments)."
        )
    if report.region_p_value is not None:
        lines.append(f"For as many data in the region as a whole p = {report.region_p_value:.2g}.")
    return lines


def write_report(
    report: ClusterReport,
    found: Clustered,
    samples: Mapping[str, Described],
    paths: Mapping[str, Sequence[InputPath]],
    output: Path,
    *,
    simulation: bool,
    record: Mapping[str, Any],
) -> None:
    """Write the folder `output`; `record` is its provenance, `simulation` labels the figures."""
    with atomic_folder(output, verb="cluster") as folder:
        pictures = []
        drawn = cluster_figures(report, found, context=simulated(simulation)) if figure_kinds() else ()
        with titled(quantity_titles(one.quantity for row in report.rows for one in row.characteristics)):
            for name, figure, caption in drawn:
                save_figure(figure, folder / name)
                pictures.append(Figure(f"{name}.png", caption))
        blocks = _blocks(report, pictures)
        (folder / "report.md").write_text(to_markdown(blocks), encoding="utf-8")
        write_page(folder, blocks, record, _FILES)
        content = {**report.to_json(), "provenance": record}
        (folder / "report.json").write_text(json_text("cluster/report.json", content), encoding="utf-8")
        _write_events(folder / "clusters.csv", found, samples, paths)


def _blocks(report: ClusterReport, pictures: Sequence[Figure]) -> list[Block]:
    first, others = pictures[0] if pictures else None, pictures[1:]  # none with --figures none
    samples = [[name, str(one.selected), str(one.inside)] for name, one in report.samples.items()]
    blocks: list[Block] = [
        Heading("Clusters of triggered events", 1),
        Answer(" ".join(summary(report)), _numbers(report), first),
        *([Notes([f"{warning}." for warning in report.warnings], "warning")] if report.warnings else []),
        *(Text(f"Left out: {one.reason}") for one in report.skipped),
        Table(["sample", "selected", "in the region"], samples),
        Heading("Clusters"),
        Table(*formatted_clusters(report), numbers_from=1),
        *others,
    ]
    if report.global_p_value is not None:
        blocks.append(
            Text(
                "Data and background were clustered together without a look at which is which. p is the chance of as "
                "many data or more in a cluster, given how many events it has, if each event is as likely to be data "
                "as any other; that background and data differ in anything else, a mismodelling say, is an excess too."
            )
        )
    for row in report.rows:
        rows = [[c.quantity, f"{c.difference:+.2f}", f"{c.inside:.4g}", f"{c.rest:.4g}"] for c in row.characteristics]
        title = "Events in no cluster" if row.name == "none" else f"Cluster {row.name}"
        blocks += [Heading(title, 3), Table(["quantity", "difference [std]", "mean inside", "mean of the rest"], rows)]
    return blocks


def _numbers(report: ClusterReport) -> list[tuple[str, str]]:
    """Those of the largest excess, if there is a background to be in excess of."""
    best = report.most_significant
    if best is None or report.global_p_value is None:
        found = [row for row in report.rows if row.name != "none"]
        return [(f"{row.data}", f"events in cluster {row.name}") for row in found[:_NUMBERS]]
    sign = "< " if report.global_p_is_bound else ""
    return [
        (f"{best.data}", f"events in cluster {best.name}"),
        (f"{best.expected:.1f}", "are expected"),
        (f"{best.p_value:.2g}", "its p-value"),
        (f"{sign}{report.global_p_value:.2g}", "p-value of any class"),
    ]


def _write_events(
    path: Path, found: Clustered, samples: Mapping[str, Described], paths: Mapping[str, Sequence[InputPath]]
) -> None:
    """Which event is in which cluster: for a look at them."""
    rows: list[list[object]] = [["sample", "file", "entry", "cluster"]]
    start = 0
    for name in ("data", "background"):
        if name not in samples:
            continue
        sample = samples[name]
        classes = found.classes[start : start + len(sample)]
        start += len(sample)
        for file, entry, number in zip(sample.file, sample.entry, classes, strict=True):
            rows.append([name, paths[name][file].name, entry, "none" if number < 0 else number + 1])
    write_csv(path, rows)
