"""The folder of published numbers beside ours: the page, Markdown, JSON and a table."""

from __future__ import annotations

from pathlib import Path

from hepad.output.atomic import atomic_folder
from hepad.output.closing import write_page
from hepad.output.csv_rows import csv_records
from hepad.output.json_text import json_text
from hepad.pipeline.verify.page import fidelity_blocks, markdown
from hepad.pipeline.verify.report import VerifyReport

__all__ = ["write_report"]

_FILES = (
    ("report.md", "this page for a terminal"),
    ("verify.json", "all numbers, measured or not, and the provenance"),
    ("verify.csv", "the same numbers as a table"),
)
_COLUMNS = ("card", "system", "quantity", "published", "published_error", "measured", "error", "pull", "off")
_MORE = ("fidelity", "how", "needs")


def write_report(report: VerifyReport, output: Path) -> None:
    """Fill the folder `output`."""
    with atomic_folder(output, verb="verify") as folder:
        (folder / "report.md").write_text(markdown(report), encoding="utf-8")
        (folder / "verify.csv").write_text(_csv(report), encoding="utf-8")
        content = {**report.content(), "provenance": report.provenance}
        (folder / "verify.json").write_text(json_text("verify/verify.json", content), encoding="utf-8")
        write_page(folder, fidelity_blocks(report), report.provenance, _FILES)


def _csv(report: VerifyReport) -> str:
    records = []
    for check in report.checks:
        ours = {} if check.found is None else {**vars(check.found), "measured": check.found.value}
        records.append({**check.to_json(), **ours})
    return csv_records(records, [*_COLUMNS, *_MORE])
