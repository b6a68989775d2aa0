"""A folder of Verilog with test vectors and a test bench, and running it with Verilator.

An input word packs an event's inputs from the least significant bit, each in two's complement with the width of its
format; an output word packs the outputs the same way. Files of vectors hold one word a line in hexadecimal.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hepad.errors import HepadError, MissingExtraError
from hepad.trigger.fixed import Floats, Format
from hepad.trigger.logic import Logic

__all__ = ["TEST_BENCH", "Simulated", "compare", "pack", "run_tool", "simulate", "unpack", "verilator", "write_project"]

TOP = "scorer"
"""The name of the top module, of ports `clk`, `model_inp` and `model_out`."""

TEST_BENCH = """\
// Streams vectors/inputs.hex through the design, an event each clock, and writes what is at its output after each
// rising edge, a line each, until DEPTH edges after the last event. Event i is taken in at edge i + 1.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <vector>
#include "V%(top)s.h"
#include "verilated.h"

static const int IN_BITS = %(in_bits)d, OUT_BITS = %(out_bits)d, DEPTH = %(depth)d;

// 32-bit words of a line of hexadecimal digits, the lowest first.
static std::vector<uint32_t> words(const std::string& line, int bits) {
    std::vector<uint32_t> out((bits + 31) / 32, 0);
    int digit = 0;
    for (auto c = line.rbegin(); c != line.rend(); ++c) {
        if (*c == '\\n' || *c == '\\r') continue;
        uint32_t value = *c <= '9' ? *c - '0' : (*c | 32) - 'a' + 10;
        if (digit / 8 < (int)out.size()) out[digit / 8] |= value << (4 * (digit %% 8));
        ++digit;
    }
    return out;
}

template <typename T> void put(T& port, const std::vector<uint32_t>& w) {
    if constexpr (std::is_integral<T>::value) {
        uint64_t value = w[0];
        if (w.size() > 1) value |= (uint64_t)w[1] << 32;
        port = (T)value;
    } else {
        for (size_t i = 0; i < w.size(); ++i) port[i] = w[i];
    }
}

template <typename T> void show(FILE* out, const T& port) {
    std::vector<uint32_t> w((OUT_BITS + 31) / 32);
    for (size_t i = 0; i < w.size(); ++i) {
        if constexpr (std::is_integral<T>::value) w[i] = (uint32_t)((uint64_t)port >> (32 * i));
        else w[i] = port[i];
    }
    for (size_t i = w.size(); i-- > 0;) std::fprintf(out, "%%08x", w[i]);
    std::fputc('\\n', out);
}

int main(int argc, char** argv) {
    if (argc != 3) return std::fprintf(stderr, "usage: %%s INPUTS.hex OUTPUT.hex\\n", argv[0]), 2;
    FILE* in = std::fopen(argv[1], "r");
    FILE* out = std::fopen(argv[2], "w");
    if (!in || !out) return std::perror("cannot open"), 1;
    V%(top)s design;
    design.clk = 0;
    design.eval();
    std::vector<char> line(IN_BITS / 4 + 16);
    for (int left = DEPTH; left > 0;) {
        std::string text = std::fgets(line.data(), (int)line.size(), in) ? line.data() : "0";
        if (std::feof(in)) --left;
        put(design.model_inp, words(text, IN_BITS));
        design.clk = 1;
        design.eval();
        show(out, design.model_out);
        design.clk = 0;
        design.eval();
    }
    return std::fclose(out) ? 1 : 0;
}
"""

MAKEFILE = """\
# make check: simulate with Verilator and compare with vectors/outputs.hex, which come out %(edges)d edges later.
ifneq ($(words $(CURDIR)),1)
$(error make cannot build where a path has a space: copy this folder elsewhere, to /tmp for instance)
endif

check: obj/V%(top)s
\tcd src/memfiles && ../../obj/V%(top)s ../../vectors/inputs.hex ../../obj/simulated.hex
\ttail -n +%(edges)d obj/simulated.hex | head -n $$(wc -l < vectors/outputs.hex) | cmp - vectors/outputs.hex
\t@echo "bit for bit equal, %(edges)d clock edges from port to port"

