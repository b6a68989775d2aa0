"""`hepad rates`, as users run it: beside the scores and masks that other commands give, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import uproot

import hepad

MENU = """
schema: menu/1
name: mine
title: two seeds
reference: a test
limit_khz: 1
objects: {jets: {pt: {min: 30}}}
seeds:
  - name: muon
    all: [{muons: {pt: {min: 30}}, min_count: 1}]
  - {name: jets, any: [{jets: {}, min_count: 3}], prescale: 4}
"""
BUNCHES = 10


@pytest.fixture
def menu(tmp_path: Path) -> Path:
    path = tmp_path / "menu.yaml"
    path.write_text(MENU)
    return path


def test_the_whole(run, tmp_path: Path, examples: Path, menu: Path) -> None:
    events, wprime = examples / "w_lnu.root", examples / "wprime_wz_2tev.root"
    command = ["rates", events, "-m", "dnn_ae", "-m", "snn_ae", "--menu", menu, "--signal", f"wz={wprime}"]
    command += ["--rate", 1, "--rate", 0.001, "--threshold", "dnn_ae=0.002", "--bunches", BUNCHES, "-o", "out"]
    command += ["--beside", "snn_ae"]
    shown = run(*command)
    assert "dnn_ae is asked in" in shown.stderr
    assert "no threshold gives so small a rate" in shown.stderr
    assert "more than its limit of 1 kHz" in shown.stderr
    assert "no rate against pile-up" in shown.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"report.md", "report.html", "report.json", "rate_threshold.png", "overlap.png"} <= names
    assert "efficiency_rate.png" in names
    assert "rate_pileup.png" not in names
    again = run(*command)
    assert "complete already" in again.stderr
    assert "## Working points" in again.stdout

    content = json.loads((tmp_path / "out" / "report.json").read_text())
    assert json.loads(run(*command, "--json").stdout)["points"] == content["points"]
    scores = {m: hepad.load_model(m).scores(events)[s] for m, s in (("dnn_ae", "mse"), ("snn_ae", "mse"))}
    loaded = hepad.load_events(events)
    n = len(loaded)
    muon = np.array([any(pt > 30 for pt in event) for event in loaded.muons.pt.tolist()])
    jets = np.array([sum(pt > 30 for pt in event) >= 3 for event in loaded.jets.pt.tolist()])
    khz = BUNCHES * 11.2456
    rows = {(row["model"], row["point"]): row for row in content["samples"][0]["triggers"]}
    assert set(rows) == {("dnn_ae", "1 kHz"), ("snn_ae", "1 kHz"), ("dnn_ae", "given")}
    fired = {}
    for point in content["points"]:
        key = point["model"], point["point"]
        fired[key] = scores[point["model"]] >= point["threshold"]
        assert rows[key]["total"]["events"] == fired[key].sum()
        assert rows[key]["pure"]["khz"] == pytest.approx((fired[key] & ~muon).sum() / n * khz)
        if key[1] == "1 kHz":
            lower = np.sort(scores[key[0]][~np.isnan(scores[key[0]]) & ~fired[key]])[-1]
            assert fired[key].sum() / n * khz <= 1 < (scores[key[0]] >= lower).sum() / n * khz
    a, b = fired["dnn_ae", "1 kHz"], fired["snn_ae", "1 kHz"]
    assert rows["dnn_ae", "1 kHz"]["unique"]["events"] == (a & ~muon & ~b).sum()
    kept = np.where(muon, 1.0, np.where(jets, 0.25, 0.0))
    assert content["samples"][0]["menu"]["khz"] == pytest.approx(kept.mean() * khz)
    assert rows["snn_ae", "1 kHz"]["added"]["khz"] == pytest.approx(((1 - kept) * b).mean() * khz)
    overlap = next(o for o in content["samples"][0]["overlaps"] if o["point"] == "1 kHz")
    assert overlap["events"][0] == [a.sum(), (a & b).sum(), (a & muon).sum(), (a & jets).sum()]
    row = next(r for r in content["signals"] if (r["model"], r["point"]) == ("dnn_ae", "given"))
    found = hepad.load_model("dnn_ae").scores(wprime)["mse"]
    assert row["efficiency"]["events"] == (found >= 0.002).sum()
    assert content["signal_events"] == {"wz": 300}
    html = (tmp_path / "out" / "report.html").read_text()
    assert html.count("<img") == 4

    # At exactly equal rates: an event at the threshold counts by the part that is wanting.
    (beside,), (row,) = content["beside"], content["beside_signals"]
    assert (beside["model"], beside["beside"], row["signal"]) == ("dnn_ae", "snn_ae", "wz")
    for name in ("own", "other", "shared"):
        assert beside[name]["khz"] == pytest.approx(1, rel=1e-6)
    assert beside["either"]["khz"] == pytest.approx(2 - beside["both"]["khz"])
    wanted, kept = n / khz, []
    for name, score in (("dnn_ae", "mse"), ("snn_ae", "mse")):
        falling = np.sort(scores[name][~np.isnan(scores[name])])[::-1]
        last = int(wanted)
        of_signal = hepad.load_model(name).scores(wprime)[score]
        kept.append((of_signal > falling[last]) + (wanted - last) * (of_signal == falling[last]))
    assert row["own"]["value"] == pytest.approx(kept[0].mean())
    assert row["difference"]["value"] == pytest.approx((kept[0] - kept[1]).mean())
    assert row["both"]["value"] == pytest.approx((kept[0] * kept[1]).mean())
    assert "Beside snn_ae at equal rate" in html

    in_memory = hepad.rates(
        loaded, {"dnn_ae": "dnn_ae", "snn_ae": "snn_ae"}, menu=str(menu), signals={"wz": wprime},
        rates_khz=(1, 0.001), thresholds={"dnn_ae": 0.002}, bunches=BUNCHES, beside="snn_ae",
    )  # fmt: skip
    mine = in_memory.to_json()
    for key in ("points", "signals", "signal_events", "remarks", "curves", "beside", "beside_signals"):
        assert mine[key] == content[key], key
    assert mine["samples"][0]["triggers"] == content["samples"][0]["triggers"]
    assert in_memory.plot().get_ylabel() == "Rate [kHz]"
    assert "Trigger rates" in repr(in_memory)


@pytest.mark.usefixtures("unrendered")
def test_bits_pileup_and_a_test_sample(run, tmp_path: Path, data: Path) -> None:
    nano = data / "nanoaod_cms_2015_ttbar.root"
    tree = uproot.open(nano)["Events"]
    bits = [name for name in tree.keys() if name.startswith("HLT_")]  # noqa: SIM118  uproot's
    bit = max(bits, key=lambda name: 0 < tree[name].array(library="np").sum() < 150)
    (tmp_path / "menu.yaml").write_text(
        "schema: menu/1\nname: bits\ntitle: t\nreference: r\n"
        f"seeds: [{{name: bit, all: [{{trigger: {{bit: {bit}}}}}]}}]\n"
    )
    other = tmp_path / "other.root"
    other.write_bytes(nano.read_bytes())
    command = ("rates", nano, "--test", other, "-m", "dnn_ae", "--every-crossing", "--menu", "menu.yaml", "--pure")
    command += ("--rate", 2000, "--rate", 5000, "-o", "out")
    run(*command)
    content = json.loads((tmp_path / "out" / "report.json").read_text())
    first, test = content["samples"]
    assert (first["sample"], test["sample"]) == ("set on", "test")
    assert first["triggers"] == test["triggers"]
    assert first["seeds"][0]["total"]["events"] == tree[bit].array(library="np").sum()
    assert first["triggers"][0]["pure"]["khz"] <= 2000 < first["triggers"][1]["pure"]["khz"] <= 5000
    vertices = tree["PV_npvs"].array(library="np")
    assert sum(each["events"] for each in test["pileup"]) == len(vertices)
    assert (test["pileup"][0]["low"], test["pileup"][-1]["high"]) == (vertices.min(), vertices.max())
    inside = [((vertices >= each["low"]) & (vertices <= each["high"])).sum() for each in test["pileup"]]
    assert [each["events"] for each in test["pileup"]] == inside
    assert "rate_pileup.png" in {path.name for path in (tmp_path / "out").iterdir()}
    (tmp_path / "menu.yaml").write_text(
        "schema: menu/1\nname: m\ntitle: t\nreference: r\nseeds: [{name: x, all: [{trigger: {bit: HLT_IsoMu20000}}]}]\n"
    )
    assert "no trigger bit 'HLT_IsoMu20000'" in run(*command[:-1], "other", code=4).stderr


@pytest.mark.usefixtures("unrendered")
def test_refused(process, run, tmp_path: Path, examples: Path, menu: Path) -> None:
    events = examples / "w_lnu.root"
    base = ("rates", events, "-m", "dnn_ae", "--max-events", 1000)
    for more, code, said in (
        (("--menu", "atlas"), 3, "no menu named 'atlas'"),
        (("--rate", 0.001), 2, "no threshold gives so small a rate"),
        (("--rate", "1e9"), 2, "rates are in kHz"),
        (("--threshold", "dnn_ae"), 2, "write MODEL=X"),
        (("--threshold", "vae=1"), 2, "no such model; there are dnn_ae"),
        (("--pure",), 2, "give one with --menu"),
        (("--beside", "dnn_ae"), 2, "give another model"),
        (("--input-rate", 50, "--rate", 60), 2, "up to that of all events, 50"),
        (("--input-rate", 50, "--bunches", 2544), 2, "--bunches has no effect with --input-rate"),
        (("--test", events), 2, "a test needs other events"),
        (
            ("-m", "gelato_l1", "--signal", f"h0={examples / 'h0.h5'}", "--rate", 5000),
            4,
            "h0.h5: the ADC2021 format has no taus",
        ),
    ):
        result = run(*base, *more, "-o", f"out{len(list(tmp_path.iterdir()))}", code=code)
        assert said in result.stderr, more
        assert len(result.stderr.splitlines()) == 1, result.stderr
    menu.write_text(MENU.replace("muons: {pt", "muon: {pt"))
    assert "did you mean muons?" in process(*base, "--menu", menu, "-o", "a", code=3).stderr
    menu.write_text(
        MENU.replace(
            "name: muon\n    all: [{muons: {pt: {min: 30}}, min_count: 1}]",
            "name: b\n    all: [{trigger: {bit: L1_A}}]",
        )
    )
    assert "Delphes files have no trigger" in run(*base, "--menu", menu, "-o", "c", code=4).stderr
    with uproot.recreate(tmp_path / "empty.root") as file:
        file.mktree("Delphes", {"Jet.PT": "var * float32"})
    assert "no entries" in run(*base, "--rate", 9000, "--signal", "x=empty.root", "-o", "d", code=4).stderr
    assert not [path for path in tmp_path.iterdir() if (path / "report.json").exists()]
