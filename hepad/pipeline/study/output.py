"""What a study leaves in its folder: pages, figures and tables, whole or not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from hepad.errors import OutputError
from hepad.output.atomic import atomic_path, check_folder, check_place, is_replacing
from hepad.output.owned import SUMS, foreign_files, free_name, sums_text

__all__ = ["FIGURES", "TRAININGS", "VERB", "check_output", "write_files"]

VERB = "study"
FIGURES = "figures"
TRAININGS = "trainings"


def check_output(output: Path, files: Sequence[str], *, verb: str = VERB) -> None:
    """Refuse a folder with anything in it that a study does not write; leftovers of a killed run are ours."""
    check_place(output)
    if not output.name or not output.absolute().parent.is_dir():
        raise OutputError(f"cannot write {output}: folder {output.parent} does not exist; create it or change -o")
    if not output.exists():
        return
    if not output.is_dir():
        raise OutputError(f"{output} is a file; give another name with -o")
    kept = (f"{name}.~*~" for name in files)
    begun = (f".{name.partition('.')[0]}.*" for name in files)
    ours = (TRAININGS, FIGURES, *files, *kept, SUMS, f".{FIGURES}.*", *begun, f".{SUMS}*")
    for path in sorted(output.iterdir()):
        if not any(fnmatchcase(path.name, pattern) for pattern in ours):
            raise OutputError(
                f"{output} holds {path.name}, which hepad did not write; move it or give another name with -o"
            )
    check_folder(output / FIGURES, verb=verb)
    foreign = [name for name in foreign_files(output, verb) if name in files]
    if foreign and not is_replacing():
        raise OutputError(
            f"{output} holds {foreign[0]}, which hepad did not write there, or not as it is now; move it, give another "
            "name with -o, or add --force, which keeps it there"
        )


def write_files(output: Path, texts: Mapping[str, str], *, verb: str = VERB) -> None:
    """Write texts by the names of their files, and what says that they are ours; foreign files are kept."""
    for name in foreign_files(output, verb):
        if name in texts:
            (output / name).rename(free_name(output / name))
    for file, text in texts.items():
        with atomic_path(output / file) as path:
            path.write_text(text, encoding="utf-8")
    with atomic_path(output / SUMS) as path:
        path.write_text(sums_text(verb, output, tuple(texts)), encoding="utf-8")
