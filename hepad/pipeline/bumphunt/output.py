"""What a bump hunt leaves behind: its result, its provenance, its figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hepad.cards.resolver import resolve
from hepad.output.atomic import atomic_folder
from hepad.output.closing import write_page
from hepad.output.document import Block
from hepad.output.figure_context import FigureContext, joined
from hepad.output.figures import save_figures
from hepad.output.json_text import json_text
from hepad.pipeline.bumphunt.options import BumpHuntOptions
from hepad.pipeline.bumphunt.page import hunt_blocks, trials_blocks
from hepad.pipeline.bumphunt.report import BumpHuntReport, TrialsReport
from hepad.provenance import provenance, sha256_file
from hepad.spectra.files import Spectrum, spectrum_path
from hepad.spectra.reference import Background
from hepad.spectra.source import data_context
from hepad.stats.bumphunt import BumpHunt
from hepad.stats.bumphunt.found import Found
from hepad.stats.counts.poisson import signed_root

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


__all__ = ["p_value_lines", "spectrum_figure", "write", "write_trials"]


def write(report: BumpHuntReport, specs: Sequence[str], options: BumpHuntOptions) -> None:
    """The folder of one hunt: bumphunt.json, a figure per channel, the windows, and the expected sensitivity."""
    from hepad.plot.bumphunt import plot_sensitivity, plot_tomography

    figures: dict[str, Figure] = {}
    contexts = [data_context(spec) for spec in specs]
    for i, (spectrum, background) in enumerate(zip(report.spectra, report.backgrounds, strict=True)):
        stem = "bumphunt" if len(report.spectra) == 1 else f"bumphunt_{i + 1}"
        figures[stem] = spectrum_figure(
            spectrum, background, report.hunt, channels=len(report.spectra), context=contexts[i]
        )
    windows = report.hunt.tomography
    figures["tomography"] = plot_tomography(
        report.spectrum.edges,
        windows.first[0],
        windows.last[0],
        np.where(windows.vetoed, 0.0, windows.log_p),
        sign=windows.sign,
        best=report.hunt.window,
        context=joined(contexts),
    )
    if report.sensitivity is not None and options.inject is not None:
        found = report.sensitivity
        label = f"Gaussian at {options.inject.mass:g} GeV, width {options.inject.width:.3g} of it"
        figures["sensitivity"] = plot_sensitivity(
            found.yields, found.z, ceiling=found.ceiling, label=label, context=FigureContext()
        )
    _save(report.to_json(), figures, specs, options, report.backgrounds, blocks=hunt_blocks(report, list(figures)))


def write_trials(report: TrialsReport, specs: Sequence[str], options: BumpHuntOptions, events: str | None) -> None:
    """The folder of hunts in several spectra: bumphunt.json and a figure per spectrum."""
    figures = {
        f"bumphunt_{i + 1}": spectrum_figure(
            hunt.spectrum, hunt.backgrounds[0], hunt.hunt, channels=1, context=data_context(specs[i])
        )
        for i, hunt in enumerate(report.hunts)
    }
    backgrounds = [hunt.backgrounds[0] for hunt in report.hunts]
    blocks = trials_blocks(report, list(figures))
    _save(report.to_json(), figures, specs, options, backgrounds, blocks=blocks, events=events, trials=True)


def _save(
    result: dict[str, Any],
    figures: dict[str, Figure],
    specs: Sequence[str],
    options: BumpHuntOptions,
    backgrounds: Sequence[Background],
    *,
    blocks: Sequence[Block],
    events: str | None = None,
    trials: bool = False,
) -> None:
    assert options.output is not None  # noqa: S101 - the caller has looked
    inputs = [spectrum_path(spec)[0] for spec in specs]
    if options.reference not in (None, "column"):
        inputs.append(spectrum_path(str(options.reference))[0])
    extra: tuple[str, ...] = ("--trials",) if trials else ()
    if events is not None:
        before, root, _ = events.partition(".root:")
        path = Path(before + ".root") if root else Path(events)
        inputs.append(path)
        extra += (f"--events {path.name}",)
    cards = {}
    for background in backgrounds:
        if background.fit is not None:
            name = background.fit.function.name
            cards[name] = sha256_file(resolve("fits", name if options.function == "auto" else options.function))
    record = provenance(_command(specs, options, extra), inputs=inputs, seed=options.seed, cards=cards)
    with atomic_folder(options.output, verb="bumphunt") as folder:
        text = json_text("bumphunt/bumphunt.json", {**result, "provenance": record}, indent=2)
        (folder / "bumphunt.json").write_text(text, encoding="utf-8")
        save_figures(figures.items(), folder)
        write_page(folder, blocks, record, [("bumphunt.json", "all numbers, and the provenance")])


def spectrum_figure(
    spectrum: Spectrum,
    background: Background,
    hunt: BumpHunt,
    *,
    channels: int = 1,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A channel with its background and the window, over its pulls; on `ax`, if given, without them."""
    from hepad.plot.bumphunt import add_statistics
    from hepad.plot.spectrum import plot_spectrum

    expected, weights = background.expected, background.weights
    # Where nothing is expected a bin has no significance of its own.
    filled = expected > 0
    pulls = np.where(filled, signed_root(spectrum.counts / weights, np.where(filled, expected / weights, 1.0)), 0.0)
    figure = plot_spectrum(
        spectrum.edges,
        spectrum.counts,
        expected,
        pulls=pulls,
        count_errors=np.sqrt(spectrum.counts * weights) if spectrum.is_weighted else None,
        window=hunt.window,
        window_label=f"Largest {hunt.direction}",
        background_label="Reference" if background.fit is None else f"Fit ({background.fit.function.name})",
        remarks=_remarks(hunt, background, channels=channels),
        context=context,
        ax=ax,
    )
    if ax is None and len(hunt.toy_statistics) >= 20:
        add_statistics(figure, hunt.toy_statistics, hunt.statistic, edges=spectrum.edges, counts=spectrum.counts)
    return figure


