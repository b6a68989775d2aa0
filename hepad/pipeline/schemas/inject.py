"""`hepad inject`."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from hepad.pipeline.schemas.parts import Provenance

__all__ = ["Printed", "Written"]


class Recovered(TypedDict):
    """A parameter of the signal; without moments where it was held, null where fewer than two fits found it."""

    injected: float
    mean: NotRequired[float | None]
    mean_error: NotRequired[float | None]
    spread: NotRequired[float | None]
    """The standard deviation."""
    pull_mean: NotRequired[float | None]
    pull_mean_error: NotRequired[float | None]
    pull_width: NotRequired[float | None]
    pull_width_error: NotRequired[float | None]
    within: NotRequired[float | None]
    """The share of pulls below 1."""


_Yield = TypedDict("_Yield", {"yield": Recovered})


class Injection(_Yield):
    """The experiments with one yield; `yield` is in events."""

    experiments: int
    failed: int
    """Whose fit did not converge."""
    elsewhere: int
    """That found a signal at another mass."""
    found: int
    mass: Recovered
    """GeV."""
    width: Recovered
    """Relative to the mass."""


class Printed(TypedDict):
    """Signals injected into a background and recovered."""

    function: str
    truth: str
    injections: list[Injection]
    """One a yield."""
    seed: int
    """Of the random numbers."""
    warnings: list[str]
    """What makes a number less than it seems, in words."""


class Written(Printed):
    """Signals injected into a background, with their provenance."""

    provenance: Provenance
