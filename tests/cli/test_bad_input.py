"""Bad input: one clear line on stderr, the right exit code, and no output file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hepad.cards.resolver import resolve


def assert_refused(result, tmp_path: Path, *words: str) -> None:
    """The message is one line that has all words; the folder has only the inputs and what to go on with."""
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("hepad: ")
    for word in words:
        assert word in lines[0]
    left = {path.name for path in tmp_path.iterdir()}
    assert not {n for n in left if ("scores" in n and not n.endswith(".run")) or n.startswith(".")}, left


def test_not_a_root_file(run, tmp_path: Path) -> None:
    (tmp_path / "notes.root").write_text("not ROOT at all")
    assert_refused(
        run("score", "notes.root", "--model", "dnn_ae", code=4), tmp_path, "notes.root", "neither a ROOT nor"
    )


def test_missing_file(process, tmp_path: Path) -> None:
    assert_refused(process("score", "no.root", "--model", "dnn_ae", code=4), tmp_path, "no.root", "no such file")


@pytest.mark.parametrize("fraction", [0.1, 0.7, 0.99])
def test_truncated_file(fraction: float, run, data: Path, tmp_path: Path) -> None:
    whole = (data / "hpm_taunu_0.root").read_bytes()
    (tmp_path / "cut.root").write_bytes(whole[: int(len(whole) * fraction)])
    assert_refused(run("score", "cut.root", "--model", "dnn_ae", code=4), tmp_path, "cut.root", "truncated")


def test_no_tree_of_events(run, write_slim, tmp_path: Path) -> None:
    write_slim(tree="other")
    assert_refused(run("score", "slim.root", "--model", "dnn_ae", code=4), tmp_path, "slim.root", "'Delphes'", "other")


def test_missing_branch(run, write_slim, tmp_path: Path) -> None:
    write_slim(drop="Muon")
    assert_refused(run("score", "slim.root", "--model", "dnn_ae", code=4), tmp_path, "slim.root", "'Muon.PT'")


def test_nan_in_a_branch(run, write_slim, tmp_path: Path) -> None:
    write_slim(Jet_PT=[[50.0, float("nan")], [], [90.0]])
    assert_refused(
        run("score", "slim.root", "--model", "dnn_ae", code=4), tmp_path, "slim.root", "'Jet.PT'", "nan", "entry 0"
    )


def test_the_second_file_fails(process, examples: Path, write_slim, tmp_path: Path) -> None:
    """Scores of the first file are there already when the second turns out bad: nothing may be left."""
    write_slim(drop="Electron")
    result = process("score", examples / "w_lnu.root", "slim.root", "--model", "dnn_ae", "-o", "my.scores.root", code=4)
    assert_refused(result, tmp_path, "slim.root", "'Electron.PT'")


def test_zero_entries(run, write_slim, tmp_path: Path) -> None:
    names = ["Jet", "Electron", "Muon"]
    empty = {f"{n}_{f}": [] for n in names for f in ("PT", "Eta", "Phi")}
    empty |= {"Jet_Mass": [], "MissingET_MET": [], "MissingET_Phi": [], "Weight_Weight": []}
    write_slim(**empty)
    assert_refused(run("score", "slim.root", "--model", "dnn_ae", code=4), tmp_path, "slim.root", "no entries")


def test_nothing_selected(run, write_slim, tmp_path: Path) -> None:
    write_slim(Electron_PT=[[3.5], [], [4.0]], Muon_PT=[[], [5.0], []])
    result = run("score", "slim.root", "--model", "dnn_ae", code=4)
    assert_refused(result, tmp_path, "no event passes selection 'adc2021'", "all events 3, one lepton 0")


def test_unknown_model(run, examples: Path, tmp_path: Path) -> None:
    assert_refused(
        run("score", examples / "w_lnu.root", "--model", "gan", code=3),
        tmp_path,
        "'gan'",
        "bundled are anomaly_clr, ",
        ", dnn_ae, dnn_ae@w6, ",
        ", snn_ae, snn_ae@w4, snn_ae@w6, vae",
        "; or give a path",
    )


def test_damaged_bundle(run, examples: Path, tmp_path: Path) -> None:
    shutil.copytree(resolve("bundles", "dnn_ae"), tmp_path / "mine")
    weights = tmp_path / "mine" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    result = run("score", examples / "w_lnu.root", "--model", "mine", code=3)
    assert_refused(result, tmp_path, "mine", "model.safetensors", "sha256")


def test_unknown_selection(run, examples: Path, tmp_path: Path) -> None:
    result = run("score", examples / "w_lnu.root", "--model", "dnn_ae", "--selection", "nope", code=3)
    assert_refused(result, tmp_path, "'nope'", "adc2021")


def test_wrong_card_key(run, examples: Path, tmp_path: Path) -> None:
    text = resolve("selections", "adc2021").read_text().replace("abs_eta", "abseta", 1)
    (tmp_path / "mine.yaml").write_text(text)
    result = run("score", examples / "w_lnu.root", "--model", "dnn_ae", "--selection", "mine.yaml", code=3)
    assert_refused(result, tmp_path, "mine.yaml", "objects.jets.abseta", "unknown key")


def test_wrong_format_and_region(run, examples: Path, tmp_path: Path) -> None:
    files = (examples / "w_lnu.root", "--model", "dnn_ae")
    assert_refused(run("score", *files, "--format", "csv", code=2), tmp_path, "csv", "parquet")
    assert_refused(run("score", *files, "--region", "x=efficiency:1e-9", code=2), tmp_path, "'x'", "1e-09")
    assert_refused(run("score", *files, "--region", "x=efficiency:7", code=2), tmp_path, "x=efficiency:7")
    twice = ("--region", "x=efficiency:0.1", "--region", "x=efficiency:0.2")
    assert_refused(run("score", *files, *twice, code=2), tmp_path, "given twice")


def test_output_folder_is_missing(run, examples: Path, tmp_path: Path) -> None:
    result = run("score", examples / "w_lnu.root", "--model", "dnn_ae", "-o", "no/out.root", code=2)
    assert_refused(result, tmp_path, "no/out.root", "does not exist")


def test_debug_shows_the_traceback(process) -> None:
    result = process("--debug", "score", "no.root", "--model", "dnn_ae", code=1)
    assert "Traceback" in result.stderr
    assert "InputDataError" in result.stderr


def test_wrong_option_is_a_usage_error(process) -> None:
    assert "No such option" in process("score", "x.root", "--modell", "a", code=2).stderr


def test_an_input_is_never_overwritten(run, examples: Path, tmp_path: Path) -> None:
    events = tmp_path / "w.root"
    events.write_bytes((examples / "w_lnu.root").read_bytes())
    for command in (("score", "w.root", "--model", "dnn_ae"), ("hist", "w.root", "-s", "adc2021", "--mass", "jet1")):
        assert "is an input" in run(*command, "-o", "./w.root", code=2).stderr
    assert events.read_bytes() == (examples / "w_lnu.root").read_bytes()


def test_a_card_is_not_overwritten(run, examples, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    card = Path("mine.yaml")
    card.write_text("{schema: selection/1, name: mine, title: all, reference: ours, objects: {}, require: []}")
    words = ["score", str(examples / "w_lnu.root"), "--model", "dnn_ae", "-s", "mine.yaml", "-o", "./mine.yaml"]
    assert "mine.yaml is an input" in run(*words, code=2).stderr
    assert card.read_text().startswith("{schema")
