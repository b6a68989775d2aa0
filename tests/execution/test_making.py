"""The life of an output: complete before, or made; what of it must agree, and what may be anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hepad.errors import InputDataError
from hepad.execution.making import Making
from hepad.output.complete import stored_record


def described(records: Sequence[dict[str, Any]], version: str = "1") -> dict[str, Any]:
    return {"hepad": version, "inputs": list(records)}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for name in "ab":
        (tmp_path / name).write_text(name)
    return [tmp_path / name for name in "ab"]


def test_a_complete_output_of_the_same_call_is_taken(files: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "out"
    making = Making.of(output, files, described)
    read = partial(lambda folder, names: stored_record(folder / "record.json", names), names=("other",))
    assert making.before(read=read) is None
    output.mkdir()
    (output / "other").touch()
    record = output / "record.json"
    for content in ("", "[]", "{}", '{"provenance": {"inputs": [1]}}', '{"provenance": {"inputs": [{"name": "a"}]}}'):
        record.write_text(content)
        assert making.before(read=read) is None, content
    for reasons in ({}, {1: "cut off"}):  # which files were left out is no part of the comparison
        stored = making.description(reasons)
        assert ("skipped" in stored["inputs"][1]) == bool(reasons)
        record.write_text(json.dumps({"provenance": stored, "x": 1}))
        assert making.before(read=read) == {"provenance": stored, "x": 1}
    assert Making.of(output, files, described, again=True).before(read=read) is None
    assert Making.of(output, files, partial(described, version="2")).before(read=read) is None
    assert Making.of(output, files[:1], described).before(read=read) is None
    (output / "other").unlink()
    assert making.before(read=read) is None
    assert Making.of(None, files, described).before(read=read) is None


def test_several_outputs_are_complete_together(files: list[Path], tmp_path: Path) -> None:
    making = Making.of(tmp_path / "out", files, described)
    targets = (tmp_path / "out.root", tmp_path / "out.json")
    now = making.description()
    seen = {targets[0]: (now, "first"), targets[1]: (now, "last")}
    targets[0].touch()
    assert making.before(*targets, read=seen.__getitem__) is None
    targets[1].touch()
    assert making.before(*targets, read=seen.__getitem__) == "last"
    seen[targets[0]] = ({**now, "hepad": "0"}, "first")
    assert making.before(*targets, read=seen.__getitem__) is None


def test_a_file_that_changes_while_it_is_read_is_told(files: list[Path], tmp_path: Path) -> None:
    making = Making.of(tmp_path / "out", files, described)
    assert [one["name"] for one in making.description()["inputs"]] == ["a", "b"]
    files[0].write_text("longer than before")
    with pytest.raises(InputDataError, match="changed while it was read"):
        making.description()
