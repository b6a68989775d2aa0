"""Folders of C++ headers as a trigger's library has them, and its arithmetic in integers of Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np


def write_library(
    folder: Path,
    types: Mapping[str, str],
    sizes: Mapping[str, int],
    arrays: Mapping[str, np.ndarray],
    declared: Mapping[str, str],
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> Path:
    """Write `NN/defines.h`, `scales.h` and a header an array; `declared` are the names of the arrays' types."""
    weights = folder / "NN" / "weights"
    weights.mkdir(parents=True)
    scale_types = {name: types[name] for name in ("ad_shift_t", "ad_offset_t") if name in types}
    lines = [f"static const int {name} = {value};" for name, value in sizes.items()]
    lines += [f"typedef {text} {name};" for name, text in types.items() if name not in scale_types]
    head = '#ifndef DEFINES_H_\n#define DEFINES_H_\n#include "ap_fixed.h"\n// made up\nnamespace lib {\n'
    (folder / "NN" / "defines.h").write_text(head + "\n".join(lines) + "\n}\n#endif\n")
    scales = [f"typedef {text} {name};" for name, text in scale_types.items()]
    for name, values in arrays.items():
        numbers = ", ".join(repr(float(value)) for value in values.ravel())
        statement = f"{declared[name]} {name}[{values.size}]"
        if name.startswith("ad_"):
            scales.append(f"const {statement} = {{{numbers}}};")
            continue
        shape = ", ".join(str(length) for length in (shapes or {}).get(name, values.shape))
        (weights / f"{name}.h").write_text(
            f"//Numpy array shape [{shape}]\n//Min -1\n\n#ifndef {name}_H_\n#define {name}_H_\nnamespace lib{{\n"
            f"#ifdef LOAD_WEIGHTS_FROM_TXT\n{statement};\n#else\n{statement} = {{{numbers}}};\n#endif\n}}\n#endif\n"
        )
    if "ad_shift" in arrays:
        (folder / "scales.h").write_text("namespace lib {\n" + "\n".join(scales) + "\n}\n")
    return folder


def write_graph(folder: Path, layers: Mapping[int, tuple[np.ndarray, np.ndarray]], kind: str) -> None:
    """Write layers, weight (inputs, outputs) and bias (outputs,), as additions and shifts of values of one type."""
    lines = ["#ifndef X", "#define X", '#include "nnet_helpers.h"', "namespace lib {", "using nnet::bit_shift;"]
    for number, (weight, bias) in layers.items():
        lines += ["template <typename inp_t, typename out_t>"]
        lines += [f"void dense_da_{number}(inp_t inp[{weight.shape[0]}], out_t out[{weight.shape[1]}]) {{"]
        lines += ["    #pragma HLS INLINE", "    // ===== Latency: 1 ====="]
        count, ends = 0, []
        for column, constant in zip(weight.T, bias, strict=True):
            terms = [
                (np.sign(w) * sign, f"bit_shift<{power}>(inp[{i}])")
                for i, w in enumerate(column)
                for sign, power in powers(abs(w))
            ] + [(np.sign(constant) or 1, f"ap_fixed<20, 10>({float(abs(constant))!r})")]
            text = f"{'-' if terms[0][0] < 0 else ''}{terms[0][1]}"
            for sign, term in terms[1:]:
                lines.append(f"    {kind} v{count} = {text} {'-' if sign < 0 else '+'} {term};")
                text, count = f"v{count}", count + 1
            if len(terms) == 1:  # a sum has two terms
                lines.append(f"    {kind} v{count} = {text} + ap_fixed<20, 10>(0.0);")
                text, count = f"v{count}", count + 1
            ends.append(text)
        lines += [f"    out[{i}] = {text};" for i, text in enumerate(ends)] + ["}"]
    (folder / "NN" / "nnet_utils").mkdir(parents=True, exist_ok=True)
    (folder / "NN" / "nnet_utils" / "nnet_code_gen.h").write_text("\n".join([*lines, "}", "#endif"]) + "\n")


def powers(value: float) -> list[tuple[int, int]]:
    """Signs and powers of two that add up to a number."""
    found, power, whole = [], -10, Fraction(value) * 2**10
    while whole:
        if whole % 2:
            found.append((1, power))
            whole -= 1
        whole, power = whole / 2, power + 1
    return found


@dataclass(frozen=True)
class Kind:
    """A type, as its text says, in exact arithmetic: an oracle for `hepad.nn.fixed_point`."""

    signed: bool
    width: int
    integer: int
    rounding: str
    overflow: str

    @classmethod
    def of(cls, text: str) -> Kind:
        inside = text[text.index("<") + 1 : -1].split(",")
        width = int(inside[0])
        rounding = inside[2] if len(inside) > 2 else "AP_TRN"
        overflow = inside[3] if len(inside) > 3 else "AP_WRAP"
        integer = int(inside[1]) if "fixed" in text else width
        return cls(not text.startswith("ap_u"), width, integer, rounding, overflow)

    def __call__(self, value: Fraction) -> Fraction:
        step = Fraction(2) ** (self.integer - self.width)
        whole = value / step
        down = floor(whole)
        rest = whole - down
        if self.rounding == "AP_RND":
            down += rest >= Fraction(1, 2)
        elif self.rounding == "AP_RND_CONV":
            down += rest > Fraction(1, 2) or (rest == Fraction(1, 2) and down % 2)
        low = -(2 ** (self.width - 1)) if self.signed else 0
        high = 2 ** (self.width - self.signed) - 1
        saturated, wrapped = min(max(down, low), high), (down - low) % 2**self.width + low
        return (saturated if self.overflow == "AP_SAT" else wrapped) * step


def dense(x: list[Fraction], weight: np.ndarray, bias: np.ndarray, accumulator: Kind, output: Kind) -> list[Fraction]:
    """A layer as C++ computes it, one product after the other."""
    found = []
    for column, constant in zip(weight.T, bias, strict=True):
        total = Fraction(0)
        for value, factor in zip(x, column, strict=True):
            total = accumulator(total + accumulator(value * Fraction(float(factor))))
        found.append(output(accumulator(total + accumulator(Fraction(float(constant))))))
    return found
