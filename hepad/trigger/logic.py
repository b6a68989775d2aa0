"""A design as logic, without vendor tools: da4ml traces it, cuts it into pipeline stages and counts its cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np

from hepad.errors import MissingExtraError
from hepad.trigger.fixed import Floats, Format, Numbers

__all__ = ["COMBINATIONAL", "CUTOFF", "Logic", "Traceable", "compile_logic", "write_cpp"]

CUTOFF = 2
"""The largest delay of a stage, in da4ml's unit, about an adder: the one that the clock period is calibrated for."""

COMBINATIONAL = 1e6
"""A cutoff that no design reaches: one stage, without registers between those of its input and its output."""

_DEEPER = 1
"""Adders by which a tree may be deeper than the shallowest, where that saves others."""


class Traceable(Protocol):
    """What becomes logic: `hepad.trigger.design.Design` and `hepad.trigger.exact.ExactDesign`."""

    inputs: tuple[Format, ...]
    shallow: bool

    def __call__(self, x: Numbers) -> Numbers:
        """What it gives for one traced row (d,), of shape (outputs,)."""
        ...


@dataclass(frozen=True)
class Logic:
    """Traced logic (`comb`) and the same cut into stages (`pipeline`), both da4ml's objects.

    It takes a new event each clock (II = 1). `inputs` and `outputs` are the formats at its
    ports, packed from the least significant bit.
    """

    comb: Any
    pipeline: Any
    inputs: tuple[Format, ...]
    outputs: tuple[Format, ...]
    tool: str

    @property
    def cost(self) -> float:
        """da4ml's cost, about a six-input lookup table each."""
        return float(self.comb.cost)

    @property
    def registers(self) -> int:
        """Register bits between stages."""
        return int(self.pipeline.reg_bits)

    @property
    def depth(self) -> float:
        """The delay of its longest path, in the unit of `CUTOFF`, however it is cut into stages."""
        return float(max(self.comb.latency))

    @property
    def stages(self) -> int:
        """Pipeline stages; da4ml does not count the output's register."""
        return len(self.pipeline.solutions)

    @property
    def clock_edges(self) -> int:
        """From the edge that takes an event in to the edge after which its result is at the port."""
        return self.stages + 1

    @cached_property
    def tables(self) -> bool:
        """Whether there are lookup tables."""
        return bool(self.comb.lookup_tables)

    def interpreted(self, rows: Floats) -> Floats:
        """What da4ml's own interpreter gives for rows of inputs on their grid, shape (n, outputs)."""
        return np.asarray(self.comb.predict(np.ascontiguousarray(rows), 1), dtype=np.float64)

    def write_verilog(self, name: str, folder: Path) -> list[Path]:
        """Write the modules (top module `name`) and the contents of their tables into `src` of a folder; the files."""
        from da4ml.codegen import VerilogModel

        unused = {f"{name}_wrapper.v"} | (set() if self.tables else {"lookup_table.v"})
        with TemporaryDirectory() as scratch:
            VerilogModel(self.pipeline, name, scratch, print_latency=False).write()
            source = Path(scratch) / "src"
            for part in ("", "static", "memfiles"):
                (folder / "src" / part).mkdir(parents=True, exist_ok=True)
                for path in source.joinpath(part).glob("*.*"):
                    if path.suffix in {".v", ".mem"} and path.name not in unused:
                        # Verilator 5.006 leaves out the last entry of a table whose file does not end in a newline.
                        text = path.read_text(encoding="ascii").rstrip("\n") + "\n"
                        (folder / "src" / part / path.name).write_text(text, encoding="ascii")
        return sorted(path for path in (folder / "src").rglob("*") if path.is_file())


def write_cpp(logic: Logic, folder: Path, rows: Floats | None) -> Floats | None:
    """Write `scorer.hh`, C++ for high-level synthesis in Vitis' ap_fixed types, into a folder.

    With rows of inputs on their grid it is compiled, and what it gives for them is returned, shape (n, outputs); that
    needs make and g++.
    """
    from da4ml.codegen import HLSModel

    with TemporaryDirectory() as scratch:
        model = HLSModel(logic.comb, "scorer", scratch, flavor="vitis", print_latency=False)
        model.write()
        (folder / "scorer.hh").write_text(
            (Path(scratch) / "src/scorer.hh").read_text(encoding="ascii"), encoding="ascii"
        )
        if rows is None:
            return None
        model.compile(openmp=False)
        return np.asarray(model.predict(np.ascontiguousarray(rows)), dtype=np.float64).reshape(len(rows), -1)


def compile_logic(design: Traceable, *, cutoff: float = CUTOFF) -> Logic:
    """Trace a design and cut it into stages of at most `cutoff`; `MissingExtraError` without da4ml.

    Interval arithmetic sets all inner widths: nothing overflows, and what can never be set takes no logic.
    """
    try:
        from da4ml.trace import FixedVariableArrayInput, HWConfig, comb_trace
        from da4ml.trace.pipeline import to_pipeline
        from da4ml.types import minimal_kif
    except ImportError as error:
        raise MissingExtraError.of(error, "logic needs", "da4ml", "trigger") from error
    options = {"hard_dc": 0 if design.shallow else _DEEPER}
    row = FixedVariableArrayInput((len(design.inputs),), hwconf=HWConfig(1, -1, -1), solver_options=options)
    signed, integer, fraction = (np.array(part, dtype=np.int64) for part in zip(*design.inputs, strict=True))
    comb = comb_trace(row, design(row.quantize(signed, integer, fraction)), keep_dead_inputs=True)
    pipeline = to_pipeline(comb, cutoff, verbose=False)
    inputs, outputs = (tuple(_format(minimal_kif(q)) for q in qs) for qs in (comb.inp_qint, comb.out_qint))
    return Logic(comb, pipeline, inputs, outputs, f"da4ml {version('da4ml')}")


def _format(kif: tuple[int, int, int]) -> Format:
    return Format(bool(kif[0]), int(kif[1]), int(kif[2]))
