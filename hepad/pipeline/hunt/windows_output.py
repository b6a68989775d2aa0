"""What a hunt of an analysis leaves behind: `hunt.json`, masses of the selected events, figures, and a page of all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hepad.cards.hunt import HuntCard
from hepad.errors import InputDataError
from hepad.output.atomic import atomic_folder
from hepad.output.closing import write_page
from hepad.output.figures import save_figures
from hepad.output.json_text import json_text
from hepad.pipeline.hunt.closing import hunt_closing
from hepad.pipeline.hunt.windows_report import AnalysisReport, WindowResult

__all__ = ["stored_report", "write_analysis"]

_RESULT, _MASSES = "hunt.json", "masses.npz"


def write_analysis(report: AnalysisReport, card: HuntCard, described: Mapping[str, Any], output: Path) -> None:
    """Fill the folder; the masses of the selected events are a table for `hepad bumphunt --trials --events`."""
    from hepad.pipeline.hunt.windows_figures import analysis_figures
    from hepad.pipeline.hunt.windows_page import analysis_blocks

    with atomic_folder(output, verb="hunt") as folder:
        content = {**described, "report": report.content()}
        (folder / _RESULT).write_text(json_text("hunt/hunt.json", content), encoding="utf-8")
        files = [(_RESULT, "all numbers, and the provenance")]
        if report.masses is not None:
            own = report.masses.T
            columns: dict[str, Any] = {_name(r): own[place] for place, r in enumerate(report.results)}
            np.savez_compressed(folder / _MASSES, **columns)
            files.append((_MASSES, "the masses of the selected events, for hepad bumphunt --trials --events"))
        names = save_figures(analysis_figures(report), folder)
        blocks = analysis_blocks(report, card, names)
        write_page(folder, blocks, described["provenance"], files, **hunt_closing(card.name))


def stored_report(output: Path) -> tuple[dict[str, Any], AnalysisReport]:
    """What a complete output says of itself, and its report; `InputDataError` if it is something else."""
    try:
        content = json.loads((output / _RESULT).read_text(encoding="utf-8"))
        report = replace(AnalysisReport.from_json(content.pop("report"), output), toys=content["toys"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputDataError(f"{output} is no result of hepad hunt --analysis") from error
    return content, report


def _name(result: WindowResult) -> str:
    return f"{result.method}_{result.set}_{result.low:g}_{result.high:g}"
