"""Make an output again from its provenance, and compare."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hepad
from hepad.errors import CheckFailedError, HepadError, InputDataError, OutputError
from hepad.output.atomic import check_place
from hepad.pipeline.replay.compare import Comparison, compare
from hepad.pipeline.replay.inputs import find_inputs, stage
from hepad.pipeline.replay.record import AGAIN, Origin, find_origin, provenance_of
from hepad.provenance import provenance

__all__ = ["ReplayFailedError", "ReplayOptions", "ReplayReport", "replay"]


class ReplayFailedError(HepadError):
    """The recorded command ended without its output; the exit code is that of the command."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """`inputs` are folders below which input files are looked for, beside the working folder and the output's.

    `keep` is where the new output shall stay; nothing may be there.
    """

    inputs: tuple[Path, ...] = ()
    keep: Path | None = None


@dataclass(frozen=True)
class ReplayReport:
    """The command that ran, what is another version now, what else the records differ in, and the comparison."""

    output: Path
    command: str
    versions: dict[str, tuple[str | None, str | None]]
    record: tuple[str, ...]
    comparison: Comparison
    kept: Path | None

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types; `versions` maps names to what they were and are."""
        return {
            "output": str(self.output),
            "command": self.command,
            "status": self.comparison.status,
            "files": self.comparison.files,
            "other_bytes": list(self.comparison.other_bytes),
            "differences": [difference.to_json() for difference in self.comparison.differences],
            "versions": {name: list(pair) for name, pair in self.versions.items()},
            "record": list(self.record),
            "kept": None if self.kept is None else str(self.kept),
        }

    def check(self) -> None:
        """Raise `CheckFailedError` if the content is different."""
        found = self.comparison.differences
        if found:
            more = f", and {len(found) - 1} more" if len(found) > 1 else ""
            raise CheckFailedError(f"{self.output} is not what its command makes now: {found[0]}{more}")


def replay(output: Path, *, options: ReplayOptions | None = None) -> ReplayReport:
    """Run the command that an output's provenance records, in a process and a folder of its own, and compare.

    The output may be a file, a folder, or a part of one, and is never written to. `InputDataError` if it has no record
    of the command or an input cannot be found as it was, `ReplayFailedError` if the command fails.
    A difference is no error here: `ReplayReport.check` makes it one.
    """
    options = options or ReplayOptions()
    origin = find_origin(output)
    _check_keep(options.keep)
    folders = list(dict.fromkeys([Path.cwd(), output.absolute().parent, origin.root.parent, *options.inputs]))
    paths = find_inputs(origin.files, folders, options.inputs)
    # What is kept gets its name by a rename.
    beside = None if options.keep is None else options.keep.absolute().parent
    with tempfile.TemporaryDirectory(prefix=".hepad-replay.", dir=beside) as temporary:
        folder = Path(temporary).resolve()
        for name in ("inputs", "output", "work"):
            (folder / name).mkdir()
        words = stage(origin.arguments, origin.files, paths, folder / "inputs")
        made = folder / "output" / origin.root.name
        _run([*words, "--output", str(made)], folder / "work", made)
        part = output.absolute().relative_to(origin.root)
        if not (made / part).exists():
            raise CheckFailedError(f"{output}: its command makes no {part}")
        comparison = compare(output, made / part)
        changes = _changes(origin, made)
        if options.keep is not None:
            made.replace(options.keep)
    return ReplayReport(output, origin.record["command"], _versions(origin.record), changes, comparison, options.keep)


def _check_keep(keep: Path | None) -> None:
    if keep is None:
        return
    if keep.exists() or keep.is_symlink():
        raise OutputError(f"{keep} exists; give a new name with -o")
    if not keep.absolute().parent.is_dir():
        raise OutputError(f"cannot write {keep}: folder {keep.parent} does not exist; create it or change -o")
    check_place(keep)


def _run(words: list[str], work: Path, made: Path) -> None:
    """Run `hepad` in the folder `work`, empty so that no name is taken for a file; `made` must be there afterwards."""
    paths = [str(Path(hepad.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(  # noqa: S603  hepad itself, no shell
        [sys.executable, "-m", "hepad", *words],
        cwd=work,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if not made.exists():
        if any(word == "-" or word.endswith("=-") for word in words):  # what older versions recorded of some options
            raise InputDataError(f"names of its files came from stdin, and its provenance does not hold them; {AGAIN}")
        said = done.stderr.strip().replace(f"{work.parent}{os.sep}", "") or "no output"
        raise ReplayFailedError(f"the command failed with exit code {done.returncode}: {said}", done.returncode or 1)


def _versions(record: Mapping[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    """What has another version than then; None where something was or is not there."""
    then, now = _all_versions(record), _all_versions(provenance("", arguments=False))
    return {name: (then.get(name), now.get(name)) for name in {**then, **now} if then.get(name) != now.get(name)}


def _all_versions(record: Mapping[str, Any]) -> dict[str, str]:
    packages = record.get("packages", {})
    return {"hepad": str(record["hepad"]), "python": str(record.get("python")), **packages}


def _changes(origin: Origin, made: Path) -> tuple[str, ...]:
    """What else than versions the two records differ in: cards that changed with hepad, say."""
    new = provenance_of(made) or {}
    changes = [
        f"{key} of the record" for key in ("command", "arguments", "seed", "inputs") if _differ(key, origin, new)
    ]
    then, now = origin.record.get("cards", {}), new.get("cards", {})
    return (*changes, *(name for name in {**then, **now} if then.get(name) != now.get(name)))


def _differ(key: str, origin: Origin, new: Mapping[str, Any]) -> bool:
    return bool(origin.record.get(key) != new.get(key))
