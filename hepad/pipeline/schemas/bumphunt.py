"""`hepad bumphunt`."""

from __future__ import annotations

from typing import Literal

from typing_extensions import NotRequired, TypedDict

from hepad.pipeline.schemas.parts import Provenance, SpectrumInfo

__all__ = ["Printed", "Written"]


class Fit(TypedDict):
    """The fit of a function to the background."""

    function: str
    parameters: dict[str, float]
    errors: dict[str, float]
    """Of the parameters."""
    deviance: float
    ndf: int
    """Degrees of freedom."""
    p_value: float
    """Of the deviance, if it is distributed as chi-square."""
    p_toys: float | None
    """Of the deviance among pseudo-experiments; null if there were none."""
    converged: bool


class Found(TypedDict):
    """The most significant window."""

    window: tuple[float, float]
    """Its edges in GeV."""
    direction: Literal["excess", "deficit"]
    local_p: float
    log10_local_p: float
    """Exact where `local_p` underflows."""
    local_z: float | None
    """One-sided Gaussian significance; null if there is none."""
    statistic: float
    windows: int
    """Windows that were tested."""
    observed: float
    """Events in the window, all channels together."""
    expected: float
    """Expected events in the window, all channels together."""
    fit: Fit | None
    """Of the first channel; null if the background was given."""


class Channel(TypedDict):
    """One of several channels, in the window."""

    name: str
    observed: float
    expected: float
    fit: Fit | None


class Sensitivity(TypedDict):
    """What significance injected signals have."""

    yields: list[float]
    """Events of signal."""
    global_z: list[list[float]]
    """For each yield, at each of `quantiles` of the experiments."""
    quantiles: list[int]
    """In standard deviations."""
    power_3_sigma: list[float]
    """For each yield, the share of experiments of at least 3 sigma."""
    needed_3_sigma: float | None
    """The yield whose median reaches 3 sigma; null if none does."""
    needed_5_sigma: float | None
    ceiling: float
    """No more can be told with as many pseudo-experiments."""
    toys: int


class OneHunt(Found):
    """The most significant window, and how often background alone has one like it."""

    global_p: float | None
    """(k+1)/(n+1) for k of n pseudo-experiments with a statistic as large; null without any."""
    global_p_error: float | None
    global_z: float | None
    estimated_global_p: float | None
    """For when the pseudo-experiments run out."""
    estimated_global_p_error: float | None
    toys: int
    """Pseudo-experiments that count."""
    failed_toys: int
    """More that were drawn, whose fit did not converge."""
    refit: bool
    """Whether each pseudo-experiment was fitted anew."""
    counted_reference: bool
    """Whether the reference's own fluctuations are in the p-values."""
    vetoed_windows: int
    spectrum: SpectrumInfo
    seed: int
    """Of the random numbers."""
    warnings: list[str]
    """What makes a number less than it seems, in words."""
    channels: NotRequired[list[Channel]]
    """If there are several."""
    sensitivity: NotRequired[Sensitivity]
    """If signals were injected."""


class Spectrum(Found):
    """The hunt in one of several spectra."""

    name: str
    global_p: float
    """Of this spectrum alone."""


class Trials(TypedDict):
    """Hunts in several spectra, and how often background alone has a window like the best of them in any."""

    spectra: list[Spectrum]
    best: int
    """The number of the spectrum with the smallest p-value, from 0."""
    global_p: float
    """Over all spectra."""
    global_p_error: float
    effective_spectra: float | None
    """How many independent spectra would give as many chances; null if that cannot be told."""
    toys: int
    failed_toys: int
    shared_events: int
    """Events in more than one spectrum."""
    warnings: list[str]
    """What makes a number less than it seems, in words."""


class OneHuntFile(OneHunt):
    """One hunt, with its provenance."""

    provenance: Provenance


class TrialsFile(Trials):
    """Hunts in several spectra, with their provenance."""

    provenance: Provenance


Printed = OneHunt | Trials
Written = OneHuntFile | TrialsFile
