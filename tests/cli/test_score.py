"""`hepad score`: what it writes and prints."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot

from hepad.bundles.bundle import load_bundle
from hepad.cards.analysis import load_analysis
from hepad.cards.selection import load_selection
from hepad.execution.parts import Part
from hepad.inputs.l1_vector import L1Vector
from hepad.io.events import merge_fields
from hepad.io.reader import read_events
from hepad.io.tables.scores import ScoreFile
from hepad.objects.selection import apply_selection
from hepad.pipeline.score import ScoreOptions, score


def test_main_job(process, examples: Path, tmp_path: Path) -> None:
    result = process("score", examples / "w_lnu.root", "--model", "snn_ae")
    for expected in ("one lepton", "3331", "loose", "tight", "quantile", "wrote w_lnu.scores.root"):
        assert expected in result.stdout
    assert result.stderr == ""
    with uproot.open(tmp_path / "w_lnu.scores.root") as file:
        tree = file["Scores"]
        assert tree.classname == "TTree"
        types = {name: branch.typename for name, branch in tree.items()}
        rows = tree.arrays(library="np")
        info = json.loads(str(file["provenance"]))
    assert types == {
        "file": "int32_t", "entry": "int64_t", "selected": "bool", "weight": "double", "score": "float",
        "score_mse": "float", "in_loose": "bool", "in_tight": "bool",
    }  # fmt: skip
    assert np.array_equal(rows["entry"], np.arange(6173))
    assert np.array_equal(np.isnan(rows["score"]), ~rows["selected"])
    assert rows["selected"].sum() == 3331
    assert np.array_equal(rows["score"], rows["score_mse"], equal_nan=True)
    assert info["provenance"]["inputs"][0]["name"] == "w_lnu.root"
    assert info["selection"]["name"] == "adc2021"


def test_scores_are_those_of_the_model_event_by_event(run, examples: Path, tmp_path: Path) -> None:
    """Take the line apart: read, select, vectorise and score by hand, and compare bit by bit."""
    run("score", examples / "w_lnu.root", "--model", "dnn_ae", "--step-size", 1000)
    written = uproot.open(tmp_path / "w_lnu.scores.root")["Scores"].arrays(library="np")
    bundle, selection = load_bundle("dnn_ae"), load_selection("adc2021")
    vector = L1Vector(load_analysis("dnn_ae").input)
    fields = merge_fields(selection.fields(), vector.fields())
    (chunk,) = read_events([examples / "w_lnu.root"], fields)
    events, keep, _ = apply_selection(chunk.events, selection)
    by_hand = bundle.scorer.scores(bundle.input.scaled(vector.raw(events)))["mse"]
    assert np.array_equal(written["selected"], keep)
    assert np.array_equal(written["score"][keep], by_hand)
    threshold = bundle.card.regions["loose"].threshold
    assert np.array_equal(written["in_loose"][keep], by_hand >= threshold)


def test_the_record_says_which_inputs_were_read_as_a_whole(
    run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scores are the same bit by bit and the output counts as the same; parts that are kept have the mark."""
    given = ("score", data / "hpm_taunu_0.root", data / "towers.root", "--model", "dnn_ae", "--max-events", 300, "-o")

    def scored(name: str) -> tuple[object, list[str | None]]:
        run(*given, name)
        with uproot.open(tmp_path / name) as file:
            info, rows = json.loads(str(file["provenance"])), file["Scores"].arrays(library="np")
        inputs = [record.get("whole") for record in info["provenance"]["inputs"]]
        return {name: column.tobytes() for name, column in rows.items()}, inputs

    lean, marks = scored("lean.root")
    assert marks == [None, None]
    monkeypatch.setenv("HEPAD_LEAN", "0")
    whole, marks = scored("whole.root")
    assert marks == ["HEPAD_LEAN=0", None]  # the second file was not reached
    assert lean == whole
    assert "complete" in run(*given, "lean.root").stderr
    part = Part(0, whole="why")
    assert Part.from_bytes(part.to_bytes()) == part


def test_json(run, examples: Path) -> None:
    report = json.loads(run("score", examples / "w_lnu.root", "--model", "vae", "--json", "-o", "out.root").stdout)
    assert {"events", "selected", "cutflow", "regions", "model", "output"} <= set(report)
    assert (report["events"], report["selected"], report["model"], report["output"]) == (6173, 3331, "vae", "out.root")
    assert [step["name"] for step in report["cutflow"]] == ["all events", "one lepton"]
    loose = report["regions"]["loose"]
    assert {"threshold", "selected", "fraction"} <= set(loose)
    assert loose["fraction"] == pytest.approx(loose["selected"] / 3331)


def test_several_files_in_order_and_parquet(process, examples: Path, data: Path, tmp_path: Path) -> None:
    files = [examples / "hplus.h5", data / "hpm_taunu_0.root"]
    process("score", *files, "--model", "dnn_ae", "--format", "parquet", "-o", "out.parquet", "--step-size", 300)
    table = pq.read_table(tmp_path / "out.parquet").to_pydict()
    assert table["file"] == [0] * 863 + [1] * 680
    assert table["entry"] == [*range(863), *range(680)]
    scores = np.array(table["score"], dtype=np.float32)
    of_delphes = scores[863:][np.array(table["selected"])[863:]]
    # The first 268 events of the ADC2021 file are those of the Delphes file: the same events, the same scores.
    assert np.array_equal(of_delphes, scores[:268])


