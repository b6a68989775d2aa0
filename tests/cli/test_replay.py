"""`hepad replay`: outputs are made in this process, and again by replay, in a process of its own in some tests.

To start one takes longer than most of these commands.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

from hepad.cli.arguments import EVENT_FILES, PATHS, names_from_stdin
from hepad.cli.main import app
from hepad.errors import UsageError
from hepad.pipeline.replay.compare import compare

ROOT = Path(__file__).resolve().parent.parent.parent

Call = Callable[..., Result]

SCORE = ("score", "in/w_lnu.root", "--model", "dnn_ae", "--max-events", 300, "--region", "half=efficiency:0.5")

LOOK = ("--figures", "pdf", "--label", "x", "--style", "cms", "--title", "Data=Events")


@pytest.fixture
def call(tmp_path: Path, examples: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command in this process, in an empty folder but for `in`, which is that of the examples."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").symlink_to(examples)

    def invoke(*words: object, code: int = 0) -> Result:
        result = CliRunner().invoke(app, [*map(str, words)])
        assert result.exit_code == code, result.output
        return result

    return invoke


def replayed(call: Call, *words: object, code: int = 0) -> dict[str, Any]:
    result = call("replay", *words, "--json", code=code)
    content: dict[str, Any] = json.loads(result.stdout)
    return content


def test_the_same_bytes_again(call: Call, tmp_path: Path) -> None:
    """Whatever lies beside the output: a pipe is not waited for."""
    os.mkfifo(tmp_path / "pipe.json")
    call("vectorize", "in/h0.h5", "--order", "jets:2,met", "--max-events", 50, "-o", "v.h5")
    found = replayed(call, "v.h5", "--inputs", "in")
    assert found["status"] == "identical"
    assert found["differences"] == found["record"] == []
    assert found["versions"] == {}


@pytest.mark.usefixtures("replay_here")
@pytest.mark.parametrize(
    ("files", "words"),
    [
        (6, ("bumphunt", "in/atlas_dijet_139fb.csv", "--reference", "--toys", 5, "--width-max", 4, *LOOK)),
        (3, ("train", "in/background.h5", "--model", "dnn_ae", "--epochs", 1, "--batch-size", 500)),
        (6, ("limit", "--signal", 30, "--background", 50, "--data", 45, "--calculator", "asymptotic")),
    ],
)
def test_results_and_figures(call: Call, files: int, words: tuple[Any, ...]) -> None:
    call(*words, "-o", "out")
    found = replayed(call, "out", "--inputs", "in")
    assert (found["status"], found["files"]) == ("identical", files)


@pytest.mark.usefixtures("replay_here", "unrendered")
def test_a_bundle_by_its_path(call: Call, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "hepad" / "data" / "bundles" / "dnn_ae", tmp_path / "mine" / "bundle")
    few = ("--bootstrap", 2, "--aso-subsets", 0, "--fpr", 0.1, "--max-events", 400, "--recorded")
    call("evaluate", "-b", "in/background.h5", "--signal", "a=in/a4l.h5", "-m", "b=mine/bundle", *few, "-o", "report")
    report = tmp_path / "report" / "report.json"
    record = json.loads(report.read_text())["provenance"]["arguments"]
    assert record["words"][5:7] == ["--model", "b={2}"]
    assert [(file["name"], file["folder"]) for file in record["files"]] == [("bundle", True)]
    old = report.read_text().replace("--recorded", "--data")  # as versions before it was called otherwise wrote it
    assert old.count("--data") == 2
    report.write_text(old)
    found = replayed(call, "report/report.json", "--inputs", "in", "--inputs", "mine")
    assert (found["status"], found["record"]) == ("equal", [])
    assert found["command"].startswith("hepad evaluate --recorded --background ")


@pytest.mark.usefixtures("replay_here")
def test_scores_and_histograms_of_them(call: Call, tmp_path: Path) -> None:
    call(*SCORE, "-o", "s.root")
    call("hist", "in/w_lnu.root", "--scores", "s.root", "--mass", "jet1+jet2", "--bins", 7, "-o", "h.json")
    for output in ("s.root", "h.json"):
        before = (tmp_path / output).read_bytes()
        assert replayed(call, output, "--inputs", "in")["differences"] == []
        assert (tmp_path / output).read_bytes() == before
    (first, *_) = json.loads((tmp_path / "h.json").read_text()).values()
    told = first["metadata"]["provenance"]["arguments"]
    assert told == {
        "words": ["hist", "{0}", "--mass", "jet1+jet2", "--scores", "{1}", "--bins", "7"],
        "files": [],
    }


@pytest.mark.usefixtures("replay_here")
def test_a_search_of_ones_own_and_a_table_of_points(call: Call, tmp_path: Path, search_card: str) -> None:
    """A card brings along what it names; the folder of an output is made again wherever a part of it is asked for."""
    (tmp_path / "cards" / "sub").mkdir(parents=True)
    shutil.copy(ROOT / "selections" / "adc2021.yaml", tmp_path / "cards" / "sub" / "own.yaml")
    own = search_card.replace("selection: adc2021", "selection: sub/own.yaml")
    (tmp_path / "cards" / "search.yaml").write_text(own.partition("fits:")[0])
    (tmp_path / "points.csv").write_text("mass_gev,file,cross_section_pb\n80,in/w_lnu.root,0.05\n")
    few = ("--points", "points.csv", "--max-events", 50)
    call("reinterpret", "--analysis", "cards/search.yaml", *few, "-o", "out")
    (tmp_path / "points.csv").unlink()
    record = json.loads((tmp_path / "out" / "reinterpret.json").read_text())["provenance"]["arguments"]
    words = ["reinterpret", "--analysis", "{1,2}/search.yaml", "--point", "80.0={0}@0.05", "--max-events", "50"]
    assert record["words"] == words
    assert [file["name"] for file in record["files"]] == ["search.yaml", "sub/own.yaml"]
    found = replayed(call, "out/cutflow.png", "--inputs", "in", "--inputs", "cards")
    assert (found["status"], found["files"]) == ("identical", 1)


def test_as_a_user_does_it(process, run, examples: Path, tmp_path: Path) -> None:
    """A changed value is found and told, the new output can be kept, the old one stays as it is."""
    run("score", examples / "w_lnu.root", *SCORE[2:], "-o", "s.parquet")
    first = (tmp_path / "s.parquet").read_bytes()
    table = pq.read_table(tmp_path / "s.parquet")
    weights = table["weight"].to_numpy().copy()
    weights[[3, 5]] *= 1.5
    place = table.schema.get_field_index("weight")
    kept = {"provenance": pq.read_metadata(tmp_path / "s.parquet").metadata[b"provenance"]}
    table = table.set_column(place, "weight", [weights]).replace_schema_metadata(kept)
    pq.write_table(table, tmp_path / "s.parquet")
    changed = (tmp_path / "s.parquet").read_bytes()
    result = process("replay", "s.parquet", "--inputs", examples, "-o", "kept.parquet", code=7)
    assert "s.parquet: weight: 2 of 300 differ, by up to" in result.stdout
    assert "(relative 0.333)" in result.stdout
    assert "hepad: s.parquet is not what its command makes now" in result.stderr
    assert (tmp_path / "s.parquet").read_bytes() == changed
    assert (tmp_path / "kept.parquet").read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.parquet", "s.parquet"]


def test_what_stands_in_the_way(call: Call, tmp_path: Path, examples: Path) -> None:
    """Each before anything is run."""
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "mine" / "x.h5").write_bytes((examples / "h0.h5").read_bytes())
    call("vectorize", "mine/x.h5", "--max-events", 20, "-o", "v.npz")
    assert "x.h5 is in none of" in call("replay", "v.npz", code=4).stderr
    (tmp_path / "other" / "x.h5").write_bytes((examples / "a4l.h5").read_bytes())
    assert "x.h5 has sha256" in call("replay", "v.npz", "--inputs", "other", code=4).stderr
    (tmp_path / "kept").touch()
    assert "exists" in call("replay", "v.npz", "--inputs", "mine", "-o", "kept", code=2).stderr
    assert "no such file" in call("replay", "nothing.root", code=4).stderr
    assert "no provenance" in call("replay", "in/w_lnu.root", code=4).stderr
    with np.load(tmp_path / "v.npz") as stored:
        info = json.loads(str(stored["provenance"]))
    del info["provenance"]["arguments"]
    np.savez(tmp_path / "old.npz", provenance=json.dumps(info))
    assert "does not hold the whole command" in call("replay", "old.npz", "--inputs", "mine", code=4).stderr
    info["provenance"]["arguments"] = {"words": [1]}
    np.savez(tmp_path / "bad.npz", provenance=json.dumps(info))
    assert "damaged" in call("replay", "bad.npz", "--inputs", "mine", code=4).stderr


HIST = ("hist", "in/w_lnu.root", "--selection", "adc2021", "--mass", "jet1+jet2", "--bins", 7, "-o", "h.json")


@pytest.mark.usefixtures("replay_here")
def test_another_version_is_told_and_another_number_found(call: Call, tmp_path: Path) -> None:
    call(*HIST)
    path = tmp_path / "h.json"
    content = json.loads(path.read_text())
    ((name, plain),) = content.items()
    plain["metadata"]["provenance"]["packages"]["numpy"] = "1.0"
    path.write_text(json.dumps(content))
    result = call("replay", "h.json", "--inputs", "in")
    assert "warning: numpy was 1.0, is" in result.stderr
    assert "equal in content: 1 file, other bytes in h.json" in result.stdout
    plain["storage"]["values"][3] += 2.0
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(content))
    (difference,) = compare(path, changed).differences
    assert (difference.file, difference.where, difference.absolute) == ("h.json", f"{name}.storage.values", 2.0)


def test_names_from_stdin_are_recorded(call: Call, tmp_path: Path) -> None:
    words = ["vectorize", "-", "in/a4l.h5", "--max-events", "5", "-o", "v.npz"]
    result = CliRunner().invoke(app, words, input="in/h0.h5\n\nin/lq.h5\n")
    assert result.exit_code == 0, result.output
    with np.load(tmp_path / "v.npz") as stored:
        record = json.loads(str(stored["provenance"]))["provenance"]
    assert record["arguments"]["words"] == ["vectorize", "{0}", "{1}", "{2}", "--max-events", "5"]
    assert [one["name"] for one in record["inputs"]] == ["h0.h5", "lq.h5", "a4l.h5"]


def test_a_sample_whose_names_come_from_stdin_is_recorded_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a.h5\n# of last year\nb.h5\n"))
    found = names_from_stdin({"signal": ["lq=c.h5", "h0=-"], "background": ("d.h5",), "label": "-", "files": None})
    assert found == {"signal": ["lq=c.h5", "h0=a.h5", "h0=b.h5"]}
    with pytest.raises(UsageError, match="no name of a file was given"):
        names_from_stdin({"background": ["-"]})


def test_every_option_that_may_be_many_files_of_events_is_known() -> None:
    commands = typer.main.get_command(app).commands.values()
    every = [each for command in commands for each in (command, *getattr(command, "commands", {}).values())]
    many = {one.name for each in every for one in each.params if one.nargs == -1 or getattr(one, "multiple", False)}
    others = {"cards", "cross_section", "events", "function", "hlt", "l1", "method", "model", "offline", "patch"}
    others |= {"point", "samples", "selection", "signal_shape", "spectra", "trained"}
    assert many & PATHS == EVENT_FILES | others


def test_a_command_that_fails_now_says_why(call: Call, tmp_path: Path) -> None:
    call(*HIST)
    path = tmp_path / "h.json"
    path.write_text(path.read_text().replace('"--bins", "7"', '"--region", "no"'))
    assert "the command failed with exit code 2: hepad: " in call("replay", "h.json", "--inputs", "in", code=2).stderr


def test_names_that_were_not_recorded_are_told(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the first versions did for options."""
    call(*HIST)
    path = tmp_path / "h.json"
    path.write_text(path.read_text().replace('["hist", "{0}"', '["hist", "-"'))
    refused = subprocess.CompletedProcess([], 2, stderr="hepad: no name of a file was given")
    monkeypatch.setattr("hepad.pipeline.replay.run.subprocess.run", lambda *_, **__: refused)
    said = call("replay", "h.json", "--inputs", "in", code=4).stderr
    assert "names of its files came from stdin, and its provenance does not hold them; make it once more" in said
