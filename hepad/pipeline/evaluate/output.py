"""The folder of an evaluation: the page, Markdown, JSON and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hepad.bundles.systems import Training
from hepad.output.atomic import atomic_folder
from hepad.output.closing import write_page
from hepad.output.document import to_markdown
from hepad.output.figure_context import simulated
from hepad.output.figure_kinds import titled
from hepad.output.figures import save_figures
from hepad.output.json_text import json_text
from hepad.pipeline.evaluate.figures import evaluation_figures
from hepad.pipeline.evaluate.page import evaluation_blocks
from hepad.pipeline.evaluate.results import EvaluateReport
from hepad.samples.scoring import ScoredSample

__all__ = ["write_report"]

_FILES = (("report.md", "this page for a terminal"), ("report.json", "all numbers, and the provenance"))


def write_report(
    report: EvaluateReport,
    trainings: Sequence[Training],
    samples: Mapping[str, Mapping[str, ScoredSample]],
    output: Path,
    *,
    simulation: bool,
    record: Mapping[str, Any],
) -> None:
    """Fill the folder `output`; `record` is the provenance in report.json, `simulation` labels the figures."""
    with atomic_folder(output, verb="evaluate") as folder:
        with titled(report.titles):
            names = save_figures(evaluation_figures(report, trainings, samples, context=simulated(simulation)), folder)
        page = evaluation_blocks(report, names)
        (folder / "report.md").write_text(to_markdown(page), encoding="utf-8")
        write_page(folder, page, record, _FILES)
        content = {**report.to_json(), "provenance": record}
        del content["output"]  # outputs name no folders
        (folder / "report.json").write_text(json_text("evaluate/report.json", content), encoding="utf-8")
