"""What an output may take the place of, as users meet it."""

from __future__ import annotations

import json
import re

import pytest
import typer

from hepad.cli.main import app

LIMIT = ("limit", "--signal", 9, "--background", 50, "--data", 55)


def with_output() -> dict[str, bool]:
    """The commands that write an output, and whether they have --force."""
    found, groups = {}, [("", typer.main.get_command(app))]
    for before, group in groups:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                groups.append((f"{name} ", command))
            names = {param.name for param in command.params}
            if "output" in names:
                found[before + name] = "force" in names
    return found


def test_every_command_that_may_replace_something_has_force():
    found = with_output()
    assert {name for name, force in found.items() if not force} == {"analysis unpack", "replay"}
    assert {"score", "limit", "fit", "analysis pack", "study", "latency"} <= found.keys()


@pytest.mark.usefixtures("unrendered")
def test_a_report_of_the_users_own_is_not_lost(run, tmp_path):
    folder = tmp_path / "spec"
    folder.mkdir()
    (folder / "limit.json").write_text("mine")
    said = run(*LIMIT, "-o", "spec", code=2)
    assert said.stderr.startswith("hepad: spec holds limit.json, which hepad did not write")
    assert (said.stdout, [path.name for path in folder.iterdir()]) == ("", ["limit.json"])
    run(*LIMIT, "-o", "spec", "--force")
    assert (folder / "limit.json.~1~").read_text() == "mine"
    first = json.loads((folder / "limit.json").read_text())
    assert first["provenance"]["command"].startswith("hepad limit")
    assert "--force" not in first["provenance"]["arguments"]["words"]
    run(*LIMIT, "-o", "spec", code=2)  # what was kept is still there
    (folder / "limit.json.~1~").unlink()
    run(*LIMIT[:-1], 56, "-o", "spec")  # the command's own needs no force
    assert json.loads((folder / "limit.json").read_text()) != first


@pytest.mark.usefixtures("unrendered")
def test_an_output_of_another_command_is_not_replaced(run, tmp_path, examples):
    run(*LIMIT, "-o", "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for words in (
        ("fit", examples / "cms_dijet_137fb.csv", "--function", "dijet3"),
        ("reinterpret", examples / "wprime_xy_3p5tev.root", "--analysis", "cms_2019_dijet", "--xsec", 0.1),
        ("train", examples / "background.h5", "--model", "dnn_ae"),
        ("explain", examples / "a4l.h5", "--model", "dnn_ae"),
    ):
        assert "out holds limit.csv, which hepad did not write" in run(*words, "-o", "out", code=2).stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_file_of_another_command_is_not_replaced(run, tmp_path, examples):
    score = ("score", examples / "w_lnu.root", "--model", "dnn_ae", "--max-events", 100, "-o", "x.root")
    (tmp_path / "x.root").write_bytes((examples / "w_lnu.root").read_bytes())
    assert "x.root is there, and 'hepad score' did not write it" in run(*score, code=2).stderr
    run(*score, "--force")
    assert (tmp_path / "x.root.~1~").read_bytes() == (examples / "w_lnu.root").read_bytes()
    assert "complete already" in run(*score).stderr
    hist = ("hist", examples / "w_lnu.root", "--mass", "jet1+jet2", "--selection", "adc2021", "--edges", "0,1000")
    assert "'hepad hist' did not write it" in run(*hist, "-o", "x.root", code=2).stderr
    run(*score[:-3], 50, "-o", "x.root")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.root", "x.root.~1~"]


@pytest.mark.parametrize("place", ["l", "/proc/x", "/dev/x.root"])
def test_links_and_devices_are_refused_before_the_work(run, tmp_path, examples, place):
    (tmp_path / "e").mkdir()
    (tmp_path / "l").symlink_to("e")
    said = "l is a (link|folder)" if place == "l" else "cannot write there"
    for words in (LIMIT, ("score", examples / "w_lnu.root", "--model", "dnn_ae")):
        for more in ((), ("--force",)):
            done = run(*words, "-o", place, *more, code=2)
            assert done.stdout == ""
            assert re.search(said, done.stderr)
    assert not any((tmp_path / "e").iterdir())


@pytest.mark.parametrize(
    "name", ["a|b", "a\n# Verdict: excluded", "<img src>", "[x](y)", "a/b", "", "-a", "background"]
)
def test_names_of_signals_are_names(run, examples, name):
    words = ("evaluate", "--background", examples / "background.h5", "--model", "dnn_ae", "-o", "ev")
    assert "write NAME=FILE, with a NAME of letters" in run(*words, "--signal", f"{name}=h0.h5", code=2).stderr


def test_a_folder_beside_a_bundle_is_not_cleared(run, tmp_path, examples):
    notes = tmp_path / "b.checkpoint" / "state.json"
    notes.parent.mkdir()
    notes.write_text("mine")
    words = ("train", examples / "background.h5", "--model", "dnn_ae", "-o", "b", "--restart", "--force")
    assert "b.checkpoint/state.json is in the way: hepad did not make it" in run(*words, code=2).stderr
    assert notes.read_text() == "mine"
