from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from hepad.cli.main import app

pytest.importorskip("da4ml")


def invoke(*arguments, code=0):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, f"exit {result.exit_code}\n{result.output}"
    return result


def test_a_scan_with_a_variant(examples, tmp_path):
    out = tmp_path / "bits"
    signal, background = f"a4l={examples / 'a4l.h5'}", examples / "background.h5"
    training = tmp_path / "training.h5"
    training.write_bytes((examples / "background.h5").read_bytes())  # not held out: good enough to see that it works
    options = ("-m", "dnn_ae", "--signal", signal, "--weights", "3,5", "--bits", "leak=3")
    tuning = ("--finetune", training, "--epochs", 1, "--save", "3")
    report = json.loads(invoke("quantise", background, *options, *tuning, "-o", out, "--json").stdout)
    kinds = [(point["weights"], point["bits"]) for point in report["points"]]
    expected = [("floating point", None), ("rounded", 3), ("fine-tuned", 3), ("rounded", 5), ("fine-tuned", 5)]
    assert kinds == expected
    luts = {kind: point["lut"] for kind, point in zip(kinds, report["points"], strict=True)}
    assert luts["rounded", 3] < luts["rounded", 5]
    assert all(0.5 < point["auc"]["a4l"] < 1 for point in report["points"])
    assert any(point["pareto"] for point in report["points"])
    assert report["variants"] == ["dnn_ae@w3"]
    assert {path.name for path in out.iterdir()} >= {"scan.json", "auc_lut.png", "auc_ns.pdf", "flips_lut.png"}

    tier = json.loads(invoke("latency", "--model", out / "dnn_ae@w3", "--max-events", 50, "--json").stdout)["tiers"][
        "estimated"
    ]
    assert tier["lut"] == luts["fine-tuned", 3]  # the weights of the bundle are on their grid
    assert tier["mismatches"] == 0


def test_a_scan_refuses_what_would_flatter(examples, tmp_path):
    background = examples / "background.h5"
    signal = ("--signal", f"h0={examples / 'h0.h5'}")
    out = ("-m", "snn_ae", "-o", tmp_path / "x")
    result = invoke("quantise", background, *signal, *out, "--finetune", background, code=4)
    assert "both background and for fine-tuning" in result.stderr
    assert "give --finetune" in invoke("quantise", background, *signal, *out, "--save", "4", code=2).stderr
    assert "numbers with commas" in invoke("quantise", background, *signal, *out, "--weights", "4;5", code=2).stderr
