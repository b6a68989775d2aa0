"""How to hunt for bumps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hepad.spectra.files import Spectrum
from hepad.stats.bumphunt import ScanOptions
from hepad.stats.counts.toys import OnStage, silent

__all__ = ["BumpHuntOptions", "Injection"]


@dataclass(frozen=True)
class Injection:
    """A Gaussian at `mass` in GeV, of standard deviation `width` x mass, with these yields, `toys` experiments each.

    Without yields: eight, up to ten standard deviations of the background within two widths of the mass.
    """

    mass: float
    width: float
    yields: tuple[float, ...] = ()
    toys: int = 1000


@dataclass(frozen=True, kw_only=True)
class BumpHuntOptions:
    """How to hunt. `reference` is None (fit a function), "column" (the file's own) or another spectrum or its
    spec.

    A reference with variances, or of whole counts, fluctuates itself in local and global p unless `exact_reference`.
    `refit` None means: refit every pseudo-experiment if the background is a fit. `mass_range` in GeV keeps whole bins.
    `on_toys` is told of which pseudo-experiments how many are done.
    """

    function: str = "auto"
    reference: str | Spectrum | None = None
    exact_reference: bool = False
    mass_range: tuple[float, float] | None = None
    scan: ScanOptions = field(default_factory=ScanOptions)
    toys: int = 10_000
    seed: int = 0
    refit: bool | None = None
    inject: Injection | None = None
    on_toys: OnStage = silent
    output: Path | None = None
