"""The worked examples with their data, as they ship."""

from __future__ import annotations

import shutil
from pathlib import Path

from hepad.cards.resolver import shipped_folder
from hepad.output.atomic import atomic_folder

__all__ = ["write_examples"]

_LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*", "SHA256SUMS")


def write_examples(output: Path) -> list[str]:
    """Write the examples that ship with hepad, 3 MB, into the folder `output`; the names of the files."""
    with atomic_folder(output, verb="examples") as folder:
        shutil.copytree(shipped_folder("examples"), folder, dirs_exist_ok=True, ignore=_LEFT_OUT)
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