obj/V%(top)s: $(wildcard src/*.v src/static/*.v) testbench.cpp
\tverilator --cc --exe --build %(flags)s --top-module %(top)s -Mdir obj $^

.PHONY: check
"""

_FLAGS = ("-Wno-fatal", "-Wno-WIDTH", "-Wfuture-WIDTHTRUNC", "-MAKEFLAGS", "OPT_FAST=-O0")
"""Older versions do not know a remark in da4ml's Verilog; compiling takes longer than running the events."""

_BEYOND = 8  # edges that are looked at beyond the announced ones


@dataclass(frozen=True)
class Simulated:
    """What the simulation found: edges from port to port, events, how many of them differ, and the tool."""

    clock_edges: int
    events: int
    mismatches: int
    tool: str


def pack(rows: Floats, formats: Sequence[Format]) -> list[int]:
    """A word an event, of numbers on the grids of their formats, shape (n, k)."""
    words, place = np.zeros(len(rows), dtype=object), 0
    for column, form in zip(rows.T, formats, strict=True):
        integers = np.round(column / form.step).astype(np.int64) & ((1 << form.bits) - 1)
        words |= integers.astype(object) << place
        place += form.bits
    return [int(word) for word in words]


def unpack(words: Sequence[int], formats: Sequence[Format]) -> Floats:
    """The numbers of words, shape (n, k): the inverse of `pack`."""
    whole, place = np.array(words, dtype=object), 0
    columns = []
    for form in formats:
        integers = ((whole >> place) & ((1 << form.bits) - 1)).astype(np.int64)
        if form.signed:
            integers = np.where(integers >> (form.bits - 1) > 0, integers - (1 << form.bits), integers)
        columns.append(integers * form.step)
        place += form.bits
    return np.stack(columns, axis=1)


def write_project(logic: Logic, folder: Path, rows: Floats, expected: Floats) -> list[Path]:
    """Write Verilog, test bench, makefile and vectors into a folder; the files written.

    `rows` are inputs on their grid, shape (n, d), `expected` what the design gives for them, shape (n, k).
    """
    written = logic.write_verilog(TOP, folder)
    in_bits, out_bits = (sum(form.bits for form in forms) for forms in (logic.inputs, logic.outputs))
    names = {
        "top": TOP,
        "in_bits": in_bits,
        "out_bits": out_bits,
        "depth": logic.clock_edges + _BEYOND,
        "edges": logic.clock_edges,
        "flags": " ".join(_FLAGS),
    }
    (folder / "vectors").mkdir()
    (folder / "src/memfiles").mkdir(exist_ok=True)
    texts = {
        "testbench.cpp": TEST_BENCH % names,
        "Makefile": MAKEFILE % names,
        "vectors/inputs.hex": _lines(pack(rows, logic.inputs), in_bits),
        "vectors/outputs.hex": _lines(pack(expected, logic.outputs), out_bits),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="ascii")
    return sorted([*written, *(folder / name for name in texts)])


def verilator() -> str | None:
    """The path of Verilator, None if it is not there."""
    return shutil.which("verilator")


def simulate(folder: Path, logic: Logic) -> Simulated:
    """Build and run the test bench in a folder that `write_project` wrote; leaves `obj` there.

    The clock edges are found, not assumed: the delay at which the fewest events differ. `MissingExtraError` without
    Verilator.
    """
    tool = verilator()
    if tool is None or shutil.which("make") is None or shutil.which("g++") is None:
        raise MissingExtraError(
            "the simulated tier needs verilator, make and g++: apt-get install verilator make g++, or the like"
        )
    version = run_tool([tool, "--version"], folder).split()[1]
    sources = [str(path.relative_to(folder)) for path in sorted((folder / "src").rglob("*.v"))]
    build = [tool, "--cc", "--exe", "--build", *_FLAGS, "--top-module", TOP, "-Mdir", "obj", *sources, "testbench.cpp"]
    run_tool(build, folder)
    program = str((folder / f"obj/V{TOP}").resolve())
    run_tool([program, "../../vectors/inputs.hex", "../../obj/simulated.hex"], folder / "src/memfiles")
    found = compare(folder / "obj/simulated.hex", folder / "vectors/outputs.hex", logic.clock_edges)
    return Simulated(*found, f"Verilator {version}")


def compare(simulated: Path, expected: Path, announced: int) -> tuple[int, int, int]:
    """The clock edges at which the fewest events differ, the events, and how many differ; of equals the announced."""
    got, wanted = (np.array(path.read_text(encoding="ascii").split()) for path in (simulated, expected))
    wrong = {
        edges: int((got[edges - 1 : edges - 1 + len(wanted)] != wanted).sum())
        for edges in range(1, announced + _BEYOND)
    }
    edges = min(wrong, key=lambda delay: (wrong[delay], abs(delay - announced)))
    return edges, len(wanted), wrong[edges]


def _lines(words: Sequence[int], bits: int) -> str:
    digits = 8 * -(-bits // 32)
    return "".join(f"{word:0{digits}x}\n" for word in words)


def run_tool(command: Sequence[str], folder: Path) -> str:
    """What a command prints; `HepadError` with the last line of what it says if it fails."""
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(  # noqa: S603  a tool found by name, and files that we wrote
        command, cwd=folder, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise HepadError(f"{Path(command[0]).name} failed ({done.returncode}): {' '.join(last)}")
    return done.stdout
