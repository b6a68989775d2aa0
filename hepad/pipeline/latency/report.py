"""What `hepad latency` found, tier by tier, and whether it is within a budget."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from hepad.cards.budget import BudgetCard, load_budget, load_device

__all__ = ["BUSY_WORDS", "TIERS", "Check", "LatencyReport", "Tier", "TierName", "checks"]

TierName = Literal["estimated", "synthesised", "simulated", "measured"]
TIERS: tuple[TierName, ...] = ("estimated", "synthesised", "simulated", "measured")

BUSY_WORDS = "the processor was busy, so times are upper bounds"
"""How a remark begins that says so."""


@dataclass(frozen=True)
class Tier:
    """One way of knowing. None where it says nothing of a quantity.

    `latency_ns` with its error: of logic, clock edges times the calibrated period; of a processor, the 99th percentile
    for one event and how much it differs between repetitions. `bit_exact_events` were compared with the emulation,
    `mismatches` of them differ. `period_ns` is the clock's, `interval` (`ii` in JSON) the clocks between events.
    """

    latency_ns: float
    latency_error_ns: float
    clock_edges: int | None = None
    ii: int | None = None
    lut: int | None = None
    ff: int | None = None
    dsp: int | None = None
    bit_exact_events: int | None = None
    mismatches: int | None = None
    tool: str = ""
    period_ns: float | None = None
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The quantities by name."""
        left_out = {"period_ns", "seconds"}
        return {key: value for key, value in vars(self).items() if key not in left_out}


@dataclass(frozen=True)
class Check:
    """A quantity of a tier against its limit."""

    tier: TierName
    quantity: str
    value: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether it is within the limit."""
        return self.value <= self.limit

    @property
    def margin(self) -> float:
        """The fraction of the limit that is left; negative if it is exceeded."""
        return 1 - self.value / self.limit if self.limit else 0.0 - self.value

    def to_json(self) -> dict[str, Any]:
        """The check in JSON types."""
        return {**vars(self), "margin": self.margin, "passed": self.passed}


@dataclass(frozen=True)
class LatencyReport:
    """The tiers, the checks against the budget and remarks; `passed` is None without a budget."""

    model: str
    budget: str | None
    tiers: dict[TierName, Tier]
    checks: tuple[Check, ...]
    details: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def condition(self) -> str:
        """What a budget that is kept takes for granted: the speed of a device for which none is calibrated."""
        budget = None if self.budget is None else load_budget(self.budget)
        if budget is None or budget.device is None or load_device(budget.device).clock in {"calibrated", "same_family"}:
            return ""
        return f", if {load_device(budget.device).name} were as fast as an XCVU13P-2"

    @property
    def passed(self) -> bool | None:
        """Whether every check passed."""
        return None if self.budget is None else all(check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "model": self.model,
            "budget": self.budget,
            "tiers": {name: tier.to_json() for name, tier in self.tiers.items()},
            "passed": self.passed,
            "details": {
                **self.details,
                "checks": [check.to_json() for check in self.checks],
                "seconds": {name: round(tier.seconds, 3) for name, tier in self.tiers.items()},
                "remarks": list(self.remarks),
            },
        }


def checks(budget: BudgetCard, tiers: dict[TierName, Tier], input_bits: int) -> tuple[Check, ...]:
    """Each quantity that the budget limits, of each tier that is of its kind: logic, or a processor."""
    found: list[Check] = []
    for name, tier in tiers.items():
        if (name == "measured") != (budget.device is None):
            continue
        limits: dict[str, tuple[float | None, float]] = {
            "latency_ns": (tier.latency_ns, budget.latency_ns),
            **_logic_limits(budget, tier),
        }
        if name == "measured":
            limits["total_latency_ns"] = (tier.latency_ns, budget.total_latency_ns)
        if name == "estimated" and budget.bits_per_input is not None:
            limits["bits an input"] = (input_bits, float(budget.bits_per_input))
        if tier.mismatches is not None:
            limits["mismatches"] = (tier.mismatches, 0.0)
        found.extend(Check(name, what, float(v), top) for what, (v, top) in limits.items() if v is not None)
    return tuple(found)


def _logic_limits(budget: BudgetCard, tier: Tier) -> dict[str, tuple[float | None, float]]:
    if budget.device is None or budget.resource_fraction is None or budget.interval_ns is None:
        return {}
    device, share = load_device(budget.device), budget.resource_fraction
    interval = None if tier.period_ns is None or tier.ii is None else tier.ii * tier.period_ns
    return {
        "interval_ns": (interval, budget.interval_ns),
        "lut": (tier.lut, device.lut * share.lut),
        "ff": (tier.ff, device.ff * share.ff),
        "dsp": (tier.dsp, device.dsp * share.dsp),
    }
