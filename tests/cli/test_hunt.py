"""`hepad hunt`: from made-up dijets to a bump, the same scores in any order of files, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from matplotlib.figure import Figure

from hepad.provenance import sha256_file
from hepad.samples.split import fold_of

from ..conftest import Run

CARD = """
schema: method/1
name: quick
title: A small method
reference: nobody has published it
fidelity: inspired
selection: all_events
input: {kind: event_features, features: [jet1+jet2_lightest, jet1+jet2_heaviest]}
method: {name: cwola, classifier: {kind: network, layers: [16, 8]}, rotations: 1, restarts: 1}
folds: 3
train: {epochs: 12, batch_size: 200, learning_rate: 5.0e-3}
regions: {loose: {background_efficiency: 0.1}}
"""
WINDOW = ("--mass", "jet1+jet2", "--window", "3300:3700", "--sidebands", "2800:4200")
HUNT = ("--method", "quick.yaml", *WINDOW)


@pytest.fixture
def dijets(tmp_path: Path) -> Callable[..., Path]:
    """Write back-to-back jets whose invariant mass falls, with masses of their own; a resonance of 500 and 100 GeV."""

    def write(name: str, background: int, signal: int = 0, seed: int = 1, weight: float = 1.0) -> Path:
        rng = np.random.default_rng(seed)
        n = background + signal
        mass = np.append(2500 + rng.exponential(700, background), rng.normal(3500, 40, signal))
        masses = rng.exponential(60, (n, 2)) + 10
        masses[background:] = rng.normal(1, 0.04, (signal, 2)) * (500, 100)
        energy = (mass[:, None] ** 2 + masses**2 - masses[:, ::-1] ** 2) / (2 * mass[:, None])
        momentum = np.sqrt(energy[:, 0] ** 2 - masses[:, 0] ** 2)
        phi = rng.uniform(-np.pi, np.pi, n)
        order = rng.permutation(n)
        jets = {
            "Jet.PT": np.stack([momentum, momentum], axis=1)[order],
            "Jet.Eta": np.zeros((n, 2)),
            "Jet.Phi": np.stack([phi, np.where(phi > 0, phi - np.pi, phi + np.pi)], axis=1)[order],
            "Jet.Mass": masses[order],
        }
        counts = np.where(np.arange(n) % 50 == 7, 1, 2)  # some events have one jet alone
        kept = np.arange(2) < counts[:, None]
        content = {name: ak.unflatten(values[kept].astype(np.float32), counts) for name, values in jets.items()}
        content["Weight.Weight"] = ak.Array(np.full((n, 1), weight, dtype=np.float32))
        path = tmp_path / name
        with uproot.recreate(path) as file:
            types = dict.fromkeys(content, "var * float32")
            tree = file.mktree("Delphes", types, counter_name=lambda key: key.replace(".", "_") + "_size")
            tree.extend({name: ak.from_regular(values) for name, values in content.items()})
        (tmp_path / "quick.yaml").write_text(CARD, encoding="utf-8")
        return path

    return write


def rows(path: Path, *columns: str) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = uproot.open(path)["Scores"].arrays(list(columns), library="np")
    return found


def test_a_resonance_is_found_in_spectra_of_its_scores(run: Run, dijets: Callable[..., Path], tmp_path: Path) -> None:
    one, other = dijets("one.root", 2000, 60), dijets("other.root", 1000, 30, seed=2)
    signal = dijets("signal.root", 50, 450, seed=3)
    report = json.loads(run("hunt", one, other, *HUNT, "--signal", f"x={signal}", "-o", "s.root", "--json").stdout)
    region, events = report["regions"]["loose"], report["events"]
    own = report["dependence"]
    assert own["events"] == events["lower sideband"] + events["upper sideband"]
    assert own["p"] > 0.01  # masses of jets do not follow the mass here
    assert region["dependence"]["near"] + region["dependence"]["far"] == pytest.approx(0.2, abs=0.05)
    assert region["dependence"]["hump_p"] > 0.01
    spill = report["spills"]["x"]
    assert spill["window"] == pytest.approx(0.9, abs=0.05)
    assert sum(spill.values()) == pytest.approx(1)
    beyond = 1 - np.exp(-3 / 7) + np.exp(-17 / 7)
    assert spill["elsewhere"] == pytest.approx(0.02 + 0.098 * beyond, abs=0.015)  # of one jet, or no resonance
    again = run("hunt", one, other, *HUNT, "--signal", f"x={signal}", "-o", "s.root").stdout
    assert "distance correlation" in again
    assert "signal x:" in again
    assert events["selected"] == 3090
    assert events["without the mass"] == 63
    sides = events["lower sideband"] + events["upper sideband"]
    kept = region["events"]["lower sideband"] + region["events"]["upper sideband"]
    assert kept / sides == pytest.approx(region["efficiency"]) == pytest.approx(0.1, abs=0.01)
    assert region["expected"] == pytest.approx(region["efficiency"] * events["window"])
    assert region["events"]["window"] > region["expected"] + 50
    found = rows(tmp_path / "s.root", "file", "entry", "selected", "weight", "score", "score_log_odds", "in_loose")
    assert len(found["file"]) == 3090
    assert np.isnan(found["score"]).sum() == 63
    assert np.array_equal(found["in_loose"], found["score"] >= region["threshold"])
    for spectrum in ("m_jet1_jet2", "m_jet1_jet2_loose"):
        assert spectrum in json.loads(
            run("hist", one, other, "--scores", "s.root", "--mass", "jet1+jet2", "--range", "2800:4200", "--bins", 14,
                "-o", "h.json", "--json").stdout
        )["histograms"]  # fmt: skip
    bump = {
        name: json.loads(run("bumphunt", f"h.json:{name}", "--function", "ua2_3", "--toys", 200, "--json").stdout)
        for name in ("m_jet1_jet2", "m_jet1_jet2_loose")
    }
    assert bump["m_jet1_jet2_loose"]["local_z"] > max(bump["m_jet1_jet2"]["local_z"], 3)


@pytest.mark.usefixtures("replay_here")
def test_scores_do_not_depend_on_how_events_are_given(run: Run, dijets: Callable[..., Path], tmp_path: Path) -> None:
    files = [dijets("one.root", 500), dijets("other.root", 400, 20, seed=2)]
    run("hunt", *files, *HUNT, "--epochs", 2, "-o", "a.root")
    again = run("hunt", *files, *HUNT, "--epochs", 2, "-o", "a.root")
    assert "complete already" in again.stderr
    run("hunt", *files[::-1], *HUNT, "--epochs", 2, "--step-size", 77, "-o", "b.parquet")
    run("hunt", *files, *HUNT, "--epochs", 2, "--seed", 2, "-o", "c.root")
    import pyarrow.parquet as pq

    a, b = rows(tmp_path / "a.root", "score", "in_loose"), pq.read_table(tmp_path / "b.parquet")
    for name, values in a.items():
        swapped = np.concatenate([b[name].to_numpy()[420:], b[name].to_numpy()[:420]])
        np.testing.assert_array_equal(values, swapped)
    assert not np.array_equal(a["score"], rows(tmp_path / "c.root", "score")["score"])
    assert "identical" in run("replay", "a.root").stdout


def test_a_hunt_goes_on_where_it_was_interrupted(
    run: Run, dijets: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finished trainings are not repeated."""
    from hepad.methods.cwola import Cwola

    file = dijets("one.root", 500, 20)
    given = ("hunt", file, *HUNT, "--epochs", 2)
    train, begun = Cwola.train, []

    def interrupted(self: Cwola, training: Any, *rest: Any) -> Any:
        begun.append(training.name)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return train(self, training, *rest)

    monkeypatch.setattr(Cwola, "train", interrupted)
    assert "nothing to resume" in run(*given, "-o", "s.root", "--resume", code=2).stderr
    assert "the same command goes on" in " ".join(run(*given, "-o", "s.root", code=130).stderr.split())
    assert not (tmp_path / "s.root").exists()
    assert "with other files or options" in run(*given, "--seed", 2, "-o", "s.root", code=2).stderr
    run(*given, "-o", "s.root")
    assert begun == ["0.1.0", "1.2.0", "2.0.0", "2.0.0"]
    assert sorted(path.name for path in tmp_path.glob("s.root*")) == ["s.root"]
    run(*given, "-o", "whole.root")
    assert len(begun) == 7
    whole, parts = (rows(tmp_path / name, "score")["score"] for name in ("whole.root", "s.root"))
    np.testing.assert_array_equal(whole, parts)