def _remarks(hunt: BumpHunt, background: Background, *, channels: int) -> tuple[str, ...]:
    local, *others = p_value_lines(hunt)
    together = f", {channels} channels" if channels > 1 else ""
    lines = [f"Window {hunt.window[0]:g} to {hunt.window[1]:g} GeV", local + together, *others]
    if background.fit is not None:
        lines.append(f"Deviance / ndf = {background.fit.deviance:.1f} / {background.fit.ndf}")
    return tuple(lines)


def p_value_lines(found: Found) -> list[str]:
    """The local p-value, and the global one if pseudo-experiments were made, as figures have them."""
    z = "" if found.local_z is None else rf" (${found.local_z:.1f}\sigma$)"
    lines = ["Local p = " + (f"{found.local_p:.2g}" if found.local_p > 0 else f"1e{found.log_p / np.log(10):.0f}") + z]
    if found.global_p is not None and found.global_p_error is not None:
        lines.append(f"Global p {'<' if found.toys_above == 0 else '='} {found.global_p:.2g}")
    return lines


def _command(specs: Sequence[str], options: BumpHuntOptions, extra: tuple[str, ...]) -> str:
    """The command in its normal form, without folders and without the output's name."""
    scan = options.scan
    parts = ["hepad bumphunt", *(_short(spec) for spec in specs), *extra]
    parts += [f"--function {options.function}"] if options.reference is None else []
    parts += [f"--reference {_short(str(options.reference))}"] if options.reference is not None else []
    parts += ["--exact-reference"] if options.exact_reference else []
    if options.mass_range is not None:
        parts.append(f"--range {options.mass_range[0]:g}:{options.mass_range[1]:g}")
    parts.append(f"--width-min {scan.width_min}")
    parts += [f"--width-max {scan.width_max}"] if scan.width_max is not None else []
    parts.append(f"--width-step {scan.width_step} --scan-step {scan.scan_step} --toys {options.toys}")
    parts += [f"--direction {scan.direction}"] if scan.direction != "excess" else []
    parts += [f"--sideband-veto {scan.sideband_p:g}"] if scan.sideband_p is not None else []
    parts += [] if options.refit is None else ["--refit" if options.refit else "--no-refit"]
    if options.inject is not None:
        yields = "".join(f":{y:g}" for y in options.inject.yields)
        parts.append(f"--inject {options.inject.mass:g}:{options.inject.width:g}{yields}")
    return " ".join([*parts, f"--seed {options.seed}"])


def _short(spec: str) -> str:
    path, name = spectrum_path(spec)
    return path.name if name is None else f"{path.name}:{name}"
