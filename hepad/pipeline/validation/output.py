"""The folder of a validation: the page, the same as Markdown, all numbers, and figures of the published spectra."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hepad.bundles.citation import experiment, source_of
from hepad.cards.search import SearchCard
from hepad.output.atomic import atomic_folder
from hepad.output.closing import write_page
from hepad.output.figure_context import FigureContext
from hepad.output.figure_kinds import figure_kinds
from hepad.output.figures import save_figure
from hepad.output.json_text import json_text
from hepad.pipeline.validation.page import IS_NOT, blocks, cite, markdown
from hepad.pipeline.validation.report import ValidationReport

__all__ = ["write_report"]

_FILES = (
    ("validation.json", "all numbers, and the provenance"),
    ("report.md", "this page for a terminal"),
)


def write_report(report: ValidationReport, output: Path) -> None:
    """Fill the folder `output`."""
    with atomic_folder(output, verb="analysis validation") as folder:
        captions = _draw(report, folder) if figure_kinds() else {}
        content = {**report.content(), "provenance": report.provenance}
        (folder / "validation.json").write_text(
            json_text("analysis validation/validation.json", content), encoding="utf-8"
        )
        (folder / "report.md").write_text(markdown(report, captions), encoding="utf-8")
        write_page(folder, blocks(report, captions), report.provenance, _FILES, cite=cite(report), is_not=IS_NOT)


def _draw(report: ValidationReport, folder: Path) -> dict[str, str]:
    """Write a figure of each published spectrum with our fit; their captions by name."""
    captions = {}
    for channel in report.channels:
        if channel.observed is None or channel.fitted is None:
            continue
        from hepad.plot.spectrum import plot_spectrum
        from hepad.stats.counts.poisson import signed_root

        card = report.card
        assert isinstance(card, SearchCard)  # noqa: S101  only a search has channels
        counts = channel.observed.counts
        pulls = signed_root(counts, channel.fitted)
        figure = plot_spectrum(
            channel.edges,
            counts,
            channel.fitted,
            pulls=pulls,
            background_label=f"Our fit of {channel.functions[0].name}",
            x_title=f"{card.channels[channel.name].title} [GeV]",
            context=_context(card),
        )
        name = f"spectrum_{channel.name}"
        save_figure(figure, folder / name)
        captions[name] = (
            f"The published spectrum of {channel.name} and our fit of {channel.functions[0].name} to it: a deviance of "
            f"{float(np.sum(pulls**2)):.1f} in {len(counts)} bins with {channel.functions[0].n_parameters} parameters."
        )
    return captions


def _context(card: SearchCard) -> FigureContext:
    return FigureContext(
        experiment=experiment(card.reference),
        sqrt_s=card.sqrt_s_gev / 1000,
        luminosity=None if card.luminosity is None else card.luminosity.fb,
        source=source_of(card.reference),
    )
