"""The report of a chain on one page: tables for people, a figure, JSON, in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hepad.output.atomic import atomic_folder
from hepad.output.closing import write_page
from hepad.output.document import Answer, Block, Figure, Heading, Notes, Table, Text, to_markdown
from hepad.output.figure_context import simulated
from hepad.output.figure_kinds import figure_kinds
from hepad.output.json_text import json_text
from hepad.pipeline.chain.report import ChainReport, LevelRow, SampleChain
from hepad.stats.scores.acceptance import Acceptance

__all__ = ["PAGE", "RESULT", "levels_table", "steps_table", "triggers_table", "write_report"]

RESULT, PAGE = "chain.json", "report.html"
_FIGURE = "cutflow"
_FILES = (("report.md", "this page for a terminal"), (RESULT, "all numbers, and the provenance"))
_NUMBERS = 4
"""Samples whose numbers are in the answer."""

_ABOUT = (
    "Per cent of all generated events, with 68 % intervals of Clopper and Pearson (of weighted events, for their "
    "effective numbers). Alone: passes this step or level, whatever the others say. Cumulative: passes all levels up "
    "to it too. Of those before: of what comes to it. Only it: no other step of its level lets them pass."
)
_MENU = (
    "Menu too: kept by an ordinary seed as well, prescales taken into account. Below, the events of the last level by "
    "what triggered them: the menu alone would be followed by ordinary high-level triggers, which are not in it."
)


def write_report(report: ChainReport, output: Path, *, simulation: bool, record: Mapping[str, Any]) -> None:
    """Write report.md, report.html, chain.json with its provenance `record`, and the figure to a folder."""
    with atomic_folder(output, verb="chain") as folder:
        if figure_kinds():
            _draw(report, folder, simulation=simulation)
        page = _page(report)
        (folder / "report.md").write_text(to_markdown(page), encoding="utf-8")
        write_page(folder, page, record, _FILES)
        content = {**report.content(), "provenance": record}
        (folder / RESULT).write_text(json_text("chain/chain.json", content), encoding="utf-8")


def steps_table(report: ChainReport) -> Table:
    """What the chain consists of."""
    rows = [
        [step.level, step.step, step.region, "" if step.threshold is None else f"{step.threshold:.6g}"]
        for step in report.steps
    ]
    return Table(["level", "step", "region", "threshold"], rows, numbers_from=3)


def levels_table(sample: SampleChain) -> Table:
    """The cut flow of a sample, and within a level of several steps each of these."""
    menu = any(row.menu_too is not None for row in sample.levels)
    only = any(row.only is not None for row in sample.levels)
    header = ["level", "step", "events", "alone [%]", "cumulative [%]", "of those before [%]"]
    header += [*(["only it [%]"] if only else []), *(["menu too [%]"] if menu else [])]
    rows = []
    for row in sample.levels:
        cells = [row.level, row.step or "any of them", f"{row.cumulative.events}", _percent(row.alone)]
        cells += [_percent(row.cumulative), _percent(row.of_before)]
        cells += [_percent(row.only)] if only else []
        cells += [_percent(row.menu_too)] if menu else []
        rows.append(cells)
    return Table(header, rows, numbers_from=2)


def triggers_table(sample: SampleChain) -> Table:
    """The events of the last level by what triggered them."""
    rows = [[row.triggered_by, _percent(row.fraction)] for row in sample.triggers]
    return Table(["triggered by", "of all generated [%]"], rows)


def _percent(found: Acceptance | None) -> str:
    if found is None:
        return ""
    if not found.events:
        return f"< {100 * found.upper_95:.3g} (95 %)"
    return f"{100 * found.value:.3g} [{100 * found.low:.3g}, {100 * found.high:.3g}]"


def _page(report: ChainReport) -> list[Block]:
    blocks: list[Block] = [Heading("From trigger to selection", 1), _answer(report)]
    blocks += [Notes(report.remarks)] if report.remarks else []
    blocks += [steps_table(report), Text(_ABOUT)]
    if report.menu is not None:
        blocks.append(Text(f"The menu is {report.menu}. {_MENU}"))
    for sample in report.samples:
        blocks += [Heading(sample.sample), Text(_read(sample)), levels_table(sample)]
        blocks += [triggers_table(sample)] if sample.triggers else []
    return blocks


def _answer(report: ChainReport) -> Answer:
    """What part of each sample passes all levels."""
    last = {sample.sample: _whole(sample)[-1] for sample in report.samples}
    levels = ", ".join(dict.fromkeys(step.level for step in report.steps))
    said = {name: _share(row.cumulative) for name, row in last.items()}
    words = f"All of {levels} let pass {', '.join(f'{share} of {name}' for name, share in said.items())}."
    numbers = [(share, f"of all generated events of {name}") for name, share in said.items()][:_NUMBERS]
    return Answer(words, numbers, Figure(f"{_FIGURE}.png", "Fraction of all generated events after each level."))


def _share(found: Acceptance) -> str:
    return f"{100 * found.value:.3g} %" if found.events else f"less than {100 * found.upper_95:.3g} %"


def _read(sample: SampleChain) -> str:
    generated = "" if sample.generated_events == sample.events else f", of {sample.generated_events} generated"
    return f"{sample.events} events read{generated}."


def _draw(report: ChainReport, folder: Path, *, simulation: bool) -> None:
    from hepad.output.figures import save_figure
    from hepad.plot.search import cutflow_figure

    flows = {sample.sample: [_bar(row) for row in _whole(sample)] for sample in report.samples}
    save_figure(cutflow_figure(flows, context=simulated(simulation)), folder / _FIGURE)


def _whole(sample: SampleChain) -> list[LevelRow]:
    """The rows of levels, without those of their steps where there are several."""
    return [row for row in sample.levels if row.only is None]


def _bar(row: LevelRow) -> tuple[str, float, float]:
    return f"{row.level}: {row.step or 'any'}", row.cumulative.value, row.cumulative.error
