"""How far a command is, and silence: `--progress` and `--quiet`."""

from __future__ import annotations

import json
import os
import pty
from contextlib import closing

import pytest

from hepad.cli.progress import counts, saying
from hepad.errors import UsageError


def test_lines_of_json_count_to_the_end(run, examples, tmp_path):
    files = [examples / "a4l.h5", examples / "h0.h5"]
    words = ["score", *files, "-m", "dnn_ae", "--step-size", "1000"]
    said = run(*words, "--progress", "json", "-q", "-o", "a.root")
    assert said.stdout == ""
    lines = [json.loads(line) for line in said.stderr.splitlines()]
    done = [line["done"] for line in lines]
    assert {line["progress"] for line in lines} == {"scoring"}
    assert done == sorted(done)
    assert done[-1] == lines[-1]["of"] == 6718
    assert all(line["of"] >= line["done"] for line in lines)
    quiet = run(*words, "-q", "--json", "-o", "b.root")
    assert json.loads(quiet.stdout)["output"] == "b.root"
    assert quiet.stderr == ""
    assert (tmp_path / "a.root").read_bytes() == (tmp_path / "b.root").read_bytes()
    assert run("score", files[0], "-m", "dnn_ae", "--progress", "loud", code=2).stderr.endswith(
        "--progress 'loud': choose one of auto, bar, json, none\n"
    )


FITS = {
    "bumphunt --function dijet3 --toys 200 --inject 3000:0.05:100:200": {
        "background toys": 200,
        "toys with signal": 2000,
    },
    "fit --function dijet3 --order auto --toys 100": {"toys of dijet3": 100},
    "spurious --function dijet3 --function dijet4 --masses 2000,3000 --truth dijet4": {"masses": 4},
    "inject --function dijet3 --mass 2500 --float none --yield 1000 --yield 2000 --experiments 9": {"fits": 18},
}


@pytest.mark.parametrize("words", FITS)
def test_fits_count_what_they_throw_and_give_the_same(run, examples, words):
    verb, *options = words.split()
    command = [verb, examples / "atlas_dijet_139fb.csv", *options, "--range", "1500:6000", "--json"]
    said = run(*command, "--progress", "json")
    lines = [json.loads(line) for line in said.stderr.splitlines() if line.startswith("{")]
    assert lines[0]["done"] == 0
    assert {line["progress"]: line["of"] for line in lines if line["done"] == line["of"]} == FITS[words]
    assert said.stdout == run(*command).stdout


def test_what_is_shown_where(capsys, monkeypatch):
    monkeypatch.setattr("hepad.cli.progress.time.monotonic", lambda: 1.0)  # else "too soon" were the machine's to say

    def shown(kind: str, *, quiet: bool = False) -> str:
        with saying(kind, quiet=quiet), counts("trainings", "epochs") as (trainings, epochs):
            trainings.set(0, 3)
            epochs.set(0, 10, what="net-1")
            epochs.add(4)
            epochs.set(10, note="loss 0.1")
        return capsys.readouterr().err

    assert shown("auto") == shown("none") == ""  # no terminal
    lines = [json.loads(line) for line in shown("json", quiet=True).splitlines()]
    assert [(line["progress"], line["done"], line["of"]) for line in lines] == [
        ("trainings", 0, 3),
        ("net-1", 0, 10),
        ("net-1", 10, 10),  # the one between came too soon
    ]
    assert lines[-1]["note"] == "loss 0.1"
    ours, theirs = pty.openpty()
    with closing(os.fdopen(ours, "rb", buffering=0)) as master, os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        shown("auto")
        terminal.flush()
        written = master.read(1 << 16).decode()
    assert "net-1" in written
    assert "10/10" in written
    assert "loss 0.1" in written


def test_a_kind_of_progress_ends_with_its_command():
    with pytest.raises(UsageError, match="choose one of"), saying("loud"):
        pass
    with saying("json"), saying("none"):
        pass
    with counts("events") as (events,):
        events.add(1)
    assert events.done == 1
