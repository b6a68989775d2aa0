"""`hepad examples`: what the help speaks of is there for whoever installed a wheel."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess

import typer

from hepad.cli.main import app


def test_examples_are_written_and_not_over_what_was_changed(run, tmp_path, examples):
    assert "files into examples" in run("examples").stdout
    there = {path.relative_to(tmp_path).as_posix(): path for path in (tmp_path / "examples").rglob("*")}
    assert there["examples/data/h0.h5"].read_bytes() == (examples / "h0.h5").read_bytes()
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path / "examples", check=True)
    run("examples")
    (tmp_path / "examples/quickstart.md").write_text("mine")
    assert "holds quickstart.md" in run("examples", code=2).stderr
    other = json.loads(run("examples", "-o", "other", "--json").stdout)
    assert sorted(f"examples/{name}" for name in other["files"]) == sorted(
        name for name, path in there.items() if path.is_file() and path.name != "SHA256SUMS"
    )


def test_a_full_disk_is_told_in_one_line(run, tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), source, None, target)

    monkeypatch.setattr("shutil.copyfile", full)
    expected = "hepad: cannot write examples: No space left on device; free space or change -o\n"
    assert run("examples", code=2).stderr == expected
    assert list(tmp_path.iterdir()) == []


def test_help_speaks_of_files_that_are_written(examples):
    spoken = set()
    for command in typer.main.get_command(app).commands.values():
        for each in (command, *getattr(command, "commands", {}).values()):
            spoken |= set(re.findall(r"examples/[\w/.]+\.\w+", each.help or ""))
    assert len(spoken) > 8
    assert sorted(name for name in spoken if not (examples.parent.parent / name).is_file()) == []
