"""What a job makes of consecutive events: columns that are joined, sums that are added, and the cut flows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import CountError, InputDataError
from hepad.io.events import SampleInfo
from hepad.objects.cutflow import CutFlow, CutStep

__all__ = ["FileFacts", "Part"]

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class FileFacts:
    """What a file holds: its number of events, and what it says of their sample."""

    entries: int
    sample: SampleInfo

    @classmethod
    def from_json(cls, content: dict[str, Any] | None) -> FileFacts | None:
        """What `asdict` made of facts; None for None."""
        if content is None:
            return None
        sample = content["sample"]
        return cls(content["entries"], SampleInfo(**{**sample, "notes": tuple(sample["notes"])}))


@dataclass(frozen=True)
class Part:
    """The result for `events` consecutive events of a file.

    `columns` are joined along their first axis when parts are, `sums` and `flows` (cut flows by name) are added.
    A part that joins others has the bits that adding them in their order gives, whoever made them. `facts` are those
    of the file, in its first part, if the job asks for them. `whole` says why trees of the file were read as a whole.
    """

    events: int
    columns: Arrays = field(default_factory=dict)
    sums: Arrays = field(default_factory=dict)
    flows: dict[str, CutFlow] = field(default_factory=dict)
    facts: FileFacts | None = None
    whole: str = ""

    def __post_init__(self) -> None:
        for name, flow in self.flows.items():
            if flow.total.events != self.events:
                raise CountError(f"cut flow {name!r} counts {flow.total.events} of {self.events} events that were read")

    @classmethod
    def join(cls, parts: Sequence[Part]) -> Part:
        """One part of several in order; they must be of the same job. At least one."""
        first, *others = parts
        if not others:
            return first
        sums = {name: values.copy() for name, values in first.sums.items()}
        flows = dict(first.flows)
        for part in others:
            for name, values in part.sums.items():
                sums[name] += values
            flows = {name: flow + part.flows[name] for name, flow in flows.items()}
        columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns}
        return cls(sum(part.events for part in parts), columns, sums, flows, first.facts, first.whole)

    def to_bytes(self) -> bytes:
        """The part in the safetensors format; floating-point numbers keep every bit."""
        from safetensors.numpy import save

        tensors = {f"columns.{name}": np.ascontiguousarray(values) for name, values in self.columns.items()}
        tensors |= {f"sums.{name}": np.ascontiguousarray(values) for name, values in self.sums.items()}
        flows = {name: [list(vars(step).values()) for step in flow.steps] for name, flow in self.flows.items()}
        # The format orders tensors by their types; the order of columns is that of the output.
        content = {"events": self.events, "flows": flows, "columns": list(self.columns), "sums": list(self.sums)}
        content["facts"] = None if self.facts is None else asdict(self.facts)
        content["whole"] = self.whole
        return bytes(save(tensors, {"part": json.dumps(content)}))

    @classmethod
    def from_bytes(cls, data: bytes) -> Part:
        """What `to_bytes` wrote; `InputDataError` if it is something else."""
        from safetensors.numpy import load

        try:
            size = int.from_bytes(data[:8], "little")
            content = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["part"])
            flows = {name: CutFlow(tuple(CutStep(*step) for step in steps)) for name, steps in content["flows"].items()}
            tensors = load(data)
            columns, sums = (
                {name: tensors[f"{group}.{name}"] for name in content[group]} for group in ("columns", "sums")
            )
            facts = FileFacts.from_json(content["facts"])
            return cls(int(content["events"]), columns, sums, flows, facts, content["whole"])
        except Exception as error:  # a damaged part surfaces as many kinds of error
            raise InputDataError("a part of an interrupted run is damaged") from error
