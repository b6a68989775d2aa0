"""What a study leaves in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from hepad.errors import OutputError
from hepad.output.atomic import check_files, check_folder, check_place
from hepad.output.owned import SUMS

__all__ = ["FIGURES", "TRAININGS", "VERB", "check_output"]

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
    check_files(output, files, verb=verb)
