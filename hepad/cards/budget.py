"""Budget cards: what a trigger leaves to one algorithm, and device cards: what a chip holds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card, CardName, load_card
from hepad.cards.resolver import resolve

__all__ = ["BudgetCard", "DeviceCard", "ResourceFraction", "load_budget", "load_device"]

Fraction = Annotated[float, Field(ge=0, le=1)]


class ResourceFraction(Card):
    """The largest shares of a device's lookup tables, flip-flops and multipliers."""

    lut: Fraction
    ff: Fraction
    dsp: Fraction


class BudgetCard(Card):
    """What one algorithm may take. A `combinational` one has no registers between those of its input and its score.

    `latency_ns`: from its inputs to its score; `total_latency_ns`: the whole decision, for orientation. A budget for
    logic has a `device` with `resource_fraction`, `interval_ns` (an event each so many nanoseconds) and
    `bits_per_input`; without a device it is for a processor, where the 99th percentile of single events counts.
    """

    schema_: Literal["budget/1"] = Field(alias="schema")
    name: CardName
    title: str
    reference: str
    note: str = ""
    latency_ns: float = Field(gt=0)
    total_latency_ns: float = Field(gt=0)
    device: str | None = None
    resource_fraction: ResourceFraction | None = None
    interval_ns: float | None = Field(default=None, gt=0)
    bits_per_input: int | None = Field(default=None, ge=1, le=64)
    combinational: bool = False

    @model_validator(mode="after")
    def _is_for_logic_or_a_processor(self) -> BudgetCard:
        given = [key for key in ("resource_fraction", "interval_ns", "bits_per_input") if getattr(self, key)]
        if len(given) != (0 if self.device is None else 3):
            raise ValueError(f"device, resource_fraction, interval_ns and bits_per_input go together; found {given}")
        if self.combinational and self.device is None:
            raise ValueError("combinational is for logic: give a device, or leave it out")
        if self.latency_ns > self.total_latency_ns:
            raise ValueError(f"latency_ns {self.latency_ns:g} exceeds total_latency_ns {self.total_latency_ns:g}")
        return self


class DeviceCard(Card):
    """How many lookup tables, flip-flops and multipliers (DSP) a chip has.

    `clock` says what estimated nanoseconds are there, which are calibrated on an XCVU13P-2: `calibrated`; of the
    `same_family`; `optimistic`, as the device is slower; `unknown`.
    """

    schema_: Literal["device/1"] = Field(alias="schema")
    name: CardName
    title: str
    reference: str
    lut: int = Field(gt=0)
    ff: int = Field(gt=0)
    dsp: int = Field(gt=0)
    clock: Literal["calibrated", "same_family", "optimistic", "unknown"] = "unknown"


def load_budget(name: str) -> BudgetCard:
    """The budget card of a bundled name (`cms-l1`) or a path; `CardError` lists the bundled names."""
    return load_card(BudgetCard, resolve("budgets", name))


def load_device(name: str) -> DeviceCard:
    """The device card of a bundled name (`vu9p`) or a path; `CardError` lists the bundled names."""
    return load_card(DeviceCard, resolve("budgets/devices", name))
