"""`hepad chain`."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.execution.run import Skipped
from hepad.pipeline.chain.report import SampleChain, StepInfo
from hepad.pipeline.schemas.parts import Provenance

__all__ = ["Printed", "Written"]


class Chain(TypedDict):
    """What the levels of a trigger chain keep of each sample."""

    steps: list[StepInfo]
    menu: str | None
    samples: list[SampleChain]
    remarks: list[str]
    skipped: list[Skipped]


class Printed(Chain):
    """What the levels of a trigger chain keep of each sample, and where it was written."""

    output: str | None


class Written(Chain):
    """What the levels of a trigger chain keep of each sample, with its provenance."""

    provenance: Provenance
