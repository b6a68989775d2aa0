"""`hepad spurious`."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.pipeline.schemas.parts import Provenance

__all__ = ["Printed", "Written"]


class Tested(TypedDict):
    """The signal that a function finds at a mass where there is none."""

    mass: float
    """GeV."""
    spurious: float
    """Events, fitted to the exact background."""
    error: float
    """Its statistical error, events."""
    ratio: float
    """The one over the other."""
    toys: int
    """Pseudo-experiments whose fits succeeded and failed."""
    failed_toys: int
    toy_mean: float | None
    """Mean yield of the pseudo-experiments, events; null without any, as what follows."""
    toy_error: float | None
    """Of the mean."""
    pull_width: float | None
    """Standard deviation of yield over error."""


class Function(TypedDict):
    """A background function."""

    passed: bool
    """Whether no spurious signal is larger than allowed."""
    largest_ratio: float
    """The largest in size of spurious signal over error."""
    at: float
    """Its mass, GeV."""
    points: list[Tested]


class Printed(TypedDict):
    """How much signal background functions find where there is none."""

    truth: str
    """What the background is taken from."""
    width: float
    """Of the signal, relative to its mass."""
    max_ratio: float
    """The spurious signal over its error that is allowed."""
    functions: dict[str, Function]
    seed: int
    """Of the random numbers."""
    warnings: list[str]
    """What makes a number less than it seems, in words."""


class Written(Printed):
    """How much signal background functions find where there is none, with the provenance."""

    provenance: Provenance
