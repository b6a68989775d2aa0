"""`hepad bumphunt2d`."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from hepad.pipeline.schemas.parts import Provenance

__all__ = ["Printed", "Written"]


class Printed(TypedDict):
    """The rectangle that deviates most, and how often background alone has one like it."""

    plane: str
    reference: str
    window: tuple[tuple[float, float], tuple[float, float]]
    """Its edges along both axes, in their units."""
    direction: Literal["excess", "deficit"]
    observed: float
    expected: float
    statistic: float
    local_p: float
    log10_local_p: float
    """Exact where `local_p` underflows."""
    local_z: float | None
    global_p: float | None
    """(k+1)/(n+1) for k of n pseudo-experiments with a statistic as large; null without any."""
    global_p_error: float | None
    global_z: float | None
    estimated_global_p: float | None
    """For when the pseudo-experiments run out."""
    estimated_global_p_error: float | None
    toys: int
    windows: int
    """Rectangles that were tested."""
    counted_reference: bool
    """Whether the reference's own fluctuations are in the p-values."""


class Written(Printed):
    """The same, with its provenance."""

    provenance: Provenance