def test_folds_are_those_of_the_events(run: Run, dijets: Callable[..., Path], tmp_path: Path) -> None:
    """An event in a fold without its own: remove it, and the rest of its fold keeps its scores."""
    file = dijets("one.root", 700)
    run("hunt", file, *HUNT, "--epochs", 2, "-o", "s.root")
    found = rows(tmp_path / "s.root", "entry", "score")
    fold = fold_of(sha256_file(file), found["entry"], seed=1, folds=3)
    there = ~np.isnan(found["score"])
    highest = [found["score"][there & (fold == one)].max() for one in range(3)]
    with uproot.open(file)["Delphes"] as tree:
        momentum, own = (tree[f"Jet.{leaf}"].array() for leaf in ("PT", "Mass"))
    sizes = []
    for one in range(3):
        pt, m = (np.asarray(part[there & (fold == one)], dtype=float) for part in (momentum, own))
        mass = np.sqrt(np.hypot(pt, m).sum(axis=1) ** 2 - (pt[:, 0] - pt[:, 1]) ** 2)
        sizes.append(int(np.sum(((mass >= 2800) & (mass < 3300)) | ((mass >= 3700) & (mass < 4200)))))
    np.testing.assert_allclose(highest, np.log10(sizes), rtol=1e-6)


HUNT_CARD = """
schema: hunt/1
name: small
title: Two windows
reference: nobody has published it
fidelity: inspired
selection: all_events
mass: jet1+jet2
windows: {A: [2700, 3300, 3700, 4300], B: [2600, 3000, 3400, 4000]}
fractions: [{below: 3300, fraction: 0.2}, {fraction: 0.1}]
bins: [2500, 2600, 2700, 2800, 2900, 3000, 3150, 3300, 3500, 3700, 3900, 4100, 4300, 4600, 5000, 6000]
functions: [ua2_3]
shape: gauss:0.1
methods: [trees.yaml, all.yaml]
input: {kind: event_features, features: [jet1+jet2_lightest, jet1+jet2_heaviest]}
"""
TREES = CARD.replace("kind: network, layers: [16, 8]", "kind: trees, trees: 10").replace("name: quick", "name: trees")
CUTS = TREES[: TREES.index("method: {")].replace("name: trees", "name: all") + "method: {name: cuts}\nown_input: true\n"


