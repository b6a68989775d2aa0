"""`hepad jets`: events to files of jets, that everything else reads, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from itertools import product
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.io.detector.eflow import FLOW
from hepad.io.events import COLUMNS
from hepad.io.reader import open_events, read_events
from hepad.io.tables.features import TableFile, TablePath
from hepad.io.tables.scores import ScoreFile, ScoreWriter
from hepad.pipeline.jets import table
from hepad.pipeline.jets.run import JetsOptions, make_jets
from hepad.provenance import file_record

MASSES = ((106.91212895959009, 63.16421456404189), (614.2691080253145, 439.0641503799008))
"""Of the leading jets of the first two events: golden, see `tests/io/test_clustering.py`."""


def test_events_become_jets_that_are_read_and_drawn(data: Path, process: Callable[..., object], tmp_path: Path) -> None:
    words = ("jets", data / "lhco.h5", "-R", 1.0, "--min-pt", 20, "--max-eta", 5, "-o", "jets.root")
    assert "3 events, 3 with jets, 6 jets" in process(*words).stdout
    tree = uproot.open(tmp_path / "jets.root")["tree"].arrays()
    np.testing.assert_allclose(tree.jet_mass[:4], np.ravel(MASSES), rtol=1e-6)
    assert tree.event_entry.tolist() == [0, 0, 1, 1, 2, 2]
    assert tree.jet_rank.tolist() == [0, 1] * 3
    assert tree.label_signal.tolist() == [False] * 4 + [True] * 2
    assert tree.jet_nparticles.tolist() == ak.num(tree.part_px).tolist() == [36, 33, 84, 97, 54, 57]
    np.testing.assert_allclose(ak.sum(tree.part_energy, axis=1), tree.jet_energy, rtol=1e-6)
    eta = np.arcsinh(tree.part_pz / np.hypot(tree.part_px, tree.part_py))
    np.testing.assert_allclose(
        ak.flatten(tree.part_deta), ak.flatten((eta - tree.jet_eta) * np.sign(tree.jet_eta)), atol=1e-5
    )
    assert ak.all(tree.jet_tau2 < tree.jet_tau1)
    (chunk,) = read_events([tmp_path / "jets.root"], {"fatjets": {"mass", "sdmass"}, "particles": {"energy"}})
    assert chunk.events.fatjets.mass[:, 0].tolist() == tree.jet_mass.tolist()


def test_jets_are_made_once_and_the_same_whatever_the_steps(
    data: Path, run: Callable[..., object], tmp_path: Path
) -> None:
    words = ("jets", data / "lhco.h5", "--radius", 0.8, "--min-pt", 300, "--leading", 0, "--soft-drop", "0.2:1")
    report = json.loads(run(*words, "-o", "all.root", "--json").stdout)
    assert report["events"] == 3
    assert "complete already" in run(*words, "-o", "all.root").stderr
    run(*words, "--step-size", 1, "-o", "steps.root")
    one, other = (uproot.open(tmp_path / name)["tree"].arrays() for name in ("all.root", "steps.root"))
    assert ak.array_equal(one, other)
    assert len(one) == report["jets"] > 4
    assert "hepad jets" in str(uproot.open(tmp_path / "all.root")["provenance"])


def test_jets_as_rntuples_are_those_of_the_trees(data: Path, run: Callable[..., object], tmp_path: Path) -> None:
    words = ("jets", data / "lhco.h5", "--min-pt", 20, "--step-size", 1, "-o")
    run(*words, "tree.root")
    run(*words, "new.root", "--format", "rntuple")
    with uproot.open(tmp_path / "new.root") as file:
        assert file.classnames(cycle=False)["tree"] == "ROOT::RNTuple"
        assert file["events"].num_entries == 3
    with closing(open_events(tmp_path / "new.root")) as new, closing(open_events(tmp_path / "tree.root")) as tree:
        fields = tree.available()
        assert (new.format, new.available(), new.labels) == ("jetclass", fields, tree.labels)  # type: ignore[attr-defined]
        found, expected = (next(source.iterate(fields, step_size=9, stop=9)) for source in (new, tree))
        assert ak.array_equal(found, expected)
    for name in ("tree", "new"):
        run("jets", f"{name}.root", "--table", "-o", f"{name}.npz")
    with np.load(tmp_path / "tree.npz") as one, np.load(tmp_path / "new.npz") as other:
        for column in set(one.files) - {"provenance"}:
            np.testing.assert_array_equal(one[column], other[column])
    assert "complete already" in run(*words, "new.root", "--format", "rntuple").stderr
    assert "complete already" not in run(*words, "new.root").stderr
    assert "root or rntuple" in run(*words, "x.root", "--format", "parquet", code=2).stderr


@pytest.mark.parametrize("ending", ["parquet", "h5", "npz"])
def test_jets_of_an_event_become_a_row_of_a_table(
    ending: str, data: Path, run: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("jets", data / "lhco.h5", "-R", 1.0, "--min-pt", 20, "--max-eta", 5, "--leading", 0, "-o", "jets.root")
    monkeypatch.setattr(table, "_JETS_AT_A_TIME", 1)
    report = json.loads(run("jets", "jets.root", "--table", "-o", f"dijets.{ending}", "--json").stdout)
    assert (report["events"], report["rows"]) == (3, 3)
    with closing(TableFile(TablePath(tmp_path / f"dijets.{ending}"))) as rows:
        assert set(report["columns"]) <= set(rows.names)
        (events,) = rows.iterate({COLUMNS: set(report["columns"])}, step_size=10, stop=3)
    own = events[COLUMNS]
    np.testing.assert_allclose(own.fatjet1_mass[:2], [pair[0] for pair in MASSES], rtol=1e-6)
    np.testing.assert_allclose(own.fatjet2_mass[:2], [pair[1] for pair in MASSES], rtol=1e-6)
    assert own.entry.tolist() == [0, 1, 2]
    assert own.label_signal.tolist() == [0, 0, 1]
    np.testing.assert_allclose(own.fatjet2_tau21 * own.fatjet2_tau1, own.fatjet2_tau2)
    # The mass of two jets from their momenta, another way: m1^2 + m2^2 + 2 (E1 E2 - p1 p2).
    tree = uproot.open(tmp_path / "jets.root")["tree"].arrays(library="np")
    leading = tree["jet_rank"] == 0
    both = [np.flatnonzero(leading), np.flatnonzero(leading) + 1]
    p, eta, phi, energy = (
        [tree[f"jet_{name}"][one].astype(float) for one in both] for name in ("pt", "eta", "phi", "energy")
    )
    product = energy[0] * energy[1] - p[0] * p[1] * (np.cos(phi[0] - phi[1]) + np.sinh(eta[0]) * np.sinh(eta[1]))
    square = own.fatjet1_mass**2 + own.fatjet2_mass**2 + 2 * product
    np.testing.assert_allclose(own.mjj, np.sqrt(square), rtol=1e-6)
    np.testing.assert_allclose(own.deta, np.abs(eta[0] - eta[1]), atol=1e-6)


def test_a_table_has_the_scores_of_its_jets(
    data: Path, run: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("jets", data / "lhco.h5", "-R", 1.0, "--min-pt", 20, "--max-eta", 5, "--leading", 0, "-o", "jets.root")
    tree = uproot.open(tmp_path / "jets.root")["tree"].arrays(["jet_pt", "jet_rank"], library="np")
    pt = tree["jet_pt"].astype(np.float32)
    rows = {"file": np.zeros(len(pt), np.int32), "entry": np.arange(len(pt)), "weight": np.ones(len(pt))}
    selected = np.arange(len(pt)) != 1  # the second jet of the first event
    with ScoreWriter(tmp_path / "scores.root", "root") as out:
        out.write({**rows, "selected": selected, "score": pt, "score_twice": 2 * pt})
        out.describe({"model": "mine", "provenance": {"inputs": [file_record(tmp_path / "jets.root")]}})
    monkeypatch.setattr(table, "_JETS_AT_A_TIME", 1)
    run("jets", "jets.root", "--table", "--scores", "scores.root", "-o", "dijets.npz")
    with np.load(tmp_path / "dijets.npz") as own:
        np.testing.assert_allclose(own["fatjet1_twice"], 2 * own["fatjet1_pt"], rtol=1e-6)
        assert np.isnan(own["fatjet2_twice"]).tolist() == [True, False, False]
        np.testing.assert_allclose(own["fatjet2_twice"][1:], 2 * own["fatjet2_pt"][1:], rtol=1e-6)
    run("jets", data / "lhco.h5", "--min-pt", 20, "-o", "others.root")
    wrong = run("jets", "others.root", "--table", "--scores", "scores.root", "-o", "t.npz", code=4).stderr
    assert "was not made from others.root alone" in " ".join(wrong.split())


def test_what_is_no_table_of_jets_is_refused(data: Path, run: Callable[..., object], tmp_path: Path) -> None:
    run("jets", data / "lhco.h5", "--min-pt", 20, "-o", "jets.root")
    few = run("jets", "jets.root", "--table", "--leading", 9, "-o", "t.parquet", code=4)
    assert "no event has 9 jets; take fewer with --leading" in few.stderr
    assert "lhco.h5" in run("jets", data / "lhco.h5", "--table", "-o", "t.parquet", code=4).stderr
    assert "no file of jets" in run("jets", data / "adfilter_double32.root", "--table", "-o", "t.h5", code=4).stderr
    assert "at least one jet" in run("jets", "jets.root", "--table", "--leading", 0, "-o", "t.parquet", code=2).stderr
    assert "takes one file of jets" in run("jets", "jets.root", "jets.root", "--table", "-o", "t.npz", code=2).stderr
    assert not list(tmp_path.glob("t.*"))


def test_energy_flow_of_delphes_becomes_jets(write_slim: Callable[..., Path], tmp_path: Path) -> None:
    flow = {
        "EFlowTrack_PT": [[100, 50, 20], [], [5]],
        "EFlowTrack_Eta": [[0.1, 0.2, 0.0], [], [1]],
        "EFlowTrack_Phi": [[3.1, -3.1, 3.0], [], [1]],
        "EFlowTrack_Charge": [[1, -1, -1], [], [1]],
        "EFlowTrack_PID": [[211, 11, 13], [], [-11]],
        "EFlowTrack_Mass": [[0.14, 0, 0.1], [], [0]],
        "EFlowTrack_D0": [[0.5, 0.1, 0], [], [0]],
        "EFlowPhoton_ET": [[80], [], [300]],
        "EFlowPhoton_Eta": [[0.1], [], [1]],
        "EFlowPhoton_Phi": [[3.0], [], [1]],
        "EFlowPhoton_E": [[81], [], [300 * np.cosh(1)]],
        "EFlowNeutralHadron_ET": [[10], [], []],
        "EFlowNeutralHadron_Eta": [[0.3], [], []],
        "EFlowNeutralHadron_Phi": [[3.0], [], []],
        "EFlowNeutralHadron_E": [[11], [], []],
    }
    path = write_slim(**{name: [list(map(float, event)) for event in values] for name, values in flow.items()})
    with closing(open_events(path)) as source:
        assert source.available()["particles"] == {"pt", "eta", "phi", "energy", "charge", "id", "d0"}
    (chunk,) = read_events([path], {"particles": {"id", "energy", "charge", "d0"}})
    particles = chunk.events.particles
    assert particles.pt.tolist() == [[100, 80, 50, 20, 10], [], [300, 5]]
    assert particles.id.tolist() == [[1, 4, 5, 7, 3], [], [4, 6]]
    assert particles.charge.tolist() == [[1, 0, -1, -1, 0], [], [0, 1]]
    np.testing.assert_allclose(particles.d0[0], [0.5, 0, 0.1, 0, 0], rtol=1e-6)
    energy = [np.hypot(100 * np.cosh(0.1), 0.14), 81, 50 * np.cosh(0.2), np.hypot(20, 0.1), 11]
    np.testing.assert_allclose(particles.energy[0], energy, rtol=1e-6)
    report = make_jets([str(path)], tmp_path / "jets.root", options=JetsOptions(min_pt=200))
    assert (report.events, report.with_jets, report.jets) == (3, 2, 2)
    (jets,) = read_events([tmp_path / "jets.root"], {"particles": {"id", "d0"}, "fatjets": {"mass"}})
    assert jets.events.particles.id.tolist() == [[4, 6], [1, 4, 5, 7, 3]][::-1]
    assert jets.events.weight.tolist() == [1.0, 0.5]


def test_particles_of_generators_have_their_kinds(data: Path, tmp_path: Path) -> None:
    options = JetsOptions(radius=0.4, min_pt=40, max_events=3)
    make_jets([str(data / "ttbar_hepmc3.hepmc.gz")], tmp_path / "jets.root", options=options)
    (chunk,) = read_events([tmp_path / "jets.root"], {"particles": {"id", "charge"}})
    ids, charge = (ak.to_numpy(ak.flatten(chunk.events.particles[name])) for name in ("id", "charge"))
    assert set(ids.tolist()) >= {1, 2, 3, 4}
    np.testing.assert_array_equal(charge, np.array([0, 1, -1, 0, 0, -1, 1, -1, 1])[ids])


def test_scores_of_jets_become_those_of_their_events(
    data: Path, write_slim: Callable[..., Path], run: Callable[..., object], tmp_path: Path
) -> None:
    flow = {f"{branch}_{leaf}": [[]] * 4 for branch, leaf in product(FLOW[:1], ("PT", "Eta", "Phi", "Charge", "PID"))}
    momenta = ([[300, 250], [400], [20], [500]], [[0, 1], [0], [0], [1]], [[0, 3], [1], [1], [1]])
    flow |= {f"EFlowPhoton_{leaf}": values for leaf, values in zip(("ET", "Eta", "Phi"), momenta, strict=True)}
    flow |= {"EFlowPhoton_E": [[300, 386], [400], [20], [772]]}
    flow |= {f"EFlowNeutralHadron_{leaf}": [[]] * 4 for leaf in ("ET", "Eta", "Phi", "E")}
    only = {f"{name}_{leaf}": [[], [], [], []] for name in ("Electron", "Muon") for leaf in ("PT", "Eta", "Phi")}
    jets = {f"Jet_{leaf}": [[50.0], [60.0], [70.0], [80.0]] for leaf in ("PT", "Eta", "Phi", "Mass")}
    more = {"MissingET_MET": [[1.0]] * 4, "MissingET_Phi": [[1.0]] * 4, "Weight_Weight": [[1.0], [2.0], [3.0], [4.0]]}
    floats = {name: [list(map(float, event)) for event in values] for name, values in {**flow, **only}.items()}
    events = write_slim(**floats, **jets, **more)
    run("jets", events, "-o", "jets.root")
    columns = {
        "file": np.zeros(4, np.int32),
        "entry": np.arange(4),
        "selected": np.array([True, True, True, False]),
        "weight": np.ones(4),
        "score": np.array([0.5, 2.0, 3.0, np.nan], np.float32),
        "in_odd": np.array([False, True, True, False]),
    }
    columns["score_mse"] = columns["score"]
    inputs = [file_record(tmp_path / "jets.root")]
    with ScoreWriter(tmp_path / "scores.root", "root") as out:
        out.write(columns)
        out.describe({"model": "some", "provenance": {"inputs": inputs}})
    for how, scores, inside in (("min", [0.5, 3], [False, True]), ("max", [2, 3], [True, True])):
        words = ("--scores", "scores.root", "--event-score", how, "-o", f"{how}.root", "--json")
        assert json.loads(run("jets", "jets.root", *words).stdout) == {
            "events": 4,
            "scored": 2,
            "output": f"{how}.root",
        }
        with closing(ScoreFile(tmp_path / f"{how}.root")) as found:
            rows = found.rows(["entry", "selected", "weight", "score", "score_mse", "in_odd"], 0, 4)
        assert rows["entry"].tolist() == [0, 1, 2, 3]
        assert rows["selected"].tolist() == [True, True, False, False]
        assert rows["weight"].tolist() == [1, 2, 3, 4]
        np.testing.assert_array_equal(rows["score"], np.array([*scores, np.nan, np.nan], np.float32))
        np.testing.assert_array_equal(rows["score_mse"], rows["score"])
        assert rows["in_odd"].tolist() == [*inside, False, False]
    two = tmp_path / "two.yaml"
    two.write_text(
        "schema: selection/1\nname: two\ntitle: hard jets\nreference: none\nrequire:\n"
        "  - {name: hard, all: [{jets: {pt: {max: 65}}, min_count: 1}]}\n",
        encoding="utf-8",
    )
    words = ("--scores", "max.root", "--selection", "two.yaml", "--mass", "jet1", "-o", "h.root", "--json")
    counts = json.loads(run("hist", events, *words).stdout)["histograms"]
    assert len(counts) == 2
    said = run("jets", "jets.root", "--scores", "min.root", "-o", "x.root", code=4).stderr
    assert "was not made from jets.root alone" in " ".join(said.split())
    said = run("jets", data / "jets.root", "--scores", "scores.root", "-o", "x.root", code=4).stderr
    assert "does not say of which events" in " ".join(said.split())
    assert "--leading" in run("jets", "jets.root", "--scores", "s", "--leading", 1, "-o", "x.root", code=2).stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--min-pt", 1e5), 4, "no jet above 100000 GeV within |eta| 2.5 in 3 events"),
        (("--soft-drop", "0.1"), 2, "write ZCUT:BETA"),
        (("--soft-drop", "0.6:0"), 2, "z_cut between 0 and 0.5"),
        (("--radius", 2), 2, "a radius between 0 and pi / 2"),
    ],
)
def test_what_makes_no_jets_is_said(
    data: Path, run: Callable[..., object], words: tuple[object, ...], code: int, message: str
) -> None:
    said = run("jets", data / "lhco.h5", *words, "-o", "x.root", code=code).stderr
    assert message in " ".join(said.split())


def test_a_file_without_particles_is_refused(
    data: Path, run: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = run("jets", data / "hpm_taunu_0.root", "-o", "x.root", code=4).stderr
    assert "has no particles with an energy" in " ".join(said.split())
    monkeypatch.setitem(__import__("sys").modules, "fastjet", None)
    said = run("jets", data / "lhco.h5", "-o", "x.root", code=5).stderr
    assert "jets need the package fastjet" in " ".join(said.split())
    assert "hepad[jets]" in said
