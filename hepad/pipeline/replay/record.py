"""The provenance that an output carries, whatever kind of output it is, and which output it is a part of."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepad.errors import InputDataError
from hepad.output.record import record_of
from hepad.pipeline.replay.former import record_of_today

__all__ = ["AGAIN", "Origin", "find_origin", "provenance_of"]

AGAIN = "make it once more with this version of hepad, from the command line, and it can be replayed"
"""What to do about an output whose record is not enough."""
_FILES = {"analysis pack": 2, "discovery": 1, "hist": 1, "score": 1, "vectorize": 1}
"""The commands that write single files, with the number of their words; all others write folders."""


@dataclass(frozen=True)
class Origin:
    """Where an output came from: the `record`, and the output of the command, the file or a folder around it."""

    record: dict[str, Any]
    root: Path

    @property
    def arguments(self) -> tuple[str, ...]:
        """The words of the command, with places for files."""
        return tuple(self.record["arguments"]["words"])

    @property
    def files(self) -> tuple[Mapping[str, Any], ...]:
        """The records of the files by their places."""
        return (*self.record["inputs"], *self.record["arguments"]["files"])


def find_origin(output: Path) -> Origin:
    """The origin of an output: that of its own record, or of a folder that it is a part of.

    `InputDataError` if there is no record, or none of the whole command.
    """
    if not output.exists():
        raise InputDataError(f"{output}: no such file or folder")
    output = output.absolute()
    own = _complete(provenance_of(output))
    if own is not None and _writes_file(own):
        return Origin(own, output)
    found = None if own is None else Origin(own, output)
    for folder in [*([] if output.is_dir() else [output.parent]), *output.parents[:3]]:
        record = _complete(provenance_of(folder))
        if record is None or _writes_file(record):
            continue
        if found is None or record["arguments"] == found.record["arguments"]:
            found = Origin(record, folder)
    if found is not None:
        return found
    if own is None and provenance_of(output) is None:
        raise InputDataError(f"{output}: no provenance of hepad in it")
    raise InputDataError(f"{output}: its provenance does not hold the whole command; {AGAIN}")


def provenance_of(output: Path) -> dict[str, Any] | None:
    """The provenance in a file, or in a JSON file of a folder; None if there is none. `InputDataError` if damaged."""
    if output.is_dir():
        files = [path for path in sorted(output.glob("*.json")) if path.is_file()]  # a pipe would be waited for
        found = [record for path in files if (record := _of_json(path)) is not None]
        return next((record for record in found if "arguments" in record), found[0] if found else None)
    return record_of(output)


def _of_json(path: Path) -> dict[str, Any] | None:
    with suppress(InputDataError):  # what lies beside an output need not be ours
        return provenance_of(path)
    return None


def _complete(record: dict[str, Any] | None) -> dict[str, Any] | None:
    """The record, with options as they are called now, if it has the words of the command.

    `InputDataError` if they are not what hepad writes.
    """
    if record is None or "arguments" not in record:
        return None
    arguments, inputs = record["arguments"], record.get("inputs")
    words, files = (arguments.get(key) if isinstance(arguments, dict) else None for key in ("words", "files"))
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise InputDataError("the arguments in its provenance are damaged")
    if not isinstance(inputs, list) or not isinstance(files, list) or not all(map(_is_file, [*inputs, *files])):
        raise InputDataError("the records of files in its provenance are damaged")
    return record_of_today(record)


def _is_file(record: Any) -> bool:
    """Whether it is the record of a file; one that could not be read and was left out has no sha256."""
    if not isinstance(record, dict) or not isinstance(record.get("name"), str):
        return False
    return isinstance(record.get("sha256"), str) or "skipped" in record


def _writes_file(record: Mapping[str, Any]) -> bool:
    words = record["arguments"]["words"]
    return any(" ".join(words[:count]) == verb for verb, count in _FILES.items())
