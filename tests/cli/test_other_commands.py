"""inspect, list, vectorize, hist, evaluate and the help; each once in a real process."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot

from hepad.pipeline.catalogue import catalogue


def test_inspect_event_files(process, run, examples: Path) -> None:
    reports = json.loads(process("inspect", examples / "w_lnu.root", examples / "h0.h5", "--json").stdout)
    delphes, adc = reports
    assert (delphes["format"], delphes["entries"]) == ("delphes", 6173)
    assert delphes["objects"]["jets"]["mean_count"] == pytest.approx(3637 / 6173)
    assert all(selection["runs"] for selection in delphes["selections"].values())
    assert (adc["format"], adc["entries"]) == ("adc2021", 2048)
    assert adc["selections"]["adc2021"]["runs"]
    assert adc["selections"]["dijet_fat"]["lacks"] == ["fatjets.eta", "fatjets.pt"]
    assert "dijet_fat" in run("inspect", examples / "h0.h5").stdout


def test_inspect_says_what_a_file_states_of_its_sample(run, data: Path) -> None:
    ntuple, nanoaod, physlite = json.loads(
        run(
            "inspect",
            data / "random_events.root",
            data / "nanoaod_cms_2015_ttbar.root",
            data / "physlite_slim.root",
            "--json",
        ).stdout
    )
    assert ntuple["format"] == "adfilter"
    assert ntuple["sample"] == {
        "cross_section_pb": 7.0,
        "sqrt_s_gev": 13000.0,
        "generated_events": None,
        "generated_weight": None,
        "notes": [],
    }
    assert ntuple["selections"]["dijet_fat"]["lacks"] == ["fatjets.eta", "fatjets.pt"]
    for report, name in ((nanoaod, "nanoaod"), (physlite, "physlite")):
        assert (report["format"], report["sample"]["cross_section_pb"]) == (name, None)
        lacking = {name for selection in report["selections"].values() for name in selection["lacks"]}
        assert lacking <= {"electrons.charge", "muons.charge"}  # what the slim was made without
    shown = run("inspect", data / "random_events.root").stdout
    assert "sample: cross section 7 pb, sqrt(s) 13000 GeV" in shown


def test_inspect_score_files(run, examples: Path) -> None:
    run("score", examples / "h0.h5", "--model", "dnn_ae", "-o", "s.root")
    (report,) = json.loads(run("inspect", "s.root", "--json").stdout)
    assert (report["format"], report["entries"], report["model"]) == ("hepad scores", 2048, "dnn_ae")
    assert report["regions"] == ["loose", "tight"]


def test_list(process, run) -> None:
    models = json.loads(run("list", "models", "--json").stdout)
    trained_on = {m["name"]: m["trained on"] for m in models}
    level_1 = dict.fromkeys(("dnn_ae", "snn_ae", "vae"), "background_train.h5")
    assert trained_on.items() >= {"atlas_ad_rmm": "dibosons_0.root to zjets_6_b.root, 50 files", **level_1}.items()
    for kind in ("analyses", "selections", "fits"):
        assert json.loads(run("list", kind, "--json").stdout)
    kinds = {row["name"]: row["kind"] for row in catalogue("analyses")}
    assert (kinds["atlas_2023_ad_two_body"], kinds["vae"]) == ("search", "model")
    assert "snn_ae" in process("list", "models").stdout
    assert "choose one of" in run("list", "things", code=2).stderr


@pytest.mark.parametrize("ending", ["npz", "h5", "parquet"])
def test_vectorize(ending: str, process, run, examples: Path, tmp_path: Path) -> None:
    out = tmp_path / f"x.{ending}"
    options = ("--features", "pt,eta,phi", "--order", "met,jets:3", "--step-size", 700)
    call = process if ending == "npz" else run
    call("vectorize", examples / "h0.h5", "--selection", "adc2021", "--input", "l1_vector", *options, "-o", out)
    with h5py.File(examples / "h0.h5") as file:
        particles = file["Particles"][:]
    expected = particles[:, [0, 9, 10, 11], :3].reshape(-1, 12)
    if ending == "npz":
        with np.load(out, allow_pickle=False) as file:
            x, columns, entry, weight = (file[k] for k in ("x", "columns", "entry", "weight"))
    elif ending == "h5":
        with h5py.File(out) as file:
            x, entry, weight = (file[k][:] for k in ("x", "entry", "weight"))
            columns = np.array([c.decode() for c in file["columns"][:]])
    else:
        table = pq.read_table(out)
        columns = np.array([n for n in table.column_names if n not in ("file", "entry", "weight")])
        x = np.stack([table[c].to_numpy() for c in columns], axis=1)
        entry, weight = table["entry"].to_numpy(), table["weight"].to_numpy()
    assert columns[:4].tolist() == ["met_pt", "met_eta", "met_phi", "jet1_pt"]
    assert x.dtype == np.float32
    assert np.array_equal(x, expected)
    assert np.array_equal(entry, np.arange(2048))
    assert np.array_equal(weight, np.ones(2048))


def test_vectorize_faults(run, examples: Path, tmp_path: Path) -> None:
    files = ("vectorize", examples / "h0.h5")
    assert "must end in" in run(*files, "-o", "x.csv", code=2).stderr
    assert "features" in run(*files, "--features", "pt,mass", "-o", "x.npz", code=3).stderr
    assert "--order" in run(*files, "--order", "jets", "-o", "x.npz", code=2).stderr
    assert "unknown input" in run(*files, "--input", "images", "-o", "x.npz", code=3).stderr
    assert "fatjets" in run(*files, "--selection", "dijet_fat", "-o", "x.npz", code=4).stderr
    assert list(tmp_path.iterdir()) == []


def test_hist(process, run, examples: Path, tmp_path: Path) -> None:
    w = examples / "w_lnu.root"
    run("score", w, "--model", "dnn_ae", "--region", "half=efficiency:0.5", "--step-size", 999)
    options = ("--mass", "jet1+jet2", "--range", "0:400", "--bins", 20, "-o", "spectra", "--json")
    report = json.loads(process("hist", w, "--scores", "w_lnu.scores.root", *options, "--step-size", 1700).stdout)
    assert set(report["histograms"]) == {f"m_jet1_jet2{r}" for r in ("", "_loose", "_tight", "_half")}
    with uproot.open(tmp_path / "spectra.root") as file:
        counts, edges = file["m_jet1_jet2_half"].to_numpy()
        everything = file["m_jet1_jet2"].values(flow=True).sum()
    stored = json.loads((tmp_path / "spectra.json").read_text())["m_jet1_jet2_half"]
    assert np.array_equal(stored["storage"]["values"][-21:-1], counts)  # UHI stores under- and overflow

    tree = uproot.open(w)["Delphes"].arrays(["Jet.PT", "Jet.Eta", "Jet.Phi", "Jet.Mass"], library="np")
    rows = uproot.open(tmp_path / "w_lnu.scores.root")["Scores"].arrays(library="np")
    expected = []
    for i in np.flatnonzero(rows["selected"]):  # a slow reference: one event at a time
        pt, eta, phi, mass = (tree[f"Jet.{n}"][i].astype(float) for n in ("PT", "Eta", "Phi", "Mass"))
        good = np.flatnonzero((pt > 30) & (abs(eta) < 4))[:2]
        if len(good) == 2:
            p = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])[:, good]
            e = np.sqrt((p**2).sum(axis=0) + mass[good] ** 2)
            expected.append((np.sqrt(e.sum() ** 2 - (p.sum(axis=1) ** 2).sum()), rows["in_half"][i]))
    assert everything == len(expected)
    assert np.array_equal(counts, np.histogram([m for m, inside in expected if inside], edges)[0])


def test_hist_normalises_to_a_luminosity(run, examples: Path, tmp_path: Path) -> None:
    w = examples / "w_lnu.root"
    options = ("--mass", "jet1", "--range", "0:1e6", "--bins", 1, "-o", "s.root")
    run("hist", w, "--selection", "adc2021", *options)
    raw = uproot.open(tmp_path / "s.root")["m_jet1"].values()[0]
    run("hist", w, "--selection", "adc2021", *options, "--cross-section", 20970, "--luminosity", 0.001)
    scaled = uproot.open(tmp_path / "s.root")["m_jet1"]
    assert scaled.values()[0] == pytest.approx(raw * 20970 / 6173)
    assert scaled.errors()[0] == pytest.approx(np.sqrt(raw) * 20970 / 6173)


def test_hist_fills_each_mass_once_and_only_what_was_scored(run, examples: Path, tmp_path: Path) -> None:
    w = examples / "w_lnu.root"
    run("score", w, "--model", "dnn_ae", "-o", "s.root", "--max-events", 3000)
    masses = ("--mass", "jet1+jet2", "--mass", " jet1 + jet2 ")
    report = json.loads(run("hist", w, "--scores", "s.root", *masses, "-o", "h", "--json").stdout)
    assert report["events"] == 3000
    assert set(report["histograms"]) == {"m_jet1_jet2", "m_jet1_jet2_loose", "m_jet1_jet2_tight"}
    stored = json.loads((tmp_path / "h.json").read_text())["m_jet1_jet2"]
    total = report["histograms"]["m_jet1_jet2"]
    assert sum(stored["storage"]["values"]) == total["sum"] + total["underflow_overflow"]
    assert [r["name"] for r in stored["metadata"]["provenance"]["inputs"]] == ["w_lnu.root", "s.root"]
    with uproot.open(tmp_path / "h.root") as file:
        assert json.loads(str(file["provenance"]))["command"].startswith("hepad hist --mass")


def test_hist_says_which_inputs_were_read_as_a_whole(
    run, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEPAD_LEAN", "0")
    (tmp_path / "bad.root").write_bytes(b"root")
    files = ("bad.root", examples / "w_lnu.root")
    run("score", *files, "--model", "dnn_ae", "-o", "s.root", "--skip-bad-files", code=8)
    for given in (("--scores", "s.root"), ("--selection", "adc2021", "--skip-bad-files")):
        run("hist", *files, *given, "--mass", "jet1+jet2", "-o", "h.json", "--force", code=8)
        inputs = json.loads((tmp_path / "h.json").read_text())["m_jet1_jet2"]["metadata"]["provenance"]["inputs"]
        assert [record.get("whole") for record in inputs[:2]] == [None, "HEPAD_LEAN=0"]


def test_hist_refuses_damaged_scores(run, examples: Path, tmp_path: Path) -> None:
    events = examples / "w_lnu.root"
    for name in ("s.root", "s.parquet"):
        run("score", events, "--model", "dnn_ae", "-o", name)
        content = bytearray((tmp_path / name).read_bytes())
        content[400:4000] = bytes(3600)
        (tmp_path / name).write_bytes(content)
        result = run("hist", events, "--scores", name, "--mass", "jet1+jet2", "-o", "h.root", code=4)
        assert name in result.stderr
    assert not (tmp_path / "h.root").exists()


def test_hist_faults(run, examples: Path, tmp_path: Path) -> None:
    w = examples / "w_lnu.root"
    run("score", w, "--model", "dnn_ae", "-o", "s.root", "--max-events", 100)
    one = ("--mass", "jet1+jet2", "-o", "h.root")
    run("score", w, "--model", "dnn_ae", "-o", "t.root", "--region", "jet3=efficiency:0.1")
    assert "is not" in run("hist", examples / "h0.h5", "--scores", "s.root", *one, code=4).stderr
    assert "give --scores" in run("hist", w, *one, code=2).stderr
    assert "unknown region nope" in run("hist", w, "--scores", "s.root", *one, "--region", "nope", code=2).stderr
    assert "not an object" in run("hist", w, "--selection", "adc2021", "--mass", "jj", "-o", "h.root", code=2).stderr
    assert "bin edges" in run("hist", w, "--selection", "adc2021", *one, "--range", "5:1", code=2).stderr
    assert "bin edges" in run("hist", w, "--selection", "adc2021", *one, "--edges", "0,nan,2", code=2).stderr
    twice = ("--mass", "jet1+jet2", "--mass", "jet1+jet2+jet3", "-o", "h.root")
    assert "two histograms" in run("hist", w, "--scores", "t.root", *twice, code=2).stderr
    assert "go together" in run("hist", w, "--selection", "adc2021", *one, "--luminosity", 1, code=2).stderr
    assert not (tmp_path / "h.root").exists()


@pytest.mark.usefixtures("unrendered")
def test_evaluate(process, run, examples: Path, tmp_path: Path) -> None:
    start = ("evaluate", "--background", examples / "background.h5", "--max-events", 1500, "--bootstrap", 10)
    signals = [("--signal", f"{name}={examples / name}.h5") for name in ("h0", "a4l")]
    command = [*start, *signals[0], *signals[1], "--model", "dnn_ae", "--model", "vae", "-o", "rep"]
    report = json.loads(run(*command, "--json").stdout)
    rows = {(r["model"], r["score"], r["signal"]): r for r in report["rows"]}
    assert set(rows) == {("dnn_ae", "mse", s) for s in ("a4l", "h0")} | {
        ("vae", score, s) for score in ("mse", "kl", "r") for s in ("a4l", "h0")
    }
    assert rows["dnn_ae", "mse", "a4l"]["published"]["auc"] == [0.890, 0.011]
    assert rows["dnn_ae", "mse", "a4l"]["auc"]["value"] > 0.9
    assert report["warnings"] == []
    files = {p.name for p in (tmp_path / "rep").iterdir()}
    figures = {f"{n}.{kind}" for n in ("roc", "sic", "scores_dnn_ae", "scores_vae") for kind in ("csv", "png")}
    assert files == {"SHA256SUMS", "report.html", "report.md", "report.json", "tables.tex"} | figures
    assert "| dnn_ae | mse | A \u2192 4\u2113 |" in (tmp_path / "rep" / "report.md").read_text()
    again = json.loads(
        process(*start, *signals[0], "--model", "dnn_ae", "-o", "rep2", "--figures", "pdf", "--json").stdout
    )
    assert again["rows"] == [row for row in report["rows"] if (row["model"], row["signal"]) == ("dnn_ae", "h0")]
    assert (tmp_path / "rep2" / "roc.pdf").stat().st_size > 1000
    page = (tmp_path / "rep2" / "report.html").read_text(encoding="utf-8")
    assert "dnn_ae tells h\u2080 \u2192 \u03c4\u03c4 from background with an AUC of" in page
    assert '<a href="roc.pdf">' in page


@pytest.mark.usefixtures("unrendered")
def test_evaluate_leaves_out_the_training_background(run, examples: Path, tmp_path: Path) -> None:
    quick = ("--epochs", 1, "--region", "loose=efficiency:0.05")
    run("train", examples / "background.h5", "--model", "dnn_ae", *quick, "-o", "mine")
    command = ("evaluate", "--background", examples / "background.h5", "--signal", f"h0={examples / 'h0.h5'}")
    report = json.loads(run(*command, "--model", "mine", "--bootstrap", 5, "-o", "rep", "--json").stdout)
    held = json.loads((tmp_path / "mine" / "card.json").read_text())["training"]["holdout_events"]
    assert report["events"]["background"] == held
    assert report["warnings"][0].startswith(f"background: measured on {held} of 7111 events, as dnn_ae was trained on")


def test_evaluate_faults(run, examples: Path, tmp_path: Path) -> None:
    start = ("evaluate", "--background", examples / "background.h5", "--model", "dnn_ae", "-o", "rep")
    assert "NAME=FILE" in run(*start, "--signal", "h0.h5", code=2).stderr
    assert "no such file" in run(*start, "--signal", "h0=no.h5", code=4).stderr
    assert list(tmp_path.iterdir()) == []


def test_every_command_has_an_example_and_stands_in_the_order_of_the_work(run) -> None:
    work = ("inspect", "list", "score", "vectorize", "hist", "train", "evaluate", "study")
    commands = (*work, "hunt", "bumphunt", "limit", "reinterpret")
    text = run("--help").stdout
    positions = [text.index(f"│ {name} ") for name in commands]
    assert positions == sorted(positions)
    for name in commands:
        assert f"hepad {name} " in run(name, "-h").stdout
