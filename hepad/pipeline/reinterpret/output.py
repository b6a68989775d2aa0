"""Write the folder of a reinterpretation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hepad.errors import CheckFailedError
from hepad.io.exchange.hepdata import HepDataTable, Resource, submission_faults, write_submission
from hepad.output.figure_kinds import ALL_KINDS, figure_kinds
from hepad.output.json_text import json_text
from hepad.output.latex import TABLES, to_latex
from hepad.output.page import to_html
from hepad.pipeline.reinterpret.answer import Answer
from hepad.pipeline.reinterpret.hepdata import comment, illustrated, tables
from hepad.pipeline.reinterpret.likelihood import likelihoods
from hepad.pipeline.reinterpret.maps import EFFICIENCY_MAP, REGIONS, counted_regions, write_maps
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
    TABLES,
    *(
        f"{name}.{kind}"
        for name in ("cutflow", "scores*", "spectra", "yields", "fit_*", "limits", "exclusion")
        for kind in ALL_KINDS
    ),
    "hepdata/submission.yaml",
    "hepdata/table_*.yaml",
    "hepdata/*.png",
    "hepdata/workspace*.json",
    "hepdata/patchset*.json",
    EFFICIENCY_MAP,
    REGIONS,
)


def write_folder(folder: Path, result: Result, answer: Answer, curve: Curve | None) -> None:
    """Write everything but the scores: JSON, histograms, figures, the HEPData submission and the page.

    `CheckFailedError` if hepdata-validator, where it is installed, does not accept the submission.
    """
    from hepad.pipeline.reinterpret.figures import signal_histograms

    text = json_text("reinterpret/reinterpret.json", result.to_json(), indent=2)
    (folder / RESULT).write_text(text, encoding="utf-8")
    spectra = signal_histograms(answer)
    if spectra:
        write_histograms_root(folder / "histograms.root", spectra, result.provenance)
        write_histograms_json(folder / "histograms.json", spectra, result.provenance)
    captions = _draw(folder, answer, curve, spectra) if figure_kinds() else {}
    write_maps(folder, result, answer)
    _submit(folder, result, tables(result, spectra, counted_regions(answer)), captions, _likelihoods(answer, curve))
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*")} | {SCORES}  # which the caller writes
    page = blocks(result, captions, there | {TABLES})
    (folder / TABLES).write_text(to_latex(page), encoding="utf-8")
    (folder / PAGE).write_text(to_html(page, folder), encoding="utf-8")


Files = dict[str, tuple[Resource, str]]
"""Files of a submission by name: what they are, and their content."""


def _likelihoods(answer: Answer, curve: Curve | None) -> Files:
    files: Files = {}
    for one in likelihoods(answer, curve):
        for name, content, about in (
            (f"workspace{one.stem}.json", one.workspace, "pyhf workspace of the background"),
            (f"patchset{one.stem}.json", one.patches, "pyhf patch set of the signals"),
        ):
            text = json.dumps(content, allow_nan=False) + "\n"
            files[name] = Resource(name, f"{about}. {one.description}", "HistFactory"), text
    return files


def _submit(
    folder: Path, result: Result, found: list[HepDataTable], captions: Mapping[str, str], likelihood: Files
) -> None:
    """Write the submission with its figures, if there are PNG files, and likelihoods."""
    from hepad.output.figures import save_thumbnail

    target = folder / "hepdata"
    target.mkdir()
    drawn = captions if "png" in figure_kinds() else {}
    shown = [illustrated(table, drawn) for table in found]
    for name in dict.fromkeys(name for _, name in shown if name is not None):
        shutil.copyfile(folder / f"{name}.png", target / f"{name}.png")
        save_thumbnail(folder / f"{name}.png", target / f"thumb_{name}.png")
    for name, (_, text) in likelihood.items():
        (target / name).write_text(text, encoding="utf-8")
    write_submission(target, comment(result), [table for table, _ in shown], [one for one, _ in likelihood.values()])
    faults = submission_faults(target)
    if faults:
        raise CheckFailedError(f"the HEPData submission is not valid: {'; '.join(faults[:3])}")


def _draw(folder: Path, answer: Answer, curve: Curve | None, spectra: dict[str, Any]) -> dict[str, str]:
    """Write the figures; their captions by name."""
    from hepad.output.figures import save_figure
    from hepad.pipeline.reinterpret.figures import figures

    captions = {}
    for name, (figure, caption) in figures(answer, curve, spectra).items():
        save_figure(figure, folder / name)
        captions[name] = caption
    return captions
