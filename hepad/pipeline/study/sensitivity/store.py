"""The points of a study of sensitivity, a file each: kept for good, and found again by what they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from hepad.bundles.checkpoint import fingerprint
from hepad.execution.folder_store import Key, output_errors
from hepad.execution.parts import Part
from hepad.execution.units import Stamp, Unit
from hepad.output.atomic import atomic_path

__all__ = ["PointStore"]

_LETTERS = 12


class PointStore:
    """Keeps each task's part as `NAME-FINGERPRINT.safetensors`; see `hepad.execution.store.Store`.

    `keys` has, by the name of a task, what its result depends on. What is there is never made again: a study with
    another method, seed or signal goes on from it.
    """

    complete = False

    def __init__(self, folder: Path, keys: Mapping[str, Any]) -> None:
        self._folder = folder
        self._files = {name: f"{name}-{fingerprint(key)[:_LETTERS]}.safetensors" for name, key in keys.items()}
        self._parts: dict[Key, Part] = {}
        self._names: list[str] = []
        self.made = 0

    def begin(self, plan: Mapping[str, Any], stamps: Sequence[Stamp | None]) -> None:  # noqa: ARG002  of no files
        """Find what is there of the plan; a damaged file is as none."""
        self._names = list(plan["tasks"])
        with output_errors(self._folder):
            self._folder.mkdir(exist_ok=True)
            for number, name in enumerate(self._names):
                path = self._folder / self._files[name]
                arrays = _read(path) if path.is_file() else None
                if arrays is not None:
                    self._parts[number, 0] = Part(1, sums=arrays)

    def known(self) -> dict[int, tuple[int, ...]]:
        """The edges of the parts that are there."""
        return {file: (0, 1) for file, _ in self._parts}

    def __contains__(self, key: Key) -> bool:
        return key in self._parts

    def put(self, unit: Unit, edges: tuple[int, ...], part: Part) -> None:  # noqa: ARG002  a task is one part
        """Keep a part; it is whole or not there."""
        with atomic_path(self._folder / self._files[self._names[unit.file]]) as path:
            path.write_bytes(save({name: np.ascontiguousarray(values) for name, values in part.sums.items()}))
        self._parts[unit.file, unit.place] = part
        self.made += 1

    def get(self, key: Key) -> Part:
        """Give a part back."""
        return self._parts[key]


def _read(path: Path) -> dict[str, Any] | None:
    """The arrays of a file, None if it is damaged: plain ones, that other versions of hepad can read too."""
    try:
        return dict(load(path.read_bytes()))
    except SafetensorError:
        return None
