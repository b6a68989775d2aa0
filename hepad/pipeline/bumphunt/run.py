"""From spectra to their most significant bump: background, scan, pseudo-experiments, injected signals, figures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, UsageError
from hepad.output.atomic import check_folder
from hepad.pipeline.bumphunt.options import BumpHuntOptions, Injection
from hepad.pipeline.bumphunt.prepare import prepare
from hepad.pipeline.bumphunt.report import BumpHuntReport
from hepad.spectra.files import Spectrum, same_edges
from hepad.spectra.reference import Background
from hepad.stats.bumphunt import (
    gaussian_shape,
    hunt_channels,
    make_null,
    sensitivity,
)

__all__ = ["bumphunt", "hunt"]

FloatArray = npt.NDArray[np.float64]


def bumphunt(specs: str | Sequence[str], *, options: BumpHuntOptions | None = None) -> BumpHuntReport:
    """Hunt for a bump in spectra (`file.root:name`, `file.json:name` or `file.csv`), the same window in all of them.

    With `options.output` a folder with bumphunt.json and figures is written.
    """
    options = options or BumpHuntOptions()
    specs = [specs] if isinstance(specs, str) else list(specs)
    if options.output is not None:
        check_folder(options.output, verb="bumphunt")
    report = hunt(specs, options)
    if options.output is not None:
        from hepad.pipeline.bumphunt.output import write

        write(report, specs, options)
    return report


def hunt(spectra: Sequence[str | Spectrum], options: BumpHuntOptions) -> BumpHuntReport:
    """The same for spectra in memory, too; nothing is written."""
    _check(options, spectra)
    prepared, backgrounds, warnings = prepare(spectra, options)
    _check_bins(prepared)
    return _hunt(prepared, backgrounds, warnings, options)


def _hunt(
    spectra: tuple[Spectrum, ...],
    backgrounds: tuple[Background, ...],
    warnings: list[str],
    options: BumpHuntOptions,
) -> BumpHuntReport:
    edges, weights = spectra[0].edges, np.stack([background.weights for background in backgrounds])
    counts = np.stack([spectrum.counts for spectrum in spectra]) / weights
    expected = np.stack([background.expected for background in backgrounds])
    variances = [background.variances for background in backgrounds if background.variances is not None]
    fits = [background.fit for background in backgrounds if background.fit is not None]
    null = make_null(
        edges,
        counts,
        expected / weights,
        variances=np.stack(variances) / weights**2 if len(variances) == len(spectra) else None,
        options=options.scan,
        refits=fits if fits and options.refit is not False else None,
        exposures=[background.exposure for background in backgrounds],
    )
    hunt = hunt_channels(
        edges,
        counts,
        expected / weights,
        null=null,
        toys=options.toys,
        seed=options.seed,
        weights=weights,
        on_toys=partial(options.on_toys, "background toys"),
    )
    if hunt.failed_toys:
        warnings.append(f"{hunt.failed_toys} pseudo-experiments were left out, their fits did not converge")
    expected_z = None
    if options.inject is not None:
        shape = gaussian_shape(edges, options.inject.mass, options.inject.width)
        spread = (expected * weights).sum(axis=0)
        yields = np.array(options.inject.yields or _yields(spectra[0], spread, options.inject))
        expected_z = sensitivity(
            null,
            np.tile(shape / len(spectra), (len(spectra), 1)) / weights,
            yields,
            background=hunt.toy_statistics,
            toys=options.inject.toys,
            seed=options.seed,
            on_toys=partial(options.on_toys, "toys with signal"),
        )
    return BumpHuntReport(spectra, backgrounds, hunt, options.seed, tuple(warnings), expected_z)


def _yields(spectrum: Spectrum, variances: FloatArray, inject: Injection) -> FloatArray:
    centres = (spectrum.edges[:-1] + spectrum.edges[1:]) / 2
    near = np.abs(centres - inject.mass) <= 2 * inject.width * inject.mass
    near[np.argmin(np.abs(centres - inject.mass))] = True
    return np.linspace(0.0, 10 * np.sqrt(max(float(variances[near].sum()), 1.0)), 9)[1:]


def _check(options: BumpHuntOptions, specs: Sequence[str | Spectrum]) -> None:
    if not specs:
        raise UsageError("give at least one spectrum")
    if options.reference is not None and options.function != "auto":
        raise UsageError("give either a function to fit or a reference, not both")
    if options.reference is not None and options.refit:
        raise UsageError("a reference is not fitted, so pseudo-experiments cannot be refitted; drop --refit")
    if options.reference not in (None, "column") and len(specs) > 1:
        raise UsageError("several spectra have either a function or the reference column of each, not one reference")
    if options.toys < 0:
        raise UsageError(f"the number of pseudo-experiments is not negative, found {options.toys}")
    if options.mass_range is not None and not options.mass_range[0] < options.mass_range[1]:
        raise UsageError(f"the range must rise, found {options.mass_range[0]:g}:{options.mass_range[1]:g}")


def _check_bins(spectra: Sequence[Spectrum]) -> None:
    first = spectra[0]
    for other in spectra[1:]:
        if not same_edges(other.edges, first.edges):
            raise InputDataError(f"{other.name} has other bins than {first.name}; a window is the same in all channels")
