from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from hepad.bundles.files import read_card
from hepad.cli.main import app
from hepad.output.atomic import check_folder

pytest.importorskip("da4ml")


def invoke(*arguments, code=0):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, f"exit {result.exit_code}\n{result.output}"
    return result


@pytest.mark.usefixtures("unrendered")
def test_a_scan_with_a_variant(examples, tmp_path):
    out = tmp_path / "bits"
    signal, background = f"a4l={examples / 'a4l.h5'}", examples / "background.h5"
    training = tmp_path / "training.h5"
    training.write_bytes((examples / "background.h5").read_bytes())  # not held out: good enough to see that it works
    options = ("-m", "dnn_ae", "--signal", signal, "--weights", "3,5", "--bits", "leak=3", "--shallow")
    tuning = ("--finetune", training, "--epochs", 1, "--seeds", 2, "--save", "3", "--max-events", 6000)
    report = json.loads(invoke("quantise", background, *options, *tuning, "-o", out, "--json").stdout)
    kinds = [(item["weights"], item["bits"], item["seeds"]) for item in report["summary"]]
    tuned = [("fine-tuned", 3, 2), ("fine-tuned", 5, 2)]
    assert kinds == [("floating point", None, 1), ("rounded", 3, 1), tuned[0], ("rounded", 5, 1), tuned[1]]
    points = report["points"]
    luts = {(p["weights"], p["bits"], p["seed"]): p["lut"] for p in points}
    assert len(luts) == 7
    assert luts["rounded", 3, None] < luts["rounded", 5, None]
    assert all(0.5 < point["auc"]["a4l"] < 1 for point in report["points"])
    assert any(item["pareto"] for item in report["summary"])
    chosen = {p["bits"]: p for p in points if p["chosen"]}
    for bits in (3, 5):
        seeds = [p for p in points if (p["bits"], p["weights"]) == (bits, "fine-tuned")]
        assert chosen[bits] == min(seeds, key=lambda p: (p["held_out_flips"], p["loss"]))
    assert report["variants"] == ["dnn_ae@w3"]
    written = {path.name for path in out.iterdir()}
    assert written >= {"scan.json", "auc_lut.png", "auc_ns.png", "flips_lut.png"}
    assert 500 < points[-1]["operations"]["mac"] <= 1584

    tier = json.loads(
        invoke("latency", "--model", out / "dnn_ae@w3", "--max-events", 50, "--shallow", "--json").stdout
    )["tiers"]["estimated"]
    assert json.loads((out / "scan.json").read_text())["provenance"]["command"].endswith(" --shallow")
    assert (
        tier["lut"] == luts["fine-tuned", 3, chosen[3]["seed"]]
    )  # shallow both; the weights of the bundle are on their grid
    assert tier["mismatches"] == 0
    card = read_card(out / "dnn_ae@w3")
    assert [record["name"] for record in card.provenance["inputs"]] == ["training.h5", "background_train.h5"]
    assert (card.bits["weight"], card.bits["leak"], card.provenance["seed"]) == (3, 3, chosen[3]["seed"])
    assert f"seed {chosen[3]['seed']} of 2" in card.fidelity_note
    check_folder(out, verb="quantise")  # another scan may take its place


def test_a_scan_refuses_what_would_flatter(examples, tmp_path):
    background = examples / "background.h5"
    signal = ("--signal", f"h0={examples / 'h0.h5'}")
    out = ("-m", "snn_ae", "-o", tmp_path / "x")
    result = invoke("quantise", background, *signal, *out, "--finetune", background, code=4)
    assert "both background and for fine-tuning" in result.stderr
    assert "it is for --finetune" in invoke("quantise", background, *signal, *out, "--save", "4", code=2).stderr
    assert "--seeds does not go with" in invoke("quantise", background, *signal, *out, "--seeds", 2, code=2).stderr
    tuning = ("--finetune", examples / "h0.h5", "--weights", "4", "--save", "5")
    few = invoke("quantise", background, *signal, *out, *tuning[:4], "--save", "4", code=2)
    assert "needs at least 1000 background events" in few.stderr  # said before the scan, not after
    assert "--save 5: not among --weights 4" in invoke("quantise", background, *signal, *out, *tuning, code=2).stderr
    assert "numbers with commas" in invoke("quantise", background, *signal, *out, "--weights", "4;5", code=2).stderr
