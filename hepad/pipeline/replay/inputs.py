"""The files of a recorded command: found by name and sha256, and put where its words say."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from hepad.errors import InputDataError
from hepad.io.object_folder import objects_at
from hepad.provenance import folder_record, sha256_file

__all__ = ["find_inputs", "stage"]

_CARDS = (".json", ".yaml", ".yml")
"""Cards, and what they name, are copied and not linked: no link may lead out of the folder of a card."""

_PLACE = re.compile(r"\{\{|\}\}|\{(\d+(?:,\d+)*,?)\}")


def find_inputs(records: Sequence[Mapping[str, Any]], folders: Sequence[Path], deep: Sequence[Path] = ()) -> list[Path]:
    """The path of each file or folder recorded: of its name and content, in `folders` or anywhere below one of `deep`.

    `InputDataError` lists those that are not there, and those whose content is another.
    """
    found: list[Path] = []
    wrong: list[str] = []
    below = _Below(deep)
    hashes: dict[Path, str] = {}
    for record in records:
        name, sha256 = record["name"], record.get("sha256")
        candidates = [folder / name for folder in folders if (folder / name).exists()] or below.named(name)
        if sha256 is None and candidates:  # it could not be read, and was left out
            found.append(candidates[0])
            continue
        for path in dict.fromkeys(candidates):
            if path not in hashes:
                hashes[path] = folder_record(path)["sha256"] if path.is_dir() else sha256_file(objects_at(path) or path)
            if hashes[path] == sha256:
                found.append(path)
                break
        else:
            wrong.append(
                f"{candidates[0]} has sha256 {hashes[candidates[0]][:12]}..., not {str(sha256)[:12]}... as then"
                if candidates
                else f"{name} is in none of {', '.join(map(str, dict.fromkeys([*folders, *deep])))}"
            )
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise InputDataError(f"inputs: {'; '.join(wrong[:3])}{more}; give their folder with --inputs")
    return found


class _Below:
    """Files and folders by name, anywhere below some folders, which are walked through once and only if needed."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._by_name: dict[str, list[Path]] | None = None

    def named(self, name: str) -> list[Path]:
        """All paths that end in `name`, which may have a folder in it."""
        if self._by_name is None:
            self._by_name = {}
            for folder in self._folders:
                for parent, folders, files in os.walk(folder):
                    for one in (*folders, *files):
                        self._by_name.setdefault(one, []).append(Path(parent, one))
        return sorted(p for p in self._by_name.get(Path(name).name, []) if p.as_posix().endswith(f"/{name}"))


def stage(words: Sequence[str], records: Sequence[Mapping[str, Any]], paths: Sequence[Path], folder: Path) -> list[str]:
    """The words with the places of files filled in; the files are linked below `folder`, which is empty.

    Each file has a folder of its own, as two may have one name; those that a word wants together are together.
    """
    together = {
        _numbers(match[1])
        for word in words
        for match in _PLACE.finditer(word)
        if match[1] is not None and "," in match[1]
    }
    places: dict[int, Path] = {}
    texts: dict[tuple[int, ...], str] = {}
    for index, numbers in enumerate(sorted(together)):
        names = [records[number]["name"] for number in numbers]
        flat = all(a < b for a, b in pairwise(names))
        base = folder / f"together{index}"
        for order, number in enumerate(numbers):
            places[number] = (base if flat else base / f"{order:06d}") / names[order]
        texts[numbers] = str(base if flat else base / "*")
        copy = any(name.endswith(_CARDS) for name in names)
        for number in numbers:
            _put(paths[number], places[number], copy=copy)
    for number, path in enumerate(paths):
        if number not in places:
            places[number] = folder / f"{number:06d}" / records[number]["name"]
            _put(path, places[number], copy=path.name.endswith(_CARDS))

    def filled(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        numbers = _numbers(match[1])
        return texts[numbers] if "," in match[1] else str(places[numbers[0]])

    return [_PLACE.sub(filled, word) for word in words]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(",") if number)


def _put(path: Path, place: Path, *, copy: bool) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if not copy:
        place.symlink_to(path.absolute())
    elif path.is_dir():
        shutil.copytree(path, place)
    else:
        shutil.copy(path, place)
