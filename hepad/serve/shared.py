"""Files that lie on the server, which whoever runs it lets the pages offer."""

from __future__ import annotations

import os
from pathlib import Path

from hepad.printable import printable
from hepad.serve.commands import known_ending

__all__ = ["shared_files"]

_MOST = 1000


def shared_files(folder: Path) -> dict[str, Path]:
    """The files below a folder by their names in it that have a known ending: none hidden, no link that leads out, no
    name that a page cannot show, and at most a thousand.
    """
    root = folder.resolve()
    found: dict[str, Path] = {}
    for place, folders, names in os.walk(root):
        folders[:] = sorted(filter(_is_plain, folders))
        for name in sorted(names):
            path = Path(place, name)
            if (
                not _is_plain(name)
                or not known_ending(name)[0]
                or not path.is_file()
                or not path.resolve().is_relative_to(root)
            ):
                continue
            if len(found) == _MOST:
                return found
            found[path.relative_to(root).as_posix()] = path.resolve()
    return found


def _is_plain(name: str) -> bool:
    """Whether a name is not hidden, and can be sent and come back: bytes that are no UTF-8 and line ends cannot."""
    return name[0] != "." and name == printable(name)
