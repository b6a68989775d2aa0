"""Write the folder of a reinterpretation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hepad.errors import CheckFailedError
from hepad.io.exchange.hepdata import submission_faults, write_submission
from hepad.output.document import to_html
from hepad.output.figure_kinds import figure_kinds
from hepad.pipeline.reinterpret.answer import Answer
from hepad.pipeline.reinterpret.hepdata import comment, tables
from hepad.pipeline.reinterpret.page import blocks
from hepad.pipeline.reinterpret.points import Curve
from hepad.pipeline.reinterpret.report import Result
from hepad.spectra.files import write_histograms_json, write_histograms_root

__all__ = ["PAGE", "RESULT", "SCORES", "write_folder"]

RESULT, SCORES, PAGE = "reinterpret.json", "scores.root", "report.html"
OURS = (
    SCORES,
    RESULT,
    "histograms.root",
    "histograms.json",
    PAGE,
    *(
        f"{name}.{kind}"
        for name in ("cutflow", "scores*", "spectra", "fit_*", "limits", "exclusion")
        for kind in ("png", "pdf")
    ),
    "hepdata/submission.yaml",
    "hepdata/table_*.yaml",
)


def write_folder(folder: Path, result: Result, answer: Answer, curve: Curve | None) -> None:
    """Write everything but the scores: JSON, histograms, figures, the HEPData submission and the page.

    `CheckFailedError` if hepdata-validator, where it is installed, does not accept the submission.
    """
    from hepad.pipeline.reinterpret.figures import signal_histograms

    text = json.dumps(result.to_json(), indent=2, allow_nan=False)
    (folder / RESULT).write_text(text + "\n", encoding="utf-8")
    spectra = signal_histograms(answer)
    if spectra:
        write_histograms_root(folder / "histograms.root", spectra, result.provenance)
        write_histograms_json(folder / "histograms.json", spectra, result.provenance)
    captions = _draw(folder, answer, curve, spectra) if figure_kinds() else {}
    (folder / "hepdata").mkdir()
    write_submission(folder / "hepdata", comment(result), tables(result, spectra))
    faults = submission_faults(folder / "hepdata")
    if faults:
        raise CheckFailedError(f"the HEPData submission is not valid: {'; '.join(faults[:3])}")
    page = to_html(blocks(result, captions), folder)
    (folder / PAGE).write_text(page, encoding="utf-8")


def _draw(folder: Path, answer: Answer, curve: Curve | None, spectra: dict[str, Any]) -> dict[str, str]:
    """Write the figures; their captions by name."""
    from hepad.output.figures import save_figure
    from hepad.pipeline.reinterpret.figures import figures

    captions = {}
    for name, (figure, caption) in figures(answer, curve, spectra).items():
        save_figure(figure, folder / name)
        captions[name] = caption
    return captions
