"""The worked examples with their data, as they ship."""

from __future__ import annotations

import shutil
from pathlib import Path

from hepad.cards.resolver import shipped_folder
from hepad.output.atomic import atomic_folder

__all__ = ["write_examples"]


def write_examples(output: Path) -> list[str]:
    """Write the examples that ship with hepad, 3 MB, into the folder `output`; the names of the files."""
    source = shipped_folder("examples")
    names = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    names = [name for name in names if not any(_is_left_out(part) for part in name.parts)]
    with atomic_folder(output, verb="examples") as folder:
        for name in names:  # `copytree` gathers errors, and a full disk would be none that is known
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, folder / name)
    return sorted(name.as_posix() for name in names)


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name in ("__pycache__", "SHA256SUMS")