def test_an_rntuple_has_the_rows_of_the_tree(run, examples: Path, tmp_path: Path) -> None:
    """In pieces, with its provenance, the same bytes each time; the other format is another output."""
    words = ("score", examples / "hplus.h5", "--model", "dnn_ae", "--step-size", 300, "-o")
    run(*words, "tree.root")
    for name in ("one.root", "two.root"):
        run(*words, name, "--format", "rntuple")
    assert (tmp_path / "one.root").read_bytes() == (tmp_path / "two.root").read_bytes()
    with uproot.open(tmp_path / "one.root") as file, uproot.open(tmp_path / "tree.root") as tree:
        assert file.classnames(cycle=False) == {"Scores": "ROOT::RNTuple", "provenance": "TObjString"}
        assert [cluster.num_entries for cluster in file["Scores"].cluster_summaries] == [300, 300, 263]
        found, expected = (held["Scores"].arrays(library="np") for held in (file, tree))
    with closing(ScoreFile(tmp_path / "one.root")) as scores, closing(ScoreFile(tmp_path / "tree.root")) as others:
        assert (scores.scores, scores.regions, scores.entries) == (others.scores, others.regions, 863)
        assert scores.info["provenance"]["command"] == others.info["provenance"]["command"]
        rows = scores.rows(list(expected), 250, 700)
        pieces = list(scores.iterate(["score"], 400))
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
        np.testing.assert_array_equal(rows[name], values[250:700])
        assert rows[name].dtype == values.dtype
    np.testing.assert_array_equal(np.concatenate([piece["score"] for piece in pieces]), expected["score"])
    assert "complete already" in run(*words, "one.root", "--format", "rntuple").stderr
    assert "complete already" not in run(*words, "one.root").stderr
    assert (tmp_path / "one.root").read_bytes() == (tmp_path / "tree.root").read_bytes()


def test_format_follows_the_ending(run, examples: Path, tmp_path: Path) -> None:
    run("score", examples / "hplus.h5", "--model", "dnn_ae", "-o", "s.parquet")
    assert (tmp_path / "s.parquet").read_bytes()[:4] == b"PAR1"
    wrong = run("score", examples / "hplus.h5", "--model", "dnn_ae", "-o", "s.root", "--format", "parquet", code=2)
    assert "contradicts" in wrong.stderr


def test_globs_and_max_events(run, examples: Path) -> None:
    report = json.loads(
        run("score", examples / "h*.h5", "--model", "dnn_ae", "--max-events", 2100, "--json").stdout
    )  # h0.h5 has 2048
    assert report["events"] == 2100
    assert report["output"] == "scores.root"


def test_regions_from_the_command_line(run, examples: Path, tmp_path: Path) -> None:
    regions = ["--region", "loose=efficiency:0.1", "--region", "l1=rate:0.5/30", "--region", "cut=threshold:0"]
    report = json.loads(run("score", examples / "w_lnu.root", "--model", "dnn_ae", *regions, "--json").stdout)
    assert set(report["regions"]) == {"loose", "tight", "l1", "cut"}
    assert report["regions"]["cut"]["selected"] == 3331
    assert report["regions"]["tight"]["threshold"] > report["regions"]["l1"]["threshold"]
    assert report["regions"]["l1"]["threshold"] > report["regions"]["loose"]["threshold"]
    assert "in_l1" in uproot.open(tmp_path / "w_lnu.scores.root")["Scores"]


def test_selection_can_be_replaced(run, examples: Path) -> None:
    command = ("score", examples / "w_lnu.root", "--model", "dnn_ae", "--selection", "adc2021_electron", "--json")
    report = json.loads(run(*command).stdout)
    assert report["selection"] == "adc2021_electron"
    assert 0 < report["selected"] < 3331


@pytest.mark.parametrize("step_size", [500, 10_000])
def test_step_size_changes_nothing(step_size: int, examples: Path, tmp_path: Path) -> None:
    outputs = []
    for size in (step_size, 6173):
        out = tmp_path / f"{size}.root"
        score([str(examples / "w_lnu.root")], "snn_ae", options=ScoreOptions(output=out, step_size=size))
        outputs.append(uproot.open(out)["Scores"].arrays(library="np"))
    for name in outputs[0]:
        assert np.array_equal(outputs[0][name], outputs[1][name], equal_nan=name.startswith("score"))


def test_a_region_of_several_scores(run, examples: Path, tmp_path: Path) -> None:
    given = ("score", examples / "h0.h5", "--model", "vae", "--max-events", 500, "--region")
    report = json.loads(run(*given, "box=kl@threshold:0.0005,mse@threshold:0.5", "-o", "s.root", "--json").stdout)
    rows = uproot.open(tmp_path / "s.root")["Scores"].arrays(library="np")
    kl, mse = (rows[f"score_{name}"].astype(np.float64) for name in ("kl", "mse"))
    expected = (kl >= 0.0005) & (mse >= 0.5)
    assert 0 < expected.sum() < min((kl >= 0.0005).sum(), (mse >= 0.5).sum())
    np.testing.assert_array_equal(rows["in_box"], expected)
    assert report["regions"]["box"]["selected"] == expected.sum()
    assert "unknown score 'no'" in run(*given, "box=threshold:1,no@threshold:1", code=2).stderr
