"""What a hunt begins with: the spectra and their backgrounds."""

from __future__ import annotations

from collections.abc import Sequence

from hepad.errors import InputDataError
from hepad.pipeline.bumphunt.options import BumpHuntOptions
from hepad.spectra.backgrounds import WEIGHTED
from hepad.spectra.files import Spectrum, read_spectrum
from hepad.spectra.models import BinnedData
from hepad.spectra.reference import Background, background_of, restricted

__all__ = ["prepare"]


def prepare(
    specs: Sequence[str | Spectrum], options: BumpHuntOptions
) -> tuple[tuple[Spectrum, ...], tuple[Background, ...], list[str]]:
    """The spectra in the range, their backgrounds and remarks; `InputDataError` for one without events."""
    spectra = tuple(restricted(read_spectrum(spec), options.mass_range) for spec in specs)
    for spectrum in spectra:
        if spectrum.counts.sum() <= 0:
            raise InputDataError(f"{spectrum.name} holds no events in the range")
    backgrounds = tuple(
        background_of(
            BinnedData.of(spectrum),
            function=options.function,
            reference=options.reference,
            mass_range=options.mass_range,
            exact=options.exact_reference,
            seed=options.seed,
        )
        for spectrum in spectra
    )
    warnings = [remark for background in backgrounds for remark in background.warnings]
    if any(spectrum.is_weighted for spectrum in spectra):
        warnings.append(WEIGHTED)
    return spectra, backgrounds, warnings
