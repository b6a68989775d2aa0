"""A published number beside ours, and all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepad.errors import CheckFailedError, HepadError, InputDataError

if TYPE_CHECKING:
    from hepad.cards.analysis import AnalysisCard
    from hepad.cards.bundle import BundleCard
    from hepad.cards.search import SearchCard

__all__ = ["OFF", "Check", "Found", "VerifyReport"]

OFF = 3.0
"""Standard deviations beyond which a number is off."""
_UNKNOWN_ERROR = 0.01
"""The relative difference beyond which a number is off where neither side has an error."""


@dataclass(frozen=True)
class Found:
    """What was measured: the value, its error where there is one, and on what; `is_limit` if it is only a bound."""

    value: float
    error: float | None
    how: str
    is_limit: bool = False


@dataclass(frozen=True)
class Check:
    """A published number that the card `card` holds of a `system`, an analysis or search, and ours beside it.

    `published_error` is None where the reference prints none, and 0 for what must be equal. `found` is None where
    nothing was measured, and `needs` says what would be needed. `fidelity` and `reason` are what the card of the system
    says of itself.
    """

    card: str
    system: str
    quantity: str
    published: float
    published_error: float | None = None
    fidelity: str = ""
    reason: str = ""
    reference: str = ""
    found: Found | None = None
    needs: str = ""

    @classmethod
    def of(
        cls,
        system: AnalysisCard | BundleCard | SearchCard,
        quantity: str,
        published: float,
        error: float | None = None,
        *,
        card: str = "",
    ) -> Check:
        """A number of a system whose card says how faithful it is; its own card holds the number if no other does."""
        return cls(
            card or system.name,
            system.name,
            quantity,
            published,
            error,
            fidelity=system.fidelity,
            reason=system.fidelity_note,
            reference=system.reference,
        )

    @property
    def pull(self) -> float | None:
        """The difference in standard deviations of both together; None for a bound, or where neither has an error."""
        if self.found is None or self.found.is_limit:
            return None
        sigma = math.hypot(self.published_error or 0.0, self.found.error or 0.0)
        return (self.found.value - self.published) / sigma if sigma > 0 else None

    @property
    def is_off(self) -> bool:
        """Whether the two differ by more than `OFF` standard deviations, without errors by more than a hundredth.

        What must be equal is off if it is not.
        """
        if self.found is None or self.found.is_limit:
            return False
        pull = self.pull
        if pull is not None:
            return abs(pull) > OFF
        allowed = 0.0 if self.published_error == 0 else _UNKNOWN_ERROR * abs(self.published)
        return abs(self.found.value - self.published) > allowed

    def measured(self, found: Found | None, needs: str = "") -> Check:
        """The same with what was measured, or with what that would need; `InputDataError` for what is not finite."""
        if found is not None and not all(map(math.isfinite, (found.value, found.error or 0.0))):
            error = "" if found.error is None else f" with the error {found.error:g}"
            raise InputDataError(
                f"{self.system}: {self.quantity}: ours is {found.value:g}{error}, not finite ({found.how})"
            )
        return replace(self, found=found, needs="" if found else needs)

    def to_json(self) -> dict[str, Any]:
        """In JSON types."""
        return {**asdict(self), "pull": self.pull, "off": self.is_off}


@dataclass(frozen=True)
class VerifyReport:
    """All numbers of the cards that were asked for; `output` is None if nothing was written.

    `failed` says of cards why theirs could not be measured, `cause` of which kind that is; `numberless` are those that
    were named and hold no published number, with their fidelity.
    """

    checks: Sequence[Check]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    output: Path | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    cause: type[HepadError] = InputDataError
    numberless: Mapping[str, str] = field(default_factory=dict)

    @property
    def measured(self) -> list[Check]:
        """Those that there is something beside."""
        return [check for check in self.checks if check.found is not None]

    @property
    def broken(self) -> list[Check]:
        """Those that are off although their card claims to be exact."""
        return [check for check in self.checks if check.fidelity == "exact" and check.is_off]

    @property
    def unheld(self) -> list[str]:
        """The cards that claim to be exact and of which nothing was measured."""
        there = {check.system for check in self.measured}
        exact = [check.system for check in self.checks if check.fidelity == "exact" and check.system not in there]
        return list(dict.fromkeys([*exact, *(name for name, said in self.numberless.items() if said == "exact")]))

    def content(self) -> dict[str, Any]:
        """All numbers in JSON types, wherever they are written to."""
        return {
            "checks": [check.to_json() for check in self.checks],
            "broken": len(self.broken),
            "failed": dict(self.failed),
            "without_published_number": list(self.numberless),
        }

    def to_json(self) -> dict[str, Any]:
        """The content of verify.json, and where it is."""
        return {**self.content(), "output": None if self.output is None else str(self.output)}

    def check(self) -> None:
        """Raise `CheckFailedError` if a card claims to be exact and a number of it is off, else for what has failed."""
        if self.broken:
            said = "; ".join(f"{one.system}: {one.quantity}" for one in self.broken)
            raise CheckFailedError(f"off, of cards whose fidelity is exact: {said}")
        if self.failed:
            raise self.cause("; ".join(f"not measured: {name}: {why}" for name, why in self.failed.items()))