@pytest.fixture
def quick_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """One figure is drawn; the others, which tests of their own look at, are a spot."""
    from hepad.output.figures import save_figure

    def quick(figures: Iterable[tuple[str, Figure]], folder: Path) -> list[str]:
        drawn = {name: figure if name == "local_p" else Figure((0.1, 0.1)) for name, figure in figures}
        return [name for name, figure in drawn.items() if save_figure(figure, folder / name, ("png",))]

    monkeypatch.setattr("hepad.pipeline.hunt.windows_output.save_figures", quick)
    monkeypatch.setattr("hepad.pipeline.hunt.windows_scan._BUMP_TOYS", 20)


@pytest.mark.usefixtures("quick_figures")
def test_an_analysis_hunts_in_all_windows_with_all_methods(
    run: Run, dijets: Callable[..., Path], tmp_path: Path
) -> None:
    file = dijets("one.root", 2000, 60)
    for name, card in (("small", HUNT_CARD), ("trees", TREES), ("all", CUTS)):
        (tmp_path / f"{name}.yaml").write_text(card, encoding="utf-8")
    signal = dijets("signal.root", 0, 100, seed=3)
    given = ("hunt", file, "--analysis", "small.yaml", "--toys", 100)
    told = run(*given, "--signal", f"x={signal}", "--luminosity", 2, "-o", "out", "--json")
    report = json.loads(told.stdout)
    found = {(row["method"], row["set"], row["low"]): row for row in report["windows"]}
    places = [("A", 3300), ("B", 3000)]
    assert list(found) == [(method, *place) for method in ("trees", "all") for place in places]
    assert found["trees", "A", 3300]["z"] > max(found["all", "A", 3300]["z"], 3)
    assert [found[("trees", *place)]["fraction"] for place in places] == [0.1, 0.2]
    masses = np.load(tmp_path / "out" / "masses.npz")
    inside = (masses["trees_A_3300_3700"] >= 3300) & (masses["trees_A_3300_3700"] < 3700)
    assert inside.sum() == found["trees", "A", 3300]["observed"]
    assert sum(~np.isnan(masses["all_A_3300_3700"])) == 2060 - 42  # events of one jet have no mass
    whole, of_trees = report["global_p_of_all"]["global_p"], report["global_p"]["trees"]["global_p"]
    assert found["trees", "A", 3300]["local_p"] <= whole * 1.5
    assert of_trees <= whole < report["global_p"]["all"]["global_p"]
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {
        "significance.png", "spectra_trees.png", "spectra_all.png", "local_p.png", "limits.png", "expected_limits.png",
        "signal_limits.png",
    }  # fmt: skip
    _has_resonances_and_limits(report, (tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    again = run(*given, "--signal", f"x={signal}", "--luminosity", 2, "-o", "out", "--json")
    assert "complete already" in again.stderr
    assert json.loads(again.stdout) == report
    rows = {(row["method"], row["set"], row["low"]): row for row in report["mass_dependence"]}
    assert list(rows) == list(found)
    assert rows["all", "B", 3000]["distance_correlation"] == 0  # it takes all
    assert 0.05 < rows["trees", "A", 3300]["near"] + rows["trees", "A", 3300]["far"] < 0.35  # of a tenth, by sides
    shares = {row["set"]: row for row in report["signal_in_sidebands"]}
    assert (shares["A"]["window"], shares["B"]["upper"]) == pytest.approx((0.98, 0.96), abs=0.01)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "What speaks against it" in page
    assert all(f'href="{name}"' in page for name in ("hunt.json", "masses.npz", "tables.tex", "local_p.csv"))
    said = " ".join(run(*given, "--signal", f"x={signal}", "--luminosity", 2, "-o", "out").stdout.split())
    assert "signal x in A 3300:3700: 98 % in the window" in said
    assert "out" not in [path.name for path in tmp_path.glob("*.run")]
    run(*given, "--range", "2600:3000", "-o", "other", code=2)
    assert "no window can be hunted in" in run(*given, "--range", "3400:6000", "-o", "other", code=4).stderr
    assert "--window does not go with --analysis" in run(
        *given, "--window", "3300:3700", "-o", "other", code=2
    ).stderr.replace("\n", " ")
    content = json.loads((tmp_path / "out" / "hunt.json").read_text(encoding="utf-8"))
    assert (content["toys"], content["max_events"]) == (100, None)  # by these it is known again
    assert {kept["mass"][1][1] for kept in content["methods"].values()} == {1}
    assert {kept["selection"]["name"] for kept in content["methods"].values()} == {"all_events"}
    _counts_densities(run, given, found["all", "A", 3300], tmp_path)
    _refuses_before_it_trains(run, given, dijets("heavy.root", 100, seed=2, weight=2.0), tmp_path)
    assert "missing: --mass" in run("hunt", file, "--method", "all.yaml", "-o", "other", code=2).stderr


def _counts_densities(run: Run, given: tuple[object, ...], likelihood: dict[str, float], tmp_path: Path) -> None:
    """The same counts, by another fit."""
    (tmp_path / "small.yaml").write_text(HUNT_CARD + "count: densities\n", encoding="utf-8")
    report = json.loads(run(*given, "--method", "all.yaml", "--toys", 50, "-o", "densities", "--json").stdout)
    found = report["windows"][0]
    assert found["counts"] == likelihood["counts"]
    assert found["z"] != likelihood["z"]
    assert found["z"] == pytest.approx(likelihood["z"], abs=0.3)
    assert report["global_p"]["all"]["bootstraps"] == 50
    two = HUNT_CARD.replace("[ua2_3]", "[dijet3, dijet4]") + "count: densities\n"
    (tmp_path / "small.yaml").write_text(two, encoding="utf-8")
    assert "count: densities takes one function" in run(*given, "-o", "other", code=3).stderr


def _has_resonances_and_limits(report: dict[str, Any], page: str) -> None:
    points = {(row["method"], round(row["mass"])): row for row in report["scan"]}
    masses = sorted({mass for _, mass in points})
    assert masses == [3000, 3129, 3263, 3402, 3548]  # half a width of 10 % at most, from the first window to the last
    assert [points["trees", mass]["set"] for mass in masses] == ["B", "B", "B", "A", "A"]
    best = max((row for row in report["scan"] if row["method"] == "trees"), key=lambda row: row["z"])
    assert 3400 < best["mass"] < 3550
    of_trees, of_all = (report["global_p_of_scan"][name]["global_p"] for name in ("trees", "all"))
    assert best["local_p"] <= of_trees <= report["global_p_of_scan_of_all"]["global_p"] < of_all
    counted = report["global_p_of_all"]["global_p"]
    assert min(counted, of_trees) <= report["global_p_of_everything"]["global_p"] <= counted + of_trees + of_all
    rows = {(row["method"], row["set"]): row for row in report["signals"]}
    assert {key for key, row in rows.items() if row["responsible"]} == {("trees", "A"), ("all", "A")}
    everything, trees = rows["all", "A"], rows["trees", "A"]
    assert everything["mass"] == pytest.approx(3500, abs=40)
    assert everything["efficiency"] == pytest.approx(0.98)  # events of one jet have no mass
    assert everything["error"] == pytest.approx(np.sqrt(0.98 * 0.02 / 100))
    assert 0.5 < trees["efficiency"] <= 0.98
    assert trees["expected"][2] < everything["expected"][2]
    assert trees["expected_fb"] == [value / 2 for value in trees["expected"]]
    assert trees["z"] > 3
    assert trees["events"] == pytest.approx(60 * trees["efficiency"], rel=0.5)
    assert all(row["observed"] is None or row["observed"] > 3 for row in report["scan"])
    assert len(report["bumps"]) == 4
    assert page.count("data:image/png;base64,") == 7
    assert "Limits at 95 % CL on each simulated signal" in page


def _refuses_before_it_trains(run: Run, given: tuple[object, ...], heavy: Path, tmp_path: Path) -> None:
    for functions, code, said in (("gp", 2, "gp is not a function"), ("ua2_3, dijet3", 3, "must be of one family")):
        (tmp_path / "small.yaml").write_text(HUNT_CARD.replace("[ua2_3]", f"[{functions}]"), encoding="utf-8")
        assert said in " ".join(run(*given, "-o", "other", code=code).stderr.split())
    (tmp_path / "small.yaml").write_text(HUNT_CARD, encoding="utf-8")
    scaled = CUTS.replace("{name: cuts}", "{name: cuts, require: {jet1+jet2_lightest: [5, null]}}")
    (tmp_path / "scaled.yaml").write_text(scaled, encoding="utf-8")
    for words, code, said in (
        (("--toys", 10), 2, "at least 50 are needed"),
        (("--method", "all.yaml", "--method", "./all.yaml"), 2, "two methods are called all"),
        (("--method", "scaled.yaml"), 3, "say 'scale: none' under input"),
        ((heavy,), 4, "weights from 1 to 2"),
    ):
        assert said in " ".join(run(*given, *words, "-o", "other", code=code).stderr.split())


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        (("--window", "2700:3700"), 2, "must lie within the sidebands 2800:4200 GeV"),
        (("--window", "3300"), 2, "--window is LOW:HIGH in GeV, found '3300'"),
        (("--sidebands", "a:b"), 2, "--sidebands is LOW:HIGH"),
        (
            ("--window", "9000:9100", "--sidebands", "8900:9900"),
            4,
            "no selected event has a mass of jet1+jet2 from 8900 to 9900 GeV",
        ),
        (("--folds", 60), 4, "too few for so many folds"),
        (("--folds", 2), 2, "folds"),
        (("--feature", "jet1+jet2_mass"), 2, "is the mass that is hunted in"),
        (("--feature", "jet2+jet1_mass"), 2, "the feature jet2+jet1_mass is the mass that is hunted in"),
        (("--feature", "jet1_charm"), 3, "'jet1_charm' is no quantity"),
        (("--mass", "jet1+jet"), 2, "'jet' is not an object"),
        (("--method", "quick.yaml", "--method", "cwola"), 2, "missing: one --method"),
        (("--method", "cwolla"), 3, "no method named 'cwolla': bundled are "),
        (("--selection", "nothing"), 3, "no selection named 'nothing'"),
        (("--region", "x=efficiency:0.00001"), 2, "needs at least 100000 background events"),
        (("--region", "x=cross_section:1"), 3, "cross_section_pb"),
        (("--epochs", 1, "--restarts", 1, "--region", "x=nothing@threshold:1"), 2, "unknown score 'nothing'"),
    ],
)
def test_what_cannot_be_hunted_is_refused(
    changes: tuple[object, ...], code: int, said: str, run: Run, dijets: Callable[..., Path], tmp_path: Path
) -> None:
    words = HUNT[2:] if "--method" in changes else HUNT
    given = ("hunt", dijets("one.root", 300), *words, "--epochs", 1, *changes, "-o", "s.root")
    error = run(*given, code=code).stderr
    assert said in " ".join(error.split())
    assert not list(tmp_path.glob("s.root*"))


