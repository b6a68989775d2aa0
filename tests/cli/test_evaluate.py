"""Several trainings, comparisons and working points."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import hepad

from ..conftest import expect, invoke


@pytest.fixture(scope="module")
def trained(examples: Path, tmp_path_factory) -> list[Path]:
    """Two short trainings of the dense autoencoder with different seeds, made once, on none of the events below."""
    folder = tmp_path_factory.mktemp("trained")
    for seed in (1, 2):
        quick = ["--epochs", "2", "--seed", str(seed), "--region", "loose=efficiency:0.05", "-o", f"d{seed}"]
        expect(0, invoke(folder, ["train", examples / "hplus.h5", "--model", "dnn_ae", *quick]))
    return [folder / "d1", folder / "d2"]


@pytest.fixture
def start(examples: Path) -> tuple[object, ...]:
    samples = ("--background", examples / "background.h5", "--signal", f"h0={examples / 'h0.h5'}")
    return ("evaluate", *samples, "--bootstrap", 20, "--aso-subsets", 50, "--aso-events", 200, "--json")


def test_trainings_of_one_system_are_grouped_and_compared(run, start, trained, tmp_path: Path) -> None:
    models = ("-m", f"dnn={trained[0]}", "-m", f"dnn={trained[1]}", "-m", "vae")
    points = ("--rejection-at", 0.3, "--rejection-at", 0.5, "--fpr", 0.01, "--fpr", 1e-5)
    report = json.loads(run(*start, *models, *points, "-o", "rep").stdout)
    rows = {(r["model"], r["score"]): r for r in report["rows"]}
    assert {key for key, r in rows.items() if r["system"] == "dnn"} == {("dnn-1", "mse"), ("dnn-2", "mse")}
    (system,) = report["systems"]
    assert (system["system"], system["trainings"]) == ("dnn", ["dnn-1", "dnn-2"])
    values = [rows[name, "mse"]["auc"]["value"] for name in system["trainings"]]
    assert system["auc"]["values"] == values
    assert system["auc"]["mean"] == pytest.approx(np.mean(values))
    assert system["auc"]["std"] == pytest.approx(np.std(values, ddof=1))
    errors = [rows[name, "mse"]["auc"]["std"] for name in system["trainings"]]
    assert system["auc"]["bootstrap_std"] == pytest.approx(np.mean(errors))
    assert system["tpr_at_fpr_1e-05"]["limits"] == 2

    row = rows["vae", "mse"]
    assert row["rejection_at_0.5"]["value"] < row["rejection_at_0.3"]["value"]
    assert row["tpr_at_fpr"]["0.01"]["at"] == 0.01
    assert row["tpr_at_fpr"]["1e-05"]["is_upper_limit"] is True
    assert row["tpr_at_fpr"]["1e-05"]["at"] == pytest.approx(10 / report["events"]["background"])
    assert 0 < row["fpr40"]["value"] < 0.4
    best = row["significance_improvement"]
    assert best["value"] == pytest.approx(best["signal_efficiency"] / np.sqrt(best["background_efficiency"]))

    (comparison,) = report["comparisons"]
    assert (comparison["signal"], comparison["a"], comparison["b"]) == ("h0", "dnn", "vae")
    assert comparison["auc"]["value"] == pytest.approx(np.mean(values) - row["auc"]["value"])
    assert comparison["auc"]["training_std"] == pytest.approx(np.std(values, ddof=1) / np.sqrt(2))
    # Barely trained, it is much worse than the bundle: all agree.
    assert comparison["auc"]["high95"] < 0
    assert comparison["auc"]["p_value"] == pytest.approx(2 / 21)
    assert comparison["almost_stochastic_order"]["epsilon_min_reversed"] < 0.2 < 0.8
    assert comparison["almost_stochastic_order"]["violation_ratio"] > 0.8
    assert comparison["log_rejection_at_0.3"]["value"] < 0

    files = {p.name for p in (tmp_path / "rep").iterdir()}
    assert {"sic.png", "scores_dnn.png", "scores_vae.png", "roc.png"} <= files
    text = (tmp_path / "rep" / "report.md").read_text()
    for heading in ("## Working points", "## Trainings", "## Differences", "## Regions"):
        assert heading in text
    assert "| h\u2080 \u2192 \u03c4\u03c4 | dnn | vae |" in text
    page = (tmp_path / "rep" / "report.html").read_text(encoding="utf-8")
    assert "vae has the largest AUC for h\u2080 \u2192 \u03c4\u03c4. Every tested difference" in page
    auc = f"{row['auc']['value']:.3f} ± {row['auc']['std']:.3f}"
    assert f"<dt>{auc}</dt><dd>AUC of vae for h\u2080 \u2192 \u03c4\u03c4</dd>" in page


@pytest.mark.usefixtures("unrendered")
def test_the_tables_of_a_terminal(run, start, trained) -> None:
    models = ("-m", f"dnn={trained[0]}", "-m", f"dnn={trained[1]}", "-m", "vae")
    text = run(*start[:-1], *models, "-o", "rep").stdout
    for title in ("Models", "Working points", "Mean ± std over trainings", "Paired differences"):
        assert title in text
    alone = run(*start[:-1], "-m", "vae", "-o", "rep").stdout
    assert "Paired differences" not in alone
    assert "over trainings" not in alone


@pytest.mark.usefixtures("unrendered")
def test_a_name_for_one_bundle_and_no_test_of_the_order(run, start, tmp_path) -> None:
    report = json.loads(
        run(*start, "-m", "mine=dnn_ae", "-m", "vae", "--aso-subsets", 0, "--figures", "none", "-o", "rep").stdout
    )
    assert "<img" not in (tmp_path / "rep" / "report.html").read_text(encoding="utf-8")
    assert {r["model"] for r in report["rows"]} == {"mine", "vae"}
    assert report["systems"] == []
    assert report["comparisons"][0]["almost_stochastic_order"] is None


@pytest.mark.usefixtures("unrendered")
def test_faults_of_groups(run, start, trained) -> None:
    one, two = trained
    assert "same training" in run(*start, "-m", f"x={one}", "-m", f"x={one}", "-o", "rep", code=2).stderr
    assert "no trainings of one system" in run(*start, "-m", f"x={one}", "-m", "x=vae", "-o", "rep", code=2).stderr
    assert "called 'dnn_ae'" in run(*start, "-m", one, "-m", two, "-o", "rep", code=2).stderr
    clash = ("-m", f"x={one}", "-m", f"x={two}", "-m", "x-1=vae")
    assert "called 'x-1'" in run(*start, *clash, "-o", "rep", code=2).stderr
    assert "at least 2 subsets" in run(*start, "-m", "vae", "--aso-subsets", 1, "-o", "rep", code=2).stderr


def test_models_that_select_other_events_are_not_compared(
    run, unrendered, start, examples: Path, tmp_path: Path
) -> None:
    quick = ("--epochs", 1, "--region", "loose=efficiency:0.05", "--selection", "adc2021_electron")
    run("train", examples / "background.h5", "--model", "dnn_ae", *quick, "-o", "electrons")
    report = json.loads(run(*start, "-m", "electrons", "-m", "vae", "-o", "rep").stdout)
    assert report["comparisons"] == []
    assert any("select different events" in warning for warning in report["warnings"])


@pytest.mark.usefixtures("unrendered")
def test_a_background_too_small_for_the_floor(run, start, examples: Path) -> None:
    result = run(*start, "-m", "dnn_ae", "--max-events", 300, "--min-background", 1000, "-o", "rep")
    (row,) = json.loads(result.stdout)["rows"]
    assert row["significance_improvement"] is None
    assert row["tpr_at_fpr"]["1e-05"]["at"] == 1.0
    assert run(*start[:-1], "-m", "dnn_ae", "--max-events", 300, "--min-background", 1000, "-o", "rep")


@pytest.mark.usefixtures("unrendered")
def test_samples_that_are_parts_of_one_file(run, start, examples: Path, tmp_path: Path) -> None:
    """Each sample has the events that its selection requires and the model's keeps; what it may not say is refused."""
    head = "schema: selection/1\nname: {0}\ntitle: t\nreference: r\n"
    for name, bound in (("low", "max"), ("high", "min")):
        need = f"require: [{{name: met, all: [{{met: {{{bound}: 30}}}}]}}]\n"
        (tmp_path / f"{name}.yaml").write_text(head.format(name) + need)
    (tmp_path / "cuts.yaml").write_text(head.format("cuts") + "objects: {jets: {pt: {min: 50}}}\n")
    h0 = examples / "h0.h5"
    options = ("-m", "dnn_ae", "--aso-subsets", 0, "--bootstrap", 2, "-o", "rep", "--json")
    both = ("-s", "background=low.yaml", "-s", "high=high.yaml")
    found = json.loads(run("evaluate", "-b", h0, "--signal", f"high={h0}", *both, *options).stdout)
    scores = hepad.load_model("dnn_ae").scores(h0)["mse"]
    above = hepad.load_events(h0).met.pt.to_numpy() > 30
    assert found["events"] == {
        s: int((~np.isnan(scores) & part).sum()) for s, part in (("background", ~above), ("high", above))
    }
    assert min(found["events"].values()) > 100
    command = json.loads((tmp_path / "rep" / "report.json").read_text())["provenance"]["command"]
    assert "--selection background=low.yaml --selection high=high.yaml" in command
    cards = {"background": str(tmp_path / "low.yaml"), "high": str(tmp_path / "high.yaml")}
    settings = {"selections": cards, "aso_subsets": 0, "bootstrap": 2}
    assert hepad.evaluate(h0, {"high": h0}, "dnn_ae", **settings).to_json()["rows"] == found["rows"]

    wrong = ("evaluate", "-b", h0, "--signal", f"high={h0}", *options)
    assert "there is no sample 'hgih'" in run(*wrong, "-s", "hgih=high.yaml", code=2).stderr
    assert "a second one for all samples" in run(*wrong, "-s", "low.yaml", "-s", "high.yaml", code=2).stderr
    assert "once a sample SAMPLE=CARD" in run(*wrong, "-s", "high=", code=2).stderr
    assert "neither objects" in run(*wrong, "-s", "high=cuts.yaml", code=3).stderr
    assert "both have a step 'met'" in run(*wrong, "-s", "low.yaml", "-s", "high=high.yaml", code=3).stderr
