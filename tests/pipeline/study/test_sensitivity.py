"""A study of sensitivity: mock data, what is counted in them, what is kept, and what comes of it."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from matplotlib.figure import Figure

import hepad
from hepad.cards.resolver import resolve
from hepad.cards.sensitivity import SensitivityCard, load_any_study
from hepad.cards.study import StudyCard
from hepad.errors import CardError, InputDataError, InterruptedRunError, UsageError
from hepad.execution.store import MemoryStore
from hepad.execution.tasks import Task
from hepad.methods.base import MASS, Window
from hepad.output.figure_kinds import drawing
from hepad.pipeline.hunt.options import HuntOptions, HuntPlan
from hepad.pipeline.hunt.task import read_events_of
from hepad.pipeline.study import figures as study_figures
from hepad.pipeline.study.sensitivity import figures as sensitivity_figures
from hepad.pipeline.study.sensitivity.points import Counted, Point, PointJob, mock_data
from hepad.pipeline.study.sensitivity.results import Curve
from hepad.pipeline.study.sensitivity.run import SensitivityOptions, SensitivityReport, prepare, sensitivity_study
from hepad.pipeline.study.sensitivity.store import PointStore
from hepad.provenance import FileRecords
from hepad.stats.limits.sensitivity import Crossing, expected_z

from ...conftest import expect, invoke, leave_unrendered

HUNT = {
    "schema": "hunt/1",
    "name": "tiny",
    "title": "To test with",
    "reference": "none",
    "fidelity": "inspired",
    "selection": "all_events",
    "mass": "m",
    "windows": {"A": [1000, 1400, 1600, 2000]},
    "fractions": [{"fraction": 0.05}],
    "bins": [1000, 1100, 1200, 1300, 1400, 1600, 1700, 1800, 1900, 2000],
    "functions": ["exponential2"],
    "methods": ["inclusive"],
    "input": {"kind": "table", "features": ["a", "b"]},
}
CUT = {
    "schema": "method/1",
    "name": "cut",
    "title": "To test with",
    "reference": "none",
    "fidelity": "inspired",
    "selection": "all_events",
    "input": {"kind": "table", "features": ["a"], "scale": "none"},
    "method": {"name": "cuts", "require": {"a": [1.0, None]}},
    "own_input": True,
}
STUDY = {
    "schema": "sensitivity/1",
    "name": "tiny_study",
    "title": "To test with",
    "reference": "none",
    "hunt": "tiny.yaml",
    "table": {"mass": "m"},
    "require": {"b": [None, 2.0]},
    "range": [1000, 2000],
    "sqrt_s_gev": 13000,
    "windows": {"A": [1000, 1400, 1600, 2000], "B": [1100, 1700, 1800, 1900]},
    "background": ["background.parquet"],
    "signals": {
        "bump": {
            "files": ["bump.parquet"],
            "window": "A",
            "prongs": "2+2",
            "published": {"classical": "all", "limit": [1.4, "X"], "discovery": [2.3, "Y"]},
        },
        "other": {"files": ["other.parquet"], "window": "A"},
    },
    "seeds": [1, 2],
    "events": [0, 30],
    "classical_events": [120, 480],
    "methods": ["all.yaml", "cut.yaml"],
    "classical": ["all.yaml"],
    "knows_signal": ["labelled.yaml"],
    "quick": {"seeds": [1], "events": [0, 30], "classical_events": [480], "signals": ["bump"]},
}
TINY_FOLDS = {"classifier": {"kind": "trees", "trees": 2, "leaves": 3}, "rotations": 1}


def table(path: Path, mass: np.ndarray, a: np.ndarray, weight: float) -> None:
    b = np.linspace(-1, 2.5, len(mass))
    pq.write_table(pa.table({"m": mass, "a": a, "b": b, "weight": np.full(len(mass), weight)}), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A falling spectrum, and signals at 1500 GeV with a larger `a`, in tables; cards beside them."""
    where = tmp_path_factory.mktemp("sensitivity")
    rng = np.random.default_rng(3)
    table(where / "background.parquet", 1000 + rng.exponential(400, 4000), rng.normal(size=4000), 2e-5)
    for name, centre in (("bump", 1500), ("other", 1490), ("far", 1750)):
        table(where / f"{name}.parquet", rng.normal(centre, 40, 300), rng.normal(2, 1, 300), 1.0)
    inclusive = {**CUT, "name": "all", "method": {"name": "cuts"}}
    cwola = {**CUT, "name": "weak", "method": {**TINY_FOLDS, "name": "cwola"}, "own_input": False, "folds": 3}
    cards = {"tiny": HUNT, "cut": CUT, "all": inclusive, "weak": cwola, "labelled": {**cwola, "name": "labelled"}}
    fine = {"kind": "trees", "trees": 20, "leaf_events": 5}  # some can be selected: few have the highest score
    cards["labelled"]["method"] = {**TINY_FOLDS, "name": "supervised", "classifier": fine}
    for name, card in cards.items():
        (where / f"{name}.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    return where


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    """What the command says of the study, its figures not rendered."""
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        leave_unrendered(patch)
        found = expect(0, invoke(folder, ("study", "study.yaml", "--samples", ".", "-o", "out", "--json")))
    result: dict[str, Any] = json.loads(found.stdout)
    return result


def again(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> SensitivityReport:
    """The same study in memory, but for the points that are kept."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("hepad.pipeline.study.sensitivity.run._write", lambda *_: None)
    return study("study.yaml", **{"output": folder / "out", "data": folder, **options})


def study(name: str, **options: Any) -> SensitivityReport:
    card = load_any_study(name)
    assert isinstance(card, SensitivityCard)
    return sensitivity_study(name, card, options=SensitivityOptions(**options))


def row(report: dict[str, Any], signal: str, method: str) -> dict[str, Any]:
    (found,) = [one for one in report["sensitivity"] if (one["signal"], one["method"]) == (signal, method)]
    return dict(found)


def points(report: dict[str, Any], signal: str, method: str, seed: int) -> list[dict[str, Any]]:
    return [p for p in report["points"] if (p["signal"], p["method"], p["seed"]) == (signal, method, seed)]


def test_a_cut_is_counted_as_by_hand(report: dict[str, Any], folder: Path) -> None:
    assert report["made"] == 2 * 2 * (4 + 2)  # classical methods have more points
    assert report["luminosity_per_fb"] == pytest.approx(0.6 / 2e-5 / 1e3)
    kept = pq.read_table(folder / "bump.parquet").to_pydict()
    mass, a, b = (np.array(kept[name]) for name in ("m", "a", "b"))
    some = points(report, "bump", "cut", 1)
    assert [p["events"] for p in some] == [0, 30]
    judged = some[0]["judged"]
    assert 0.5 * 300 < judged < 0.8 * (b <= 2).sum()  # some are kept for others, and `require` takes some
    inside = (mass >= 1400) & (mass < 1600) & (b <= 2)
    assert some[0]["judged_selected"] / judged == pytest.approx(np.mean(inside[b <= 2] & (a[b <= 2] >= 1)), abs=0.1)
    assert some[0]["judged_selected"] == some[1]["judged_selected"]  # a cut learns nothing
    assert some[0]["drawn"] == 0
    for p in points(report, "bump", "all", 2):
        assert p["efficiency"] == p["judged_window"] / p["judged"]
        assert p["significance_improvement"] == 1
        assert p["limit"] == points(report, "other", "all", 2)[0]["limit"]  # of background alone: the same data
        assert p["cross_section_fb"] == pytest.approx(p["events"] / report["luminosity_per_fb"])
    grown = [p["z"] for p in points(report, "bump", "all", 1)]
    assert grown == sorted(grown)
    assert grown[-1] > 5


def test_limits_and_discoveries_are_those_of_the_points(report: dict[str, Any]) -> None:
    found = row(report, "bump", "all")
    rows = [points(report, "bump", "all", seed) for seed in (1, 2)]
    exact = [p[0]["limit"] / p[0]["efficiency"] for p in rows]  # the efficiency is the same with any signal
    fb = report["luminosity_per_fb"]
    assert found["limit_low_fb"] == pytest.approx(min(exact) / fb)
    assert found["limit_high_fb"] == pytest.approx(max(exact) / fb)
    assert found["limit_events"] == pytest.approx(1 / np.median([1 / one for one in exact]))
    z = np.median([[p["z"] for p in one] for one in rows], axis=0)
    place = int(np.flatnonzero(z < 5)[-1])
    injected = [0, 30, 120, 480]
    by_hand = np.interp(5, z[place : place + 2], injected[place : place + 2])
    assert found["discovery_events"] == pytest.approx(by_hand)
    assert found["discovery_fb"] == pytest.approx(by_hand / fb)
    means = [
        [expected_z(p["events"] * p["efficiency"], p["free_expected"], p["expected"], p["error"]) for p in one]
        for one in rows
    ]
    typical = np.median(means, axis=0)
    place = int(np.flatnonzero(typical < 5)[-1])
    by_hand = np.interp(5, typical[place : place + 2], injected[place : place + 2])
    assert found["expected_discovery_events"] == pytest.approx(by_hand)
    cut = row(report, "bump", "cut")
    assert cut["limit_improvement"] == pytest.approx(found["limit_events"] / cut["limit_events"])
    assert cut["discovery_bound"] == ">"
    assert cut["discovery_events"] == 30
    assert cut["discovery_improvement_bound"] == "<"


def reinterpreted(folder: Path, *more: str, code: int = 0) -> Any:
    words = ("reinterpret", "--analysis", "tiny.yaml", *more)
    return expect(code, invoke(folder, words))


def test_a_signal_in_a_hunt_has_the_limits_of_the_study(
    report: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_unrendered(monkeypatch)
    how = ("bump.parquet", "--background", "background.parquet", "--study", "study.yaml")
    fb = report["luminosity_per_fb"]
    found = json.loads(
        reinterpreted(folder, *how, "--method", "cut.yaml", "--xsec", "5e-3", "-o", "own", "--json").stdout
    )
    b = pq.read_table(folder / "bump.parquet").to_pydict()["b"]
    share = np.mean(np.array(b) <= 2.0)
    assert found["share_in_hunt"] == pytest.approx(share)
    assert found["window_gev"] == [1000, 1400, 1600, 2000]  # the peak is in this one of both
    assert found["peak_gev"] == pytest.approx(1500, abs=10)
    for one in found["methods"]:
        theirs = row(report, "bump", one["method"])
        kept = points(report, "bump", one["method"], 1)[0]["efficiency"]  # of a cut, which learns nothing
        assert one["efficiency_at_cross_section"] == pytest.approx(share * kept)
        assert one["limit_pb"] == pytest.approx(theirs["limit_fb"] / 1e3 / share, rel=1e-9)
        limits = [points(report, "bump", one["method"], seed)[0]["limit"] for seed in (1, 2)]
        assert one["excluded"] == pytest.approx(np.median([5.0 * fb * share * kept / limit for limit in limits]))
        assert one["learns"] is (one["method"] == "cut")  # which the study does not call classical
    at = [p for p in found["points"] if p["cross_section_pb"] == pytest.approx(5e-3)]
    assert [p["events"] for p in at] == pytest.approx([5e-3 * 1e3 * fb * share] * 2)
    assert "would be excluded by" in found["verdict"]
    for name in ("out", "own"):
        page = (folder / name / "report.html").read_text(encoding="utf-8")
        linked = [path.name for path in (folder / name).iterdir() if f'href="{path.name}"' in page]
        assert {"tables.tex", "points.csv"} < set(linked)
    again = json.loads(reinterpreted(folder, *how, "--method", "cut.yaml", "-o", "own", "--json").stdout)
    assert again["made"] == 2  # 120 events of the classical one, by both seeds: all others are there
    assert again["verdict"].startswith("cannot say: no cross section")


def test_the_study_of_the_python_api_is_that_of_the_command(
    report: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr("hepad.pipeline.study.sensitivity.run._write", lambda *_: None)
    found = hepad.study("study.yaml", "out", samples=".")
    said, command = json.loads(json.dumps(found.to_json())), dict(report)
    assert said.pop("provenance")["inputs"] == command.pop("provenance")["inputs"]
    assert said == {**command, "made": 0}
    assert len(found._table()[2]) == len(report["sensitivity"])
    ax = Figure().subplots()
    assert found.plot(ax) is ax
    drawn = [y for points in ax.collections for y in points.get_offsets()[:, 1]]
    assert sorted(drawn) == pytest.approx(sorted(one["limit_fb"] for one in report["sensitivity"]))
    assert ax.get_ylabel() == "Expected limit at 95 % CL [fb]"
    with pytest.raises(UsageError, match="it has no evaluation_background and no scans"):
        hepad.study("study.yaml", "out", samples=".", scans=False)
    with pytest.raises(UsageError, match="methods are of studies of sensitivity"):
        hepad.study("adc2021", "out", methods="cwola")


@pytest.mark.usefixtures("report")
def test_what_a_hunt_cannot_say_of_a_signal(folder: Path) -> None:
    def refused(*words: str, code: int) -> str:
        return str(reinterpreted(folder, *words, code=code).stderr)

    assert "give simulated background" in refused("bump.parquet", code=2)
    background = ("--background", "background.parquet")
    assert "no study that ships names the hunt tiny.yaml" in refused("bump.parquet", *background, code=3)
    assert "does not go with --analysis of a hunt" in refused("bump.parquet", "--sqrt-s", "13000", code=2)
    how = (*background, "--study", "study.yaml", "--method", "cut.yaml")
    assert "above 0 pb and finite" in refused("bump.parquet", *how, "--xsec", "0", code=2)
    rng = np.random.default_rng(4)
    table(folder / "low.parquet", rng.normal(1150, 10, 50), rng.normal(2, 1, 50), 1.0)
    assert "reach from 1400 to 1800 GeV" in refused("low.parquet", *how, code=4)
    centres = {"m": 1500, "a": 0, "b": 0, "weight": 100}
    uneven = pa.table({name: rng.normal(centre, 1, 50) for name, centre in centres.items()})
    pq.write_table(uneven, folder / "uneven.parquet")
    assert "weights that differ" in refused("uneven.parquet", *how, code=4)


def test_a_signal_may_be_of_events_where_the_background_is_a_table(
    examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file, window = str(examples / "wprime_xy_3p5tev.root"), Window(1, 2, (0, 3))
    seen = {"kind": "event_features", "features": ["jet1_mass", "jet2_mass", "jet1+jet2_deta"], "scale": "none"}
    method = {**CUT, "input": seen, "method": {"name": "cuts", "require": {"jet1_mass": [50, None]}}}
    hunt = {**HUNT, "selection": "cms_dijet", "mass": "jet1+jet2", "input": seen}
    for name, card in (("jets", method), ("hunt", hunt)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    how = HuntOptions(mass="jet1+jet2", window=window, selection="cms_dijet")
    plan = HuntPlan.of([file], "jets.yaml", how)
    read = read_events_of(plan, HuntOptions(mass="", window=window), MemoryStore(), FileRecords(plan.paths))
    names = list(plan.card.input.features)  # type: ignore[attr-defined]
    columns = {f"x{i}": values.astype(np.float64) for i, values in enumerate(read.raw.x.T)}
    pq.write_table(pa.table({**columns, "m": read.raw.beside[MASS]}), tmp_path / "same.parquet")
    content = {
        **STUDY,
        "hunt": "hunt.yaml",
        "table": {"mass": "m", "columns": {name: f"x{i}" for i, name in enumerate(names)}},
        "require": {"jet2_mass": [20, None]},
        **{key: ["jets.yaml"] for key in ("methods", "classical")},
    }
    card = SensitivityCard.model_validate({**content, "knows_signal": []})
    signals = {"table": [str(tmp_path / "same.parquet")], "events": [file]}
    options = SensitivityOptions(output=tmp_path / "out", background=signals["table"], signals=signals)
    prepared = prepare(card, options)
    pools = prepared.pools
    assert (card.sqrt_s_gev, prepared.card.sqrt_s_gev) == (13000, None)  # that of the card's files, not of others
    (table_,), (events,) = (list(pools.signals[name].seen.values()) for name in ("table", "events"))
    first, second = np.argsort(table_.beside[MASS]), np.argsort(events.beside[MASS])
    assert len(first) > 100
    assert np.array_equal(table_.beside[MASS][first], events.beside[MASS][second])
    assert np.array_equal(table_.x[first], events.x[second])
    assert table_.kind == events.kind  # so that they can be in one mock sample
    assert 0 < pools.shares["events"] < pools.shares["table"] <= 1  # of all events, not of those selected


def test_no_figure_is_named_that_was_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (study_figures, sensitivity_figures):
        monkeypatch.setattr(module, "_figures", lambda *_: iter([("roc", Figure())]))
    nothing: Any = None
    with drawing(()):
        assert study_figures.draw_figures(nothing, nothing, tmp_path) == []
        assert sensitivity_figures.draw_sensitivity(nothing, tmp_path) == []
    with drawing(("png",)):
        assert study_figures.draw_figures(nothing, nothing, tmp_path) == ["roc"]


def test_the_folder_has_pages_tables_and_all_numbers(report: dict[str, Any], folder: Path) -> None:
    out = folder / "out"
    stored = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert stored["sensitivity"] == report["sensitivity"]
    with (out / "points.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [float(line["z"]) for line in lines] == [p["z"] for p in report["points"]]
    assert {path.stem for path in (out / "figures").glob("*.png")} == set(stored["figures"])
    page = (out / "report.md").read_text(encoding="utf-8")
    assert "1.4 (X) over all" in page
    assert "2.3 (Y) over all" in page
    gains: defaultdict[str, list[float]] = defaultdict(list)
    for row in report["sensitivity"]:
        if row["method"] not in ("all", "labelled") and row["limit_improvement"]:
            gains[row["signal"]].append(row["limit_improvement"])
    better = sum(max(found) > 1 for found in gains.values())
    assert f"**For {better} of {len(gains)} signals a method that does not know the signal" in page.split("##")[0]
    assert f"{max(max(found) for found in gains.values()):.3g}** times smaller for" in page
    assert "What this is not" in page
    assert stored["provenance"]["command"] == "hepad study tiny_study"
    assert {r["name"] for r in stored["provenance"]["inputs"]} == {
        "background.parquet",
        "bump.parquet",
        "other.parquet",
    }


def test_no_point_is_made_twice_and_others_join(
    report: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = again(folder, monkeypatch)
    assert same.made == 0
    assert same.results.summary() == report["sensitivity"]
    _, figure = next(sensitivity_figures._figures(same.results))
    assert any("(13 TeV)" in text.get_text() for axes in figure.axes for text in axes.texts)
    first = next((folder / "out" / "trainings").glob("cut.bump.30.1-*"))
    first.write_bytes(first.read_bytes()[:-5])
    joined = again(folder, monkeypatch, methods=("cut.yaml", "weak.yaml", "labelled.yaml"), quick=True)
    assert joined.made == 1 + 2 * 2  # the damaged one, and two of each method
    weak = joined.results.curves["bump"]["weak"].counted[1]
    assert isinstance(weak[1], Counted)
    assert 0 <= weak[1].efficiency <= 1
    known = joined.results.curves["bump"]["labelled"].counted[1][1]
    assert isinstance(known, Counted)
    assert known.gain > 1
    assert joined.results.card.methods == ("all", "cut", "weak", "labelled")
    placed = again(folder, monkeypatch, methods=("cut.yaml",), quick=True, signals={"far": ["far.parquet"]})
    assert placed.results.card.signals["far"].window == "B"  # where it is


def test_mock_data_grow_and_nothing_that_is_known_is_judged(
    report: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del report
    jobs = []
    monkeypatch.setattr(
        "hepad.pipeline.study.sensitivity.run.run_tasks",
        lambda job, *_, **__: jobs.append(job) or {n: {"failed": np.zeros(0, np.uint8)} for n in job.points},
    )
    with pytest.raises(InputDataError, match="nothing could be counted"):
        again(folder, monkeypatch)
    (job,) = jobs
    fractions = {"data_fraction": 0.6, "prior_fraction": 0.3}
    bump, numbers = job.signals["bump"], []
    for seed in range(60):
        few, many = (mock_data(job.background, bump, Point("m", "bump", n, seed), **fractions) for n in (20.0, 200.0))
        assert list(many.signal[: len(few.signal)]) == list(few.signal)
        assert set(many.signal) <= set(few.judged)
        assert sorted([*few.background, *few.simulation]) == list(range(len(job.background)))
        numbers.append([len(few.signal), len(many.signal)])
    mean, spread = np.mean(numbers, axis=0), np.std(numbers, axis=0)
    np.testing.assert_allclose(mean, [20, 200], rtol=0.05)
    np.testing.assert_allclose(spread, np.sqrt([20, 200]), rtol=0.3)  # they are Poisson's
    known, judged = bump.rows(0.3, seed=0, draw="prior")
    assert set(judged) == set(few.judged)
    assert not set(known) & set(judged)
    assert job.priors["cut", "bump"] == ("other",)
    assert job.priors["cut", "other"] == ("bump",)
    assert len(set(bump.folds(5, 1))) == 5

    def train_all(_: Any, problem: Any, __: Any) -> Any:
        raise InputDataError(f"{problem.of_folds} folds")

    monkeypatch.setattr("hepad.pipeline.study.sensitivity.points.train_all", train_all)
    name = next(n for n, point in job.points.items() if point.method == "cut")
    assert Counted.of(job.do(name, {})) == f"{job.methods['cut'].folds} folds"


def test_an_interrupted_study_keeps_its_points(
    report: dict[str, Any], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del report
    real, asked = PointJob.do, []

    def do(self: PointJob, name: str, given: Any) -> Any:
        asked.append(name)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(self, name, given)

    monkeypatch.setattr(PointJob, "do", do)
    how = {"output": tmp_path / "out", "quick": True}
    with pytest.raises(InterruptedRunError, match="interrupted after 1 points, which are kept") as caught:
        again(folder, monkeypatch, **how)
    assert caught.value.exit_code == 130
    monkeypatch.setattr("hepad.pipeline.study.sensitivity.run.run_tasks", only_those_missing(asked))
    with pytest.raises(InputDataError):
        again(folder, monkeypatch, **how)
    assert asked == ["all.bump.0.1", "all.bump.30.1", "all.bump.0.1 is there"]


def only_those_missing(asked: list[str]) -> Any:
    """In place of the tasks: note which of them are in the store, and do none."""

    def run_tasks(job: PointJob, tasks: list[Task], store: PointStore, **_: Any) -> dict[str, Any]:
        store.begin({"tasks": [task.name for task in tasks]}, [])
        asked.extend(f"{task.name} is there" for n, task in enumerate(tasks) if (n, 0) in store)
        return {name: {"failed": np.zeros(0, np.uint8)} for name in job.points}

    return run_tasks


def test_failures_are_told_and_left_out() -> None:
    told = Counted.of({"failed": np.frombuffer(b"no fit", dtype=np.uint8)})
    assert told == "no fit"
    one = Counted(6.0, -20.0, 20, 5, 1, 5, 1, 8, 10, 100, 80, 40, 1000, 10)
    assert Counted.of(one.to_arrays()) == one
    assert one.gain == pytest.approx(0.5 / np.sqrt(0.01))
    assert one.efficiency_error == pytest.approx(np.sqrt(0.4 * 0.6 / 100))
    curve = Curve((0.0, 10.0, 40.0), {1: [None, one, one], 2: [None, None, one]})
    assert curve.discovery().value == Crossing(10.0, "<")
    assert curve.limit().value.value == pytest.approx(20.0)  # 8 events at an efficiency of 40 %
    assert np.isnan(curve.band(lambda c: c.z).median[0])
    assert np.isnan(curve.free_z)
    made_up = Curve((0.0, 10.0), {1: [one, one]})
    assert made_up.free_z == 6
    assert np.isnan(made_up.discovery().value.value)  # found without a signal is not found
    assert curve.at(lambda c: c.efficiency, 20.0) == 0.4


def test_cards_and_files_that_do_not_fit(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def wrong(match: str, kind: type[Exception], *, data: Path = folder, **changes: Any) -> None:
        monkeypatch.chdir(folder)
        (tmp_path / "wrong.yaml").write_text(yaml.safe_dump({**STUDY, **changes}), encoding="utf-8")
        with pytest.raises(kind, match=match):
            study(str(tmp_path / "wrong.yaml"), output=tmp_path / "out", data=data)

    wrong("events, and classical_events behind them, must rise", CardError, events=[0, 200])
    wrong("classical names cut.yaml", CardError, methods=["all.yaml"], classical=["cut.yaml"])
    wrong("the edges of A must rise", CardError, windows={"A": [1000, 1400, 1300, 2000]})
    wrong("signals names A; windows has B", CardError, windows={"B": [1100, 1700, 1800, 1900]})
    wrong("leaves no bins on both sides", CardError, windows={"A": [900, 1000, 1300, 2000]})
    wrong("no file of background", InputDataError, background=["none.parquet"])
    wrong("equal, positive weight", InputDataError, background=["background.parquet", "x"], data=weighted(tmp_path))
    wrong("no event of background has a mass and is within", InputDataError, require={"b": [9.0, None]})
    expect_usage = expect(2, invoke(folder, ("study", "study.yaml", "--samples", ".", "--no-scans", "-o", "no")))
    assert "has no --evaluation-background and no scans" in expect_usage.stderr
    refused = expect(2, invoke(folder, ("study", "adc2021", "--samples", ".", "--method", "cwola", "-o", "no")))
    assert "--method is of studies of sensitivity" in refused.stderr


def weighted(where: Path) -> Path:
    """A folder of events whose weights differ."""
    for name in ("bump", "other"):
        table(where / f"{name}.parquet", np.full(9, 1500.0), np.ones(9), 1.0)
    mass = np.linspace(1000, 2000, 9)
    columns = {"m": mass, "a": mass, "b": np.zeros(9), "weight": np.linspace(1, 2, 9)}
    pq.write_table(pa.table(columns), where / "background.parquet")
    return where


def test_the_bundled_study_is_that_of_the_paper() -> None:
    card = load_any_study("dijet_anomaly")
    assert isinstance(card, SensitivityCard)
    assert not isinstance(card, StudyCard)
    # The table of improvements over the best traditional method: 95 % CL and 5 sigma at 3 TeV.
    printed = {
        one.prongs: (one.published.limit[0], one.published.discovery[0])
        for one in card.signals.values()
        if one.published
    }
    assert printed == {"2+2": (1.4, 2.3), "3+3": (1.2, 2.1), "4+2": (1.5, 2.6), "6+6": (1.5, 3.3)}
    quick = card.quickened()
    assert set(quick.signals) < set(card.signals)
    assert len(quick.seeds) == 1
    assert resolve("analyses/hunts", card.hunt).is_file()
