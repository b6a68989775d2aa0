"""What the API gives is what the command gives, number for number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import awkward as ak
import hist
import numpy as np
import pytest
import uproot
from matplotlib.figure import Figure

import hepad
from hepad.api.spectra import yields_of
from hepad.bundles.bundle import load_bundle
from hepad.errors import InputDataError, UsageError
from hepad.spectra.files import write_histograms_json, write_histograms_root


def without(content: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key not in keys}


@pytest.fixture(scope="module")
def background(examples: Path) -> ak.Array:
    return hepad.load_events(examples / "background.h5")


def test_scores(run, examples: Path, tmp_path: Path) -> None:
    path = examples / "w_lnu.root"
    said = json.loads(run("score", path, "-m", "snn_ae", "--region", "mine=efficiency:0.05", "--json").stdout)
    rows = uproot.open(tmp_path / "w_lnu.scores.root")["Scores"].arrays(library="np")
    assert 0 < rows["selected"].sum() < len(rows["selected"])

    events, model = hepad.load_events(path), hepad.load_model("snn_ae")
    scores = model.scores(events)
    np.testing.assert_array_equal(scores["mse"], rows["score_mse"])
    assert scores["mse"].dtype == rows["score_mse"].dtype
    assert {name: mask.tolist() for name, mask in model.regions(scores).items()} == {
        name: rows[f"in_{name}"].tolist() for name in ("loose", "tight")
    }
    assert model.region("mine=efficiency:0.05").inside(scores).tolist() == rows["in_mine"].tolist()
    assert model.region("mine=efficiency:0.05").inside(scores["mse"]).tolist() == rows["in_mine"].tolist()

    for given in (events, path):
        found = hepad.score(given, model, regions={"mine": "efficiency:0.05"}, step_size=4000)
        assert without(json.loads(json.dumps(found.to_json())), "output") == without(said, "output")
        np.testing.assert_array_equal(found.scores["mse"], rows["score_mse"])
        assert found.selected.tolist() == rows["selected"].tolist()
        assert found.weight.tolist() == rows["weight"].tolist()
        assert found.masks["mine"].tolist() == rows["in_mine"].tolist()
        assert found.regions["mine"].selected == rows["in_mine"].sum()
        assert found.cutflow.selected.events == rows["selected"].sum()

    edges = "60,100,160,250,400"
    run("hist", path, "--mass", "jet1+jet2", "--edges", edges, "--scores", "w_lnu.scores.root", "-o", "m.json")
    written = json.loads((tmp_path / "m.json").read_text())
    numbers = [float(edge) for edge in edges.split(",")]
    for name, where in (("m_jet1_jet2", None), ("m_jet1_jet2_mine", rows["in_mine"])):
        filled = hepad.hist(events, "jet1+jet2", edges=numbers, selection=model, where=where)
        assert filled.values(flow=True).tolist() == written[name]["storage"]["values"]
        assert filled.variances(flow=True).tolist() == written[name]["storage"]["variances"]


def test_scores_with_another_selection_and_with_none(background: ak.Array) -> None:
    model = hepad.load_model("snn_ae")
    own = model.scores(background)["mse"]
    assert np.isfinite(own).all()  # all of them are selected events
    np.testing.assert_array_equal(model.scores(background, selection=True)["mse"], own)
    np.testing.assert_array_equal(model.scores(background, selection="adc2021")["mse"], own)
    electrons = model.scores(background, selection="adc2021_electron")["mse"]
    assert 0 < np.isnan(electrons).sum() < len(own)
    np.testing.assert_array_equal(electrons[np.isfinite(electrons)], own[np.isfinite(electrons)])
    soft = {f"{name}.{f}": [[20.0 if f == "pt" else 0.1]] for name in ("jets", "muons", "electrons")
            for f in ("pt", "eta", "phi")} | {"met.pt": [1.0], "met.phi": [0.0]}  # fmt: skip
    assert np.isnan(model.scores(soft)["mse"]).all()
    assert np.isfinite(model.scores(soft, selection=False)["mse"]).all()


def test_training(run, examples: Path, tmp_path: Path, background: ak.Array, unrendered: None) -> None:
    path, options = examples / "background.h5", ["--epochs", 2, "--seed", 5, "--region", "loose=efficiency:0.05"]
    said = json.loads(run("train", path, "-m", "dnn_ae", *options, "-o", "bundle", "--json").stdout)
    model = hepad.train(path, "dnn_ae", epochs=2, seed=5, regions={"loose": "efficiency:0.05"})
    assert without(model.to_json(), "output") == without(said, "output")
    folder = model.save(tmp_path / "mine")
    assert (folder / "model.safetensors").read_bytes() == (tmp_path / "bundle" / "model.safetensors").read_bytes()
    cards = [json.loads((tmp_path / name / "card.json").read_text()) for name in ("bundle", "mine")]
    assert without(cards[0], "provenance", "hashes") == without(cards[1], "provenance", "hashes")
    kept = [without(card["provenance"], "arguments") for card in cards]
    assert kept[0] == kept[1]
    assert (folder / "loss.png").is_file()

    # What stays in memory scores as what was written. Events in memory are no entries of that file, so that other ones
    # are held out of them: the same for the same content, whatever array holds it.
    again = hepad.load_model(folder)
    assert again.bundle.sha256 == model.bundle.sha256
    assert again.bundle.card == model.bundle.card
    np.testing.assert_array_equal(again.scores(background)["mse"], model.scores(background)["mse"])
    of_memory, of_copy = (
        hepad.train(events, "dnn_ae", epochs=2, seed=5, regions={"loose": "efficiency:0.05"})
        for events in (background, ak.concatenate([background[:100], background[100:]]))
    )
    assert sum(of_memory.to_json()["split"].values()) == sum(said["split"].values())
    assert of_memory.to_json() == of_copy.to_json()
    np.testing.assert_array_equal(of_memory.scores(background)["mse"], of_copy.scores(background)["mse"])
    (record,) = of_memory.bundle.card.provenance["inputs"]
    assert record["name"] == "events in memory"
    assert len(record["sha256"]) == 64


def test_evaluation(run, examples: Path, tmp_path: Path, background: ak.Array, unrendered: None) -> None:
    few = ["--bootstrap", 20, "--aso-subsets", 10, "--max-events", 1500]
    files = ["--background", examples / "background.h5", "--signal", f"h0={examples / 'h0.h5'}"]
    models = ["-m", "spiking=snn_ae", "-m", "dense=dnn_ae"]
    said = json.loads(run("evaluate", *files, *models, *few, "-o", "report", "--json").stdout)
    found = hepad.evaluate(
        background,
        {"h0": examples / "h0.h5"},
        {"spiking": hepad.load_model("snn_ae"), "dense": "dnn_ae"},
        bootstrap=20,
        aso_subsets=10,
        max_events=1500,
    )
    assert without(json.loads(json.dumps(found.to_json())), "output") == without(said, "output")
    rows = {row["model"]: row for row in said["rows"]}
    assert found.auc("h0") == (rows["spiking"]["auc"]["value"], rows["spiking"]["auc"]["std"])
    assert found.auc("h0", model="dense")[0] == rows["dense"]["auc"]["value"]


def test_bump_hunt_and_fit(run, examples: Path) -> None:
    spec = examples / "cms_dijet_137fb.csv"
    low, high, counts = np.loadtxt(spec, delimiter=",", skiprows=5, usecols=(0, 1, 2), unpack=True)
    pair = (counts, np.append(low, high[-1]))
    options = ["--function", "dijet3", "--range", "2000:7000", "--toys", 100, "--seed", 3]
    said = json.loads(run("bumphunt", spec, *options, "--width-max", 6, "--json").stdout)
    found = hepad.bumphunt(pair, function="dijet3", mass_range=(2000, 7000), toys=100, seed=3, width_max=6)
    assert without(json.loads(json.dumps(found.to_json())), "spectrum") == without(said, "spectrum")
    assert (found.window, found.local_p, found.global_p) == (tuple(said["window"]), said["local_p"], said["global_p"])
    assert found.fit is not None
    several = hepad.bumphunt([pair, str(spec)], function="dijet3", toys=0)
    assert several.report.hunt.observed_in[0] == several.report.hunt.observed_in[1]

    said = json.loads(run("fit", spec, "--function", "dijet3", "--function", "power2", "--toys", 0, "--json").stdout)
    record = hepad.fit(pair, ["dijet3", "power2"], toys=0)
    assert without(json.loads(json.dumps(record.to_json())), "spectrum") == without(said, "spectrum")
    assert record.parameters == said["fits"][0]["parameters"]
    assert record.errors == said["fits"][0]["errors"]
    assert record["power2"].expected.tolist() == said["fits"][1]["expected"]
    assert hepad.fit(pair, order="auto").report.backgrounds[0].steps


def test_limits(run, tmp_path: Path) -> None:
    edges = np.array([0.0, 10.0, 20.0, 30.0])
    signal, background, data = (hist.Hist(hist.axis.Variable(edges), storage=s) for s in (
        hist.storage.Double(), hist.storage.Weight(), hist.storage.Int64()))  # fmt: skip
    signal[...] = [1.0, 4.0, 1.5]
    background.fill([5.0] * 60 + [15.0] * 30 + [25.0] * 10, weight=[0.5] * 100)
    data[...] = [28, 17, 6]
    given = {"signal": signal, "background": background, "data": data}
    write_histograms_json(tmp_path / "h.json", given)
    words = [word for name in given for word in (f"--{name}", f"h.json:{name}")]
    options = ["--background-error", 0.05, "--calculator", "asymptotic", "--cross-section", 0.2, "--json"]
    said = json.loads(run("limit", *words, *options).stdout)
    how = {"background_error": 0.05, "calculator": "asymptotic", "cross_section_pb": 0.2}
    found = hepad.limit(**given, **how)
    assert json.loads(json.dumps(found.to_json())) == said
    assert found.observed == said["observed"]
    assert found.observed_pb == said["cross_section_pb"]["observed"]
    assert found.expected.tolist() == said["expected"]
    assert found.report.model.background_variances.tolist() == [15.0, 7.5, 2.5]

    assert found.workspace()["channels"]

    # The same from arrays, pairs and uproot's histograms; counts have no errors of finite statistics, as in a file.
    whole = hist.Hist(hist.axis.Variable(edges), storage=hist.storage.Double(), data=data.values())
    write_histograms_root(tmp_path / "h.root", {**given, "data": whole})
    with uproot.open(tmp_path / "h.root") as file:
        of_root = yields_of(**{name: file[name] for name in given})
    triple = (background.values(), edges, background.variances())
    of_arrays = yields_of(signal=[1.0, 4.0, 1.5], background=triple, data=np.array([28, 17, 6]))
    for name, wanted in yields_of(**given).items():
        for spectrum in (of_root[name], of_arrays[name]):
            assert spectrum.edges.tolist() == edges.tolist()
            assert spectrum.counts.tolist() == wanted.counts.tolist()
            assert spectrum.is_weighted is wanted.is_weighted
    assert of_root["background"].variances.tolist() == of_arrays["background"].variances.tolist() == [15.0, 7.5, 2.5]
    assert of_root["data"].variances is yields_of(data=data)["data"].variances is None
    assert yields_of(background=(background.values(), edges))["background"].variances is None

    said = json.loads(run("limit", "--signal", 9, "--background", 50, "--data", 55, "--json").stdout)
    assert hepad.limit(9, 50, 55).to_json() == said
    assert hepad.limit(np.float64(9), np.int64(50)).observed is None
    said = json.loads(run("discovery", "--data", 6, "--background", 3.5, "--luminosity", 139, "--json").stdout)
    assert hepad.discovery(data=6, background=3.5, luminosity_fb=139).to_json() == said
    table = hepad.discovery({"one": {"observed": 6, "background": 3.5}}, luminosity_fb=139)
    assert table["one"].limit.observed == said["regions"][0]["s95_observed"]
    said = json.loads(run("abcd", "--counts", "35,100,80,400", "--calculator", "asymptotic", "--json").stdout)
    assert hepad.abcd([35, 100, 80, 400], calculator="asymptotic").to_json() == said


METHOD = """
schema: method/1
name: quick
title: A small method
reference: nobody has published it
fidelity: inspired
selection: adc2021
input: {kind: event_features, features: [jet1+jet2_lightest, jet1+jet2_heaviest]}
method: {name: cwola, classifier: {kind: network, layers: [8]}, rotations: 1, restarts: 1}
folds: 3
train: {epochs: 1}
regions: {loose: {background_efficiency: 0.2}}
"""


def test_hunt(run, examples: Path, tmp_path: Path) -> None:
    path = examples / "w_lnu.root"
    (tmp_path / "quick.yaml").write_text(METHOD)
    words = ["--method", "quick.yaml", "--mass", "jet1+jet2", "--window", "150:220", "--sidebands", "60:400"]
    said = json.loads(run("hunt", path, *words, "--region", "mine=efficiency:0.1", "-o", "h.root", "--json").stdout)
    rows = uproot.open(tmp_path / "h.root")["Scores"].arrays(library="np")
    how: Any = {"mass": "jet1+jet2", "window": (150, 220), "sidebands": (60, 400)}
    found = hepad.hunt(path, tmp_path / "quick.yaml", **how, regions={"mine": "efficiency:0.1"})
    assert without(json.loads(json.dumps(found.to_json())), "output") == without(said, "output")
    for name, values in found.scores.items():
        np.testing.assert_array_equal(values, rows[f"score_{name}"])
    assert found.masks["mine"].tolist() == rows["in_mine"].tolist()
    assert found.selected.tolist() == rows["selected"].tolist()
    assert found.weight.tolist() == rows["weight"].tolist()
    inside = found.masks["mine"] & (found.mass >= 150) & (found.mass < 220)
    assert inside.sum() == found.regions["mine"].events["window"] > 0
    assert np.isnan(found.mass[~found.selected]).all()
    ax = Figure().subplots()
    assert found.plot(ax) is ax
    assert ax.has_data()
    assert "<td>mine</td>" in found._repr_html_()
    with pytest.raises(UsageError, match="must lie within the sidebands"):
        hepad.hunt(path, mass="jet1+jet2", window=(150, 220), sidebands=(160, 400))


def test_reinterpretation(run, examples: Path) -> None:
    path = examples / "wprime_wz_2tev.root"
    said = json.loads(run("reinterpret", path, "-a", "cms_2019_dijet", "--xsec", 0.1, "--json").stdout)
    ours = json.loads(json.dumps(hepad.reinterpret(path, "cms_2019_dijet", cross_section_pb=0.1).to_json()))
    assert without(ours, "provenance") == without(said, "provenance")
    found = hepad.reinterpret(hepad.load_events(path), "cms_2019_dijet", cross_section_pb=0.1)
    assert found.verdict == said["verdict"]["status"]
    assert found.observed_pb == said["combined"]["limit_pb_observed"]
    assert found.expected_pb == said["combined"]["limit_pb_expected"]
    assert found.acceptance["all"][0] == said["acceptance"]["all"]["value"]


def test_latency(run, examples: Path) -> None:
    pytest.importorskip("da4ml")
    path = examples / "background.h5"
    words = ["latency", path, "-m", "snn_ae", "--budget", "cms-l1", "--max-events", 200, "--json"]
    words += ["--bits", "weight=3,membrane=4", "--shallow"]
    said = json.loads(run(*words).stdout)
    how: Any = {"budget": "cms-l1", "max_events": 200, "bits": {"weight": 3, "membrane": 4}, "shallow": True}
    found = hepad.latency(hepad.load_model("snn_ae"), hepad.load_events(path), **how)
    assert found.passed is said["passed"] is True
    assert found.tiers["estimated"].to_json() == said["tiers"]["estimated"]
    assert [check.to_json() for check in found.checks] == said["details"]["checks"]
    ours = found.to_json()
    assert without(ours["details"], "seconds") == without(said["details"], "seconds")
    assert ours["model"] == said["model"]


def test_runs_beside_a_reference(run, examples: Path, background: ak.Array, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hepad.pipeline.monitor.run.write_report", lambda *_, **__: None)
    words = ["--run", f"late={examples / 'h0.h5'}", "-m", "dnn_ae", "--max-events", 300, "--toys", 100, "--alpha", 0.02]
    said = json.loads(run("monitor", examples / "background.h5", *words, "-o", "shifts", "--json").stdout)
    how: Any = {"max_events": 300, "toys": 100, "alpha": 0.02}
    found = hepad.monitor(background, {"late": examples / "h0.h5"}, hepad.load_model("dnn_ae"), **how)
    assert json.loads(json.dumps(found.to_json())) == said
    assert found.passed is said["passed"] is False
    assert [row.quantity for row in found["late"].shifted] == [
        row["quantity"] for row in said["runs"][0]["quantities"] if row["shifted"]
    ]
    ax = Figure().subplots()
    assert found.plot(ax) is ax
    assert [label.get_text() for label in ax.get_xticklabels()] == ["late"]
    assert "<td>late</td>" in found._repr_html_()
    with pytest.raises(UsageError, match="of the reference and of run same: compare with other events"):
        hepad.monitor(background, {"same": background}, "dnn_ae", **how)
    with pytest.raises(UsageError, match="no run is called reference"):
        hepad.monitor(background, {"reference": background}, "dnn_ae")


def test_clusters(run, examples: Path, background: ak.Array, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setattr("hepad.pipeline.cluster.run.write_report", lambda *_, **__: None)
    region, h0 = "kept=efficiency:0.3", examples / "h0.h5"
    words = ["-b", examples / "background.h5", "--simulation", f"lq={examples / 'lq.h5'}", "--region", region]
    words += ["--max-events", 400, "--toys", 100, "--space", "quantities", "--components", 3, "--min-size", 12]
    said = json.loads(run("cluster", h0, "-m", "dnn_ae", *words, "-o", "clusters", "--json").stdout)
    how: Any = {"max_events": 400, "toys": 100, "space": "quantities", "components": 3, "min_size": 12}
    others = {"lq": examples / "lq.h5"}
    found = hepad.cluster(h0, "dnn_ae", background=background, simulations=others, region=region, **how)
    assert json.loads(json.dumps(found.to_json())) == said
    assert (found.global_p, len(found.rows)) == (said["global_p_value"], len(said["rows"]))
    counts = [
        [int((found.is_data == data)[found.classes == (-1 if row.name == "none" else int(row.name) - 1)].sum())
         for data in (True, False)]
        for row in found.rows
    ]  # fmt: skip
    assert counts == [[row["data"], row["background"]] for row in said["rows"]]
    assert found.points.shape == (sum(map(sum, counts)), 3)
    ax = Figure().subplots()
    assert found.plot(ax) is ax
    assert [label.get_text() for label in ax.get_xticklabels()] == [row["name"] for row in said["rows"]]
    assert "share of lq" in found._repr_html_()


def test_closure(run, examples: Path, tmp_path: Path) -> None:
    path = examples / "w_lnu.root"
    run("score", path, "-m", "double_ae", "--max-events", 3000, "-o", "b.root")
    words = ["--plane", "mse2,mse1", "--efficiency", 0.05, "--efficiency", 0.001, "--min-events", 5, "--data", "b.root"]
    said = json.loads(run("abcd", "--scores", "b.root", *words, "--json").stdout)
    how: Any = {"plane": ["mse2", "mse1"], "efficiencies": [0.05, 0.001], "min_events": 5}
    scored = hepad.score(path, "double_ae", max_events=3000)
    assert 0 < scored.selected.sum() < len(scored.selected)
    masked = {**scored.scores, "weight": scored.weight}  # NaN where an event was not selected
    for scores in (tmp_path / "b.root", str(tmp_path / "b.root"), scored, masked):
        found = hepad.abcd(scores=scores, data=masked, **how)
        assert json.loads(json.dumps(found.to_json())) == said
    assert found.nonclosure == said["nonclosure"]
    assert [point.counts.tolist() for point in found.points] == [list(said["background"][0]["counts"].values())]
    assert found.data[0].cuts == found.points[0].cuts
    assert "too few events in a region at efficiency 0.001" in found._repr_html_()
    ax = Figure().subplots()
    assert found.plot(ax) is ax
    assert ax.has_data()
    with pytest.raises(UsageError, match="scores: has no score 'three'; it has mse1, mse2"):
        hepad.abcd(scores=masked, plane=["mse1", "three"])
    with pytest.raises(InputDataError, match="scores: arrays of one length are needed"):
        hepad.abcd(scores={**masked, "weight": scored.weight[1:]})
    with pytest.raises(UsageError, match="give counts of A, B, C and D, or scores"):
        hepad.abcd()  # type: ignore[call-overload]


def test_a_trained_model_goes_into_every_verb(background: ak.Array) -> None:
    model = hepad.train(background, "dnn_ae", epochs=1, regions={"loose": "efficiency:0.1"})
    assert load_bundle(model.bundle) is model.bundle
    assert hepad.score(background, model).regions["loose"].fraction == pytest.approx(0.1, abs=0.03)
    assert hepad.evaluate(background[:500], {"same": background[500:1000]}, model, bootstrap=5).auc("same")[0] > 0.4


def test_jets(run, data: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastjet")
    path = data / "lhco.h5"
    words = ("-R", 1.0, "--min-pt", 20, "--max-eta", 5, "--leading", 0, "--soft-drop", "0.2:1", "--max-events", 2)
    said = json.loads(run("jets", path, *words, "-o", "jets.root", "--json").stdout)
    written = uproot.open(tmp_path / "jets.root")["tree"].arrays()
    how: Any = {"radius": 1.0, "min_pt": 20, "max_eta": 5, "leading": None, "soft_drop": (0.2, 1.0), "max_events": 2}
    found = hepad.jets(path, **how)
    assert without(json.loads(json.dumps(found.to_json())), "output") == without(said, "output")
    assert set(written.fields) - set(found.branches.fields) == {"npart"}  # the lengths of the lists
    assert all(ak.array_equal(found.branches[name], written[name]) for name in found.branches.fields)
    assert found.event.tolist() == written.event_entry.tolist()
    loaded = hepad.load_events(tmp_path / "jets.root")
    assert ak.array_equal(found.events, loaded)
    in_memory = hepad.jets(hepad.load_events(path), **how)  # which has no labels
    assert all(ak.array_equal(in_memory.branches[n], written[n]) for n in in_memory.branches.fields)
    ax = Figure().subplots()
    assert found.plot(ax) is ax
    assert f"{said['jets']} jets of 2 of 2 events" in found._repr_html_()
    with pytest.raises(InputDataError, match="no jet above 20000 GeV"):
        hepad.jets(path, min_pt=20_000)


def test_injected_and_spurious_signals(run, examples: Path) -> None:
    path = examples / "atlas_dijet_139fb.csv"
    low, high, counts = np.loadtxt(path, delimiter=",", skiprows=5, usecols=(0, 1, 2), unpack=True)
    pair, few = (counts, np.append(low, high[-1])), ["--experiments", 8, "--seed", 3]
    words = [
        "--mass",
        2500,
        "--width",
        0.03,
        "--yield",
        2000,
        "--yield",
        5000,
        "--function",
        "dijet5",
        "--float",
        "none",
    ]
    said = json.loads(run("inject", path, *words, *few, "--json").stdout)
    how: Any = {"mass": 2500, "width": 0.03, "function": "dijet5", "floating": (), "experiments": 8, "seed": 3}
    found = hepad.inject(pair, [2000, 5000], **how)
    assert found.to_json() == said
    assert found.injections[1].values[:, 0].mean() == pytest.approx(said["injections"][1]["yield"]["mean"])
    ax = Figure().subplots()
    assert found.plot(ax) is ax
    assert "5000" in repr(found)
    with pytest.raises(UsageError, match="of mass and width, found 'yield'"):
        hepad.inject(pair, 10, **{**how, "floating": ("yield",)})

    words = ["--function", "dijet4", "--function", "dijet5", "--masses", "2000,4000", "--truth", "dijet5"]
    said = json.loads(run("spurious", path, *words, "--max-ratio", 0.1, "--json").stdout)
    tested = hepad.spurious(pair, ["dijet4", "dijet5"], [2000, 4000], truth="dijet5", max_ratio=0.1)
    assert tested.to_json() == said
    assert tested.passed == {name: each["passed"] for name, each in said["functions"].items()}
    assert [point.ratio for point in tested.points["dijet4"]] == [
        point["ratio"] for point in said["functions"]["dijet4"]["points"]
    ]
    assert tested.plot(ax) is ax


@pytest.mark.usefixtures("unrendered")
def test_what_carries_a_score(run, examples: Path, data: Path) -> None:
    words = ["-m", "dnn_ae", "--top", 2, "--max-events", 300, "-o", "why", "--json"]
    said = json.loads(run("explain", f"h0={examples / 'h0.h5'}", *words).stdout)
    found = hepad.explain({"h0": hepad.load_events(examples / "h0.h5")}, "dnn_ae", top=2, max_events=300)
    assert without(json.loads(json.dumps(found.to_json())), "output") == without(said, "output")
    assert found["h0"].objects["met"][0] == said["samples"][0]["objects"]["met"][0]
    ax = Figure().subplots()
    assert found.plot(ax) is ax
    model = hepad.train(data / "towers.root", "conv_ae", epochs=1, regions={"half": "efficiency:0.5"}, seed=2)
    maps = hepad.explain({"t": data / "towers.root"}, model, region="half", top=2, mean_of=3)
    (sample,) = maps.to_json()["samples"]
    assert (sample["events"], sample["mean_of"], maps.report.region) == (maps["t"].events, 3, "half")
    assert maps["t"].mean.parts.sum() == pytest.approx(maps["t"].mean.score)
    assert maps.plot(Figure().subplots()).get_title() == "t, et"
    assert "mean mse" in repr(maps)


def test_published_numbers(run) -> None:
    said = json.loads(run("verify", "dnn_ae", "--bootstrap", 2, "--json").stdout)
    found = hepad.verify("dnn_ae", bootstrap=2)
    assert json.loads(json.dumps(found.to_json())) == said
    assert found.passed
    measured = [check for check in found.checks if check.pull is not None]
    ax = Figure().subplots()
    assert found.plot(ax) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == [f"{c.system}: {c.quantity}" for c in measured]
    np.testing.assert_allclose(ax.lines[-1].get_xdata(), [check.pull for check in measured])
    assert found._repr_html_().count("<tr>") == len(measured) + 1
