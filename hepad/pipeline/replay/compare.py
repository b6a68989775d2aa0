"""Two outputs side by side: the same bytes, the same content, or what differs and by how much."""

from __future__ import annotations

import filecmp
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.output.owned import SUMS
from hepad.pipeline.replay.content import Value, values_of

__all__ = ["Comparison", "Difference", "compare"]


@dataclass(frozen=True)
class Difference:
    """One value that differs: `where` in which `file`, how many of how many numbers, the largest differences.

    `absolute` and `relative` to the larger of the two numbers are None where there are no numbers to subtract.
    """

    file: str
    where: str
    what: str
    absolute: float | None = None
    relative: float | None = None

    def __str__(self) -> str:
        """A line for people."""
        return f"{self.file}: {f'{self.where}: ' if self.where else ''}{self.what}"

    def to_json(self) -> dict[str, Any]:
        """The difference in JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """How many files were compared, which have other bytes, and what is different in their content."""

    files: int
    other_bytes: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def status(self) -> str:
        """`identical` bytes, `equal` content, or `different`."""
        return "different" if self.differences else "equal" if self.other_bytes else "identical"


def compare(then: Path, now: Path) -> Comparison:
    """Compare two files, or all files of two folders; `then` is the one that the differences speak of.

    A PDF is taken for equal if the PNG beside it, the same figure, is.
    """
    if then.is_dir() != now.is_dir():
        raise InputDataError(f"{then} is {'a folder' if then.is_dir() else 'a file'}, which its command does not write")
    if not then.is_dir():
        return _compare({then.name: then}, {then.name: now})
    return _compare(_files(then), _files(now))


def _files(folder: Path) -> dict[str, Path]:
    names = ((path.relative_to(folder).as_posix(), path) for path in sorted(folder.rglob("*")) if path.is_file())
    return {name: path for name, path in names if name != SUMS}  # it says nothing that the others do not


def _compare(then: dict[str, Path], now: dict[str, Path]) -> Comparison:
    differences = [Difference(name, "", "is not made by its command") for name in then if name not in now]
    differences += [Difference(name, "", "is missing") for name in now if name not in then]
    common = [name for name in then if name in now]
    other = tuple(name for name in common if not filecmp.cmp(then[name], now[name], shallow=False))
    found = {name: list(_differences(name, then[name], now[name])) for name in other}
    for name in other:
        twin = name.removesuffix(".pdf") + ".png"
        if name.endswith(".pdf") and twin in common and not found.get(twin):
            found[name] = []
    differences += [difference for some in found.values() for difference in some]
    return Comparison(len(common), other, tuple(differences))


def _differences(file: str, then: Path, now: Path) -> Iterator[Difference]:
    try:
        before = dict(values_of(then))
    except Exception as error:  # noqa: BLE001  a damaged file surfaces as many kinds of error
        yield Difference(file, "", f"cannot be read ({error})")
        return
    after = dict(values_of(now))
    for name, value in before.items():
        if name not in after:
            yield Difference(file, name, "is not made by its command")
        else:
            yield from _difference(file, name, value, after[name])
    yield from (Difference(file, name, "is missing") for name in after if name not in before)


def _difference(file: str, where: str, then: Value, now: Value) -> Iterator[Difference]:
    if isinstance(then, bytes) or isinstance(now, bytes):
        if then != now:
            yield Difference(file, "", "has other bytes")
        return
    a, b = np.asarray(then), np.asarray(now)
    if a.shape != b.shape:
        yield Difference(file, where, f"has shape {a.shape}, now {b.shape}")
    elif not (_is_numeric(a) and _is_numeric(b)):
        different = int((a != b).sum())
        if different:
            yield Difference(
                file, where, f"was {then!r:.60}, is {now!r:.60}" if a.ndim == 0 else f"{different} of {a.size} differ"
            )
    elif a.dtype != b.dtype and a.ndim:
        yield Difference(file, where, f"has type {a.dtype}, now {b.dtype}")
    else:
        yield from _numbers(file, where, a, b)


def _is_numeric(values: npt.NDArray[Any]) -> bool:
    return values.dtype.kind in "biuf"


def _numbers(file: str, where: str, then: npt.NDArray[Any], now: npt.NDArray[Any]) -> Iterator[Difference]:
    a, b = then.astype(np.float64).ravel(), now.astype(np.float64).ravel()
    differ = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    if not differ.any():
        return
    a, b = a[differ], b[differ]
    finite = np.isfinite(a) & np.isfinite(b)
    if not finite.any():
        yield Difference(file, where, f"{differ.sum()} of {then.size} differ, none of them finite in both")
        return
    absolute = np.abs(a - b)[finite]
    relative = absolute / np.maximum(np.abs(a), np.abs(b))[finite]
    count = f"was {then.item()!r}, is {now.item()!r}" if then.ndim == 0 else f"{differ.sum()} of {then.size} differ"
    yield Difference(
        file,
        where,
        f"{count}, by up to {absolute.max():.3g} (relative {relative.max():.3g})",
        float(absolute.max()),
        float(relative.max()),
    )
