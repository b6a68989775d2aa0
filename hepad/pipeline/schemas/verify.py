"""`hepad verify`."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.pipeline.schemas.parts import Provenance
from hepad.pipeline.verify.report import Found

__all__ = ["Check", "Printed", "Written"]


class Check(TypedDict):
    """A published number, and ours beside it."""

    card: str
    """The card that holds it."""
    system: str
    """What it is of."""
    quantity: str
    published: float
    published_error: float | None
    """Null where the reference has none, 0 for what must be equal."""
    fidelity: str
    reason: str
    reference: str
    found: Found | None
    """Null where nothing was measured."""
    needs: str
    """What that would need."""
    pull: float | None
    """The difference in standard deviations; null where there is no error."""
    off: bool


class Checks(TypedDict):
    """Published numbers of cards beside ours."""

    checks: list[Check]
    broken: int
    """How many are off although their card claims to be exact."""
    failed: dict[str, str]
    """Why those of cards could not be measured."""
    without_published_number: list[str]


class Printed(Checks):
    """Published numbers of cards beside ours, and where they were written."""

    output: str | None


class Written(Checks):
    """Published numbers of cards beside ours, with their provenance."""

    provenance: Provenance
