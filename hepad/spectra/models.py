"""Backgrounds by name: functions, functions with a chosen number of parameters, the Gaussian process."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.cards.fit import FAMILIES, load_fit
from hepad.cards.resolver import resolve
from hepad.errors import UsageError
from hepad.provenance import sha256_file
from hepad.spectra.files import Spectrum, read_spectrum, spectrum_path
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.weights import event_weights

__all__ = [
    "AUTO",
    "GP",
    "BinnedData",
    "card_hashes",
    "function_of",
    "functions_of",
    "gp_base",
    "read_binned",
    "short_spec",
]

FloatArray = npt.NDArray[np.float64]

AUTO = "auto"
"""The name for `_AUTO_BASE` with as few parameters as suffice."""
_AUTO_BASE = "dijet3"
GP = "gp"
"""The name of the Gaussian process; `gp:NAME` takes another base function than `_GP_BASE`."""
_GP_BASE = "dijet3"


@dataclass(frozen=True)
class BinnedData:
    """A spectrum as a likelihood sees it: counts (n,) of Poisson variance, and what an event of each bin stands for.

    For a spectrum of plain counts `weights` (n,) are 1. For a weighted one they are the typical weights (squared
    weights over weights), `counts` the effective counts and 1/`weights` the exposure (arXiv:1309.1287).
    """

    spectrum: Spectrum
    counts: FloatArray
    weights: FloatArray

    @classmethod
    def of(cls, spectrum: Spectrum) -> BinnedData:
        """A spectrum with the weights that its variances tell; `InputDataError` if a filled bin has none."""
        weights = np.ones(spectrum.n_bins)
        if spectrum.is_weighted and spectrum.variances is not None:
            weights = event_weights(spectrum.edges, spectrum.counts, spectrum.variances)
        return cls(spectrum, spectrum.counts / weights, weights)

    @property
    def edges(self) -> FloatArray:
        """Edges (n+1,) in GeV."""
        return self.spectrum.edges

    @property
    def exposure(self) -> FloatArray | None:
        """Effective counts per count (n,); None where they are the same."""
        return 1 / self.weights if self.spectrum.is_weighted else None


def read_binned(spec: str | Spectrum, mass_range: tuple[float, float] | None) -> BinnedData:
    """Read a spectrum and keep the whole bins within the range in GeV."""
    if mass_range is not None and not mass_range[0] < mass_range[1]:
        raise UsageError(f"the range must rise, found {mass_range[0]:g}:{mass_range[1]:g}")
    spectrum = read_spectrum(spec)
    if mass_range is not None:
        spectrum = spectrum.restrict(*mass_range)
    return BinnedData.of(spectrum)


def function_of(name: str, order: int | None = None) -> BackgroundFunction:
    """The function of a card; with `order`, the member of its family with so many parameters."""
    function = BackgroundFunction.from_card(load_fit(name))
    if order is None:
        return function
    low, high = FAMILIES[function.family]
    if not low <= order <= high:
        raise UsageError(f"--order: the family of {name} has {low} to {high} parameters, not {order}")
    return _member(function, order)


def functions_of(name: str, order: int | None = None) -> list[BackgroundFunction]:
    """The functions that a name stands for: all of a family, the simplest first, if the order is to be chosen (0).

    `order` None takes the function of the card as it is, a number the member of its family with so many parameters;
    of "auto" the order is always chosen. `UsageError` for a Gaussian process, which is no function.
    """
    if gp_base(name) is not None:
        raise UsageError(
            f"{name} is not a function: 'hepad fit SPECTRUM --function {name} -o fit' writes its background as a "
            "reference for 'hepad bumphunt'"
        )
    if name != AUTO and order != 0:
        return [function_of(name, order)]
    function = function_of(_AUTO_BASE if name == AUTO else name)
    low, high = FAMILIES[function.family]
    return [_member(function, n) for n in range(low, high + 1)]


def gp_base(name: str) -> BackgroundFunction | None:
    """The base function of `gp` or `gp:NAME`; None for other names."""
    kind, _, base = name.partition(":")
    return function_of(base or _GP_BASE) if kind == GP else None


def card_hashes(names: tuple[str, ...]) -> dict[str, str]:
    """The sha256 of the card behind each name, for the provenance."""
    bases = [name.partition(":")[2] or _GP_BASE if name.partition(":")[0] == GP else name for name in names]
    cards = [_AUTO_BASE if name == AUTO else name for name in bases]
    return {load_fit(card).name: sha256_file(resolve("fits", card)) for card in cards}


def short_spec(spec: str) -> str:
    """A spectrum without its folders."""
    path, name = spectrum_path(spec)
    return path.name if name is None else f"{path.name}:{name}"


def _member(function: BackgroundFunction, n: int) -> BackgroundFunction:
    if n == function.n_parameters:
        return function
    return BackgroundFunction(f"{function.family}{n}", function.family, n, function.sqrt_s)
