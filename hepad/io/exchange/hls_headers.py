"""The C++ headers of a network for FPGAs, as hls4ml and da4ml write them: types, sizes, arrays and adder graphs.

They are read as text; nothing is compiled or run. What is not known is refused by file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError

__all__ = ["AdderGraph", "HlsArray", "HlsHeaders", "read_headers"]

_MAX_BYTES = 8 << 20
"""Largest header that is read; the largest published ones have 60 kB."""
_MAX_FILES = 2000
_GRAPH = "nnet_code_gen.h"
_SHAPE = re.compile(r"//\s*Numpy array shape \[([\d, ]+)\]")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_TYPEDEF = re.compile(r"typedef\s+(\S.*?)\s+(\w+)")
_SIZE = re.compile(r"(?:static\s+)?const(?:expr)?\s+(?:unsigned\s+|static\s+)?int\s+(\w+)\s*=\s*(\d+)")
_ARRAY = re.compile(r"(?:static\s+)?(?:const\s+)?(\w+(?:<[^=;]*?>)?)\s+(\w+)\s*\[\s*(\w+)\s*\]\s*(?:=\s*\{([^{}]*)\})?")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_OUTSIDE = re.compile(r"namespace\s+\w+\s*\{|using\s[^;{}]*;|\}|;")
_FUNCTION = re.compile(
    r"void\s+dense_da_(\d+)\s*\(\s*\w+\s+inp\s*\[\s*(\d+)\s*\]\s*,\s*\w+\s+out\s*\[\s*(\d+)\s*\]\s*\)"
)
_TERM = re.compile(
    r"(?P<sign>-?)\s*(?:bit_shift\s*<\s*(?P<shift>-?\d+)\s*>\s*\(\s*(?P<shifted>v\d+|inp\[\d+\])\s*\)"
    r"|(?P<name>v\d+|inp\[\d+\])|ap_u?fixed\s*<[^>]*>\s*\(\s*(?P<number>[-+\d.eE]+)\s*\))"
)


@dataclass(frozen=True)
class HlsArray:
    """An array of a header: the name of its type, its numbers in their order, and the shape that a comment states."""

    type: str
    numbers: npt.NDArray[np.float64]
    shape: tuple[int, ...] | None
    where: str


@dataclass(frozen=True)
class AdderGraph:
    """A dense layer written as additions and shifts: weights (inputs, outputs) and bias (outputs,) of the same value.

    `steps` are its intermediate values: the type of each, its factors of the inputs with its constant at the end, of
    shape (inputs + 1,), and where it stands. The matrix is right if each type holds its value.
    """

    weight: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    steps: tuple[tuple[str, npt.NDArray[np.float64], str], ...]
    where: str


@dataclass(frozen=True)
class HlsHeaders:
    """What the headers of a folder say. `types` keeps the order in which they are defined."""

    types: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    arrays: dict[str, HlsArray] = field(default_factory=dict)
    graphs: dict[int, AdderGraph] = field(default_factory=dict)
    files: tuple[Path, ...] = ()


def read_headers(folder: Path) -> HlsHeaders:
    """Read `defines.h`, `scales.h`, headers of weights and adder graphs below a folder.

    `InputDataError` that names file and line for what is missing, cut off or not understood.
    """
    if not folder.is_dir():
        raise InputDataError(f"{folder} is no folder; give that of one version of the library, with its NN/defines.h")
    files = _headers(folder)
    if not any(path.name == "defines.h" for path in files):
        raise InputDataError(f"{folder}: there is no defines.h in it, which has the network's types")
    found = HlsHeaders(files=tuple(files))
    for path in files:
        text = _text(path)
        if path.name == _GRAPH:
            found.graphs.update(_graphs(text, path))
        else:
            _read(text, path, found)
    return found


def _headers(folder: Path) -> list[Path]:
    """The headers that hold numbers or types; those of the compiler's and hls4ml's own libraries are left out."""
    found: list[Path] = []
    for path in sorted(folder.rglob("*.h")):
        inside = path.relative_to(folder).parts[:-1]
        library = {"nnet_utils", "ap_types", "ac_types"} & set(inside)
        wanted = path.name == _GRAPH or (
            not library and (path.name in {"defines.h", "scales.h"} or re.fullmatch(r"weights?|[wbs]\d+", path.stem))
        )
        if wanted and not path.is_symlink():
            found.append(path)
        if len(found) > _MAX_FILES:
            raise InputDataError(f"{folder}: more than {_MAX_FILES} headers; give the folder of one version")
    return sorted(found, key=lambda path: (path.name != "defines.h", path))


def _text(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            raise InputDataError(f"{path}: no regular file, or larger than {_MAX_BYTES >> 20} MiB")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputDataError(f"{path}: not a text ({error.reason} at byte {error.start})") from error
    except OSError as error:
        raise InputDataError(f"{path}: cannot be read ({error.strerror})") from error


class _Source:
    """A text without comments and preprocessor lines, in which places keep their line."""

    def __init__(self, text: str, path: Path) -> None:
        blank = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
        self.text = re.sub(
            r"^[ \t]*#(?:[^\n\\]|\\\n?)*", lambda found: re.sub(r"[^\n]", " ", found[0]), blank, flags=re.MULTILINE
        )
        self.path = path

    def where(self, place: int) -> str:
        return f"{self.path}, line {self.text.count(chr(10), 0, place) + 1}"


def _read(text: str, path: Path, found: HlsHeaders) -> None:
    """Add the types, sizes and arrays of a header."""
    source, place = _Source(text, path), 0
    shapes = [(match.start(), tuple(int(n) for n in match[1].split(","))) for match in _SHAPE.finditer(text)]
    while place < len(source.text):
        if source.text[place].isspace():
            place += 1
            continue
        where = source.where(place)
        if outside := _OUTSIDE.match(source.text, place):
            place = outside.end()
            continue
        end = source.text.find(";", place)
        if end < 0:
            raise InputDataError(f"{where}: is cut off, no ; follows")
        statement = source.text[place:end].strip()
        if match := _TYPEDEF.fullmatch(statement):
            found.types[match[2]] = "".join(match[1].split())
        elif match := _SIZE.fullmatch(statement):
            found.sizes[match[1]] = int(match[2])
        elif match := _ARRAY.fullmatch(statement):
            if match[4] is not None:  # else it is read from a text file in tests of the library, and given below
                shape = next((s for start, s in reversed(shapes) if start < place), None)
                made, before = _array(match, shape, found.sizes, where), found.arrays.get(match[2])
                if before is not None and not np.array_equal(before.numbers, made.numbers):
                    raise InputDataError(f"{where}: {match[2]} has other numbers than in {before.where}")
                found.arrays[match[2]] = made
        else:
            raise InputDataError(f"{where}: not understood: {' '.join(statement.split())[:60]!r}")
        place = end + 1


def _array(match: re.Match[str], shape: tuple[int, ...] | None, sizes: dict[str, int], where: str) -> HlsArray:
    kind, name, length, content = match.groups()
    words = [word.strip() for word in content.split(",")]
    if wrong := next((word for word in words if not _NUMBER.fullmatch(word)), None):
        raise InputDataError(f"{where}: {name} holds {wrong[:30]!r}, which is no number")
    if words == [""]:
        raise InputDataError(f"{where}: {name} is empty")
    expected = int(length) if length.isdigit() else sizes.get(length)
    if expected != len(words):
        raise InputDataError(f"{where}: {name} has {len(words)} numbers, not {length}")
    fits = shape is not None and int(np.prod(shape)) == len(words)
    return HlsArray(kind, np.array([float(word) for word in words]), shape if fits else None, where)


def _graphs(text: str, path: Path) -> Iterator[tuple[int, AdderGraph]]:
    """The layers of `nnet_code_gen.h`; a graph without products is a matrix, which its lines are added up to."""
    source = _Source(text, path)
    for match in _FUNCTION.finditer(source.text):
        layer, inputs, outputs = (int(number) for number in match.groups())
        if max(inputs, outputs) > 4096:
            raise InputDataError(f"{source.where(match.start())}: a layer {inputs} x {outputs} is too large")
        opened = source.text.find("{", match.end())
        closed = source.text.find("}", opened)
        if opened < 0 or closed < 0:
            raise InputDataError(f"{source.where(match.start())}: dense_da_{layer} is cut off")
        yield layer, _graph(source, opened + 1, closed, inputs, outputs)


def _graph(source: _Source, place: int, end: int, inputs: int, outputs: int) -> AdderGraph:
    """The matrix of a graph: each value is a row of factors of the inputs, and a constant at its end."""
    values = {f"inp[{i}]": np.eye(1, inputs + 1, i)[0] for i in range(inputs)}
    result: dict[int, npt.NDArray[np.float64]] = {}
    steps: list[tuple[str, npt.NDArray[np.float64], str]] = []
    where = source.where(place)
    for statement in source.text[place:end].split(";")[:-1]:
        here = source.where(place + len(statement) - len(statement.lstrip()))
        place += len(statement) + 1
        target, _, expression = statement.partition("=")
        if found := re.fullmatch(r"out\[(\d+)\]", target.strip()):
            result[int(found[1])] = _sum(expression, values, inputs, here)
        elif found := re.fullmatch(r"(ap_u?fixed\s*<[^>]*>)\s+(v\d+)", target.strip()):
            values[found[2]] = _sum(expression, values, inputs, here)
            steps.append((found[1], values[found[2]], here))
        else:
            raise InputDataError(f"{here}: not understood: {' '.join(statement.split())[:60]!r}")
    if sorted(result) != list(range(outputs)):
        raise InputDataError(f"{where}: gives {len(result)} of {outputs} outputs")
    matrix = np.stack([result[i] for i in range(outputs)], axis=1)
    return AdderGraph(matrix[:-1], matrix[-1], tuple(steps), where)


def _sum(
    expression: str, values: dict[str, npt.NDArray[np.float64]], inputs: int, where: str
) -> npt.NDArray[np.float64]:
    total, place, text = np.zeros(inputs + 1), 0, expression.strip()
    while place < len(text):
        operator = re.compile(r"\s*([+-])?\s*").match(text, place)
        place = operator.end() if operator and place else place
        term = _TERM.match(text, place)
        name = term and (term["shifted"] or term["name"])
        if term is None or (name and name not in values) or (place and not (operator and operator[1])):
            raise InputDataError(f"{where}: not understood: {' '.join(text.split())[:60]!r}")
        row = values[name] if name else float(term["number"]) * np.eye(1, inputs + 1, inputs)[0]
        sign = (-1.0 if term["sign"] else 1.0) * (-1.0 if operator and place and operator[1] == "-" else 1.0)
        total = total + sign * row * 2.0 ** int(term["shift"] or 0)
        place = term.end()
        place += len(text[place:]) - len(text[place:].lstrip())
    return total