def test_simulation_of_negative_weights_is_refused(run: Run, dijets: Callable[..., Path]) -> None:
    files = [dijets("one.root", 300), dijets("other.root", 100, seed=2, weight=-1.0)]
    assert "is not positive" in run("hunt", *files, *HUNT, "-o", "s.root", code=4).stderr


def test_tables_are_hunted_in_and_refused_in_a_line(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    mass = rng.uniform(2.8, 4.2, 600)
    columns = {"m": mass, "a": rng.normal(size=600), "same": np.ones(600), "bad": np.where(mass > 4, np.nan, 1.0)}
    np.savez(tmp_path / "t.npz", **columns)
    (tmp_path / "trees.yaml").write_text(TREES, encoding="utf-8")
    given = ("hunt", "t.npz", "--table", "--method", "trees.yaml", "--mass", "1000*m", *WINDOW[2:], "-o", "s.root")
    for words, code, said in (
        (("--feature", "a", "--feature", "same"), 4, "same is the same in all 600 events"),
        (("--feature", "a", "--feature", "bad"), 4, "branch 'bad' holds nan at entry"),
        (("--feature", "a", "--feature", "log(m)"), 2, "the feature log(m) is the mass that is hunted in"),
        (("--feature", "b"), 4, "has no column 'b'; it has m, a, same, bad"),
        (("--feature", "a", "--column", "a"), 2, "write NAME=EXPRESSION"),
        (("--feature", "a", "--background", "t.npz"), 2, "it takes no background"),
        (("--feature", "a", "--sidebands", "3250:4200", "--folds", 60), 4, "too few for so many folds"),
    ):
        error = run(*given, *words, code=code).stderr
        assert said in " ".join(error.split())
        assert error.count("\n") <= 2
    words = ("--feature", "low", "--feature", "m", "--column", "low=min(a, 0)", "--allow-mass")
    report = json.loads(run(*given, *words, "--json").stdout)
    assert report["events"]["selected"] == 600
    assert max(network["loss"] for network in report["networks"]) < 0.5  # the mass tells the window
