"""Bins of a score that are fitted together: where an event belongs, tables of yields and counts, fits of a signal."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyhf
import pytest
import yaml

from hepad.cards.search import load_search
from hepad.errors import CardError, InputDataError, UsageError
from hepad.pipeline.reinterpret.likelihood import likelihoods
from hepad.pipeline.reinterpret.limits import Inputs, Yield
from hepad.pipeline.reinterpret.measure import Measured
from hepad.pipeline.reinterpret.together import limits_together
from hepad.search.bins import bin_names, bin_of, read_counts, read_yields, write_yields
from hepad.search.events import CategoryEvents, in_region
from hepad.search.search import Search, prepare_search
from hepad.search.together import fitted_bins
from hepad.stats.limits.published import PublishedExperiment, numpy_backend
from hepad.stats.scores.acceptance import Sums

CARD = {
    "schema": "search/1",
    "name": "two",
    "title": "Two categories",
    "reference": "none",
    "fidelity": "inspired",
    "fidelity_note": "made for a test",
    "sqrt_s_gev": 13000,
    "luminosity": {"fb": 100, "source": "a test"},
    "regions": ["above_50", "above_90", "above_99"],
    "simultaneous": {"processes": {"zz": {"files": ["zz*"], "free": True}, "h": {"files": ["h?.root"], "error": 0.1}}},
    "categories": [
        {"name": "a", "title": "A", "selection": "leptons4", "bundle": "flow_4l", "bins": ["above_90", "above_99"]},
        {"name": "b", "title": "B", "selection": "leptons4", "bundle": "flow_4l", "bins": ["above_50"]},
    ],
}
YIELDS = """category,bin,process,cross_section_pb,error_pb,events
a,below,zz,4e-3,1e-4,1600
a,above_90,zz,4e-4,3e-5,180
a,above_90,h,1e-4,2e-5,25
a,above_99,zz,5e-5,1e-5,25
b,below,zz,1e-3,5e-5,400
b,above_50,h,3e-4,3e-5,100
"""


YIELD = {"luminosity_fb": 100, "reference_pb": 1e-3, "signal_error": 0.0, "luminosity_error": 0.0}


def write(folder: Path, **changes: object) -> Path:
    path = folder / "two.yaml"
    path.write_text(yaml.safe_dump({**CARD, **changes}))
    return path


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    pytest.importorskip("zuko")
    folder = tmp_path_factory.mktemp("search")
    (folder / "yields.csv").write_text(YIELDS)
    own = {**CARD["simultaneous"], "yields": "yields.csv"}
    return prepare_search(str(write(folder, simultaneous=own)))


def events(search: Search, category: str, scores: list[float], weights: list[float]) -> CategoryEvents:
    values = {"nll": np.array(scores, dtype=np.float32)}
    return CategoryEvents(np.arange(len(scores)), np.array(weights), values, {})


def scores_of(search: Search) -> dict[str, float]:
    """A score in each bin of category a."""
    cuts = search.categories[0].regions
    low, high = cuts["above_90"].threshold, cuts["above_99"].threshold
    return {"below": low - 1, "above_90": (low + high) / 2, "above_99": high}


def test_an_event_is_in_the_bin_of_the_last_region_that_it_is_in(search: Search) -> None:
    first, second = search.categories
    assert bin_names(first.card) == ("below", "above_90", "above_99")
    found = bin_of(events(search, "a", [*scores_of(search).values()], [1, 1, 1]), first)
    assert found.tolist() == [0, 1, 2]
    assert list(second.regions) == ["discovery_bins", "above_50"]
    # A region that a category has not is empty there.
    assert not events(search, "b", [99.0], [1]).inside(second, "above_99").any()
    assert in_region([0, 0], second, "above_99").tolist() == [False, False]  # before anything of events is looked at
    # The region of the limits is all bins of both but the control ones, each with its own threshold.
    assert search.signal_region == search.regions[1] == "discovery_bins"
    for category, lowest in ((first, "above_90"), (second, "above_50")):
        assert category.regions["discovery_bins"] == category.regions[lowest]
        assert category.shifted["discovery_bins"] == category.shifted[lowest]


def test_yields_are_written_by_bin_and_process_and_read_back(search: Search, tmp_path: Path) -> None:
    at = scores_of(search)
    own = events(search, "a", [at["below"], at["above_90"], at["above_90"], at["above_99"]], [4.0, 1.0, 2.0, 5.0])
    none = events(search, "b", [], [])
    files = [Path("zz_b.root"), Path("h1.root")]
    origins = {"a": np.array([0, 1, 1, 0]), "b": np.array([], dtype=np.int64)}
    write_yields(tmp_path / "y.csv", search, {"a": own, "b": none}, origins, files)
    found = read_yields(tmp_path / "y.csv", search)
    assert {place: {n: (y.cross_section_pb, y.events) for n, y in one.items()} for place, one in found.items()} == {
        ("a", "below"): {"zz": (4.0, 1)},
        ("a", "above_90"): {"h": (3.0, 2)},
        ("a", "above_99"): {"zz": (5.0, 1)},
    }
    assert found["a", "above_90"]["h"].error_pb == pytest.approx(5**0.5, rel=1e-5)
    with pytest.raises(UsageError, match=r"w\.root is of no process of two: .* h\?\.root, zz\*"):
        write_yields(tmp_path / "y.csv", search, {"a": own, "b": none}, origins, [Path("zz.root"), Path("w.root")])


def test_a_discovery_region_is_fitted_with_control_bins_and_less_anomalous_ones(search: Search) -> None:
    fitted = fitted_bins(search)
    assert fitted is not None
    assert [one.name for one in fitted.of_region(("a", "above_99"))] == [
        *("a_above_99", "a_below", "a_above_90", "b_below"),
    ]
    merged, *others = fitted.of_region(("a", "above_90"))
    assert [one.name for one in others] == ["a_below", "b_below"]
    assert merged.background["zz"] == (pytest.approx(45), pytest.approx(np.hypot(3, 1)))  # 100/fb of 4.5e-4 pb
    assert merged.background["h"] == (pytest.approx(10), pytest.approx(2))
    assert (merged.signal, merged.observed) == (1.0, None)


def test_a_signal_is_given_to_its_bins_and_has_limits_in_each_and_together(search: Search) -> None:
    at = scores_of(search)
    signal = {
        "a": events(search, "a", [at["below"], at["above_99"], at["above_99"], at["above_99"]], [1.0, 1.0, 1.0, 1.0]),
        "b": events(search, "b", [99.0], [1.0]),
    }
    measured = Measured(search, Sums(10, 10.0, 10.0), Sums(10, 10.0, 10.0), signal, {})
    yields = Yield(**YIELD)
    limits = limits_together(Inputs(measured, yields, None))
    found = {name: one.signal[0] for name, one in limits.channels.items()}
    assert found == {"a_below": 10, "a_above_90": 0, "a_above_99": 30, "b_below": 0, "b_above_50": 10}  # of 100 events
    assert {name for name, one in limits.channels.items() if one.result} == {"a_above_99", "b_above_50"}
    assert limits.channels["a_below"].reason.text == "a control bin, which is fitted with the others"
    assert limits.channels["a_above_90"].reason.text == "no signal event is in it"
    assert limits.channels["a_above_90"].background[0] == pytest.approx(50)
    few = [text for text in limits.warnings if "simulated events" in text]
    assert [text.partition(", and")[0] for text in few] == [
        "a_above_99: the signal rests on 3 simulated events",
        "b_above_50: the signal rests on 1 simulated events",
    ]
    kept = {region: measured.acceptance(region).events for region in ("discovery_bins", "above_50", "above_90")}
    assert kept == {"discovery_bins": 4, "above_50": 1, "above_90": 3}
    together, best = limits.combined.result, limits.channels["a_above_99"].result
    assert together.observed is None
    assert limits.combined.on_simulation
    assert together.expected[2] < best.expected[2] < limits.channels["b_above_50"].result.expected[2]
    (likelihood,) = likelihoods(SimpleNamespace(limits=limits, search=search), None)
    with numpy_backend(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of pyhf's use of jsonschema
        patched = pyhf.PatchSet(likelihood.patches).apply(pyhf.Workspace(likelihood.workspace), "signal")
        model = patched.model()
        theirs = PublishedExperiment(dict(patched))
    assert likelihood.workspace["channels"][0]["samples"][0]["name"] == "zz"
    assert theirs.signal_events == pytest.approx(50)
    assert set(model.config.channels) == set(limits.combined.channels)
    # About what five events of background +- 1 allow, of which 30 are signal at mu = 1.
    assert 30 * best.expected[2] == pytest.approx(6.2, abs=0.6)


def test_counts_give_a_discovery_table(search: Search, tmp_path: Path, run) -> None:
    counts = "category,bin,observed\na,below,400\na,above_90,50\na,above_99,17\nb,below,100\nb,above_50,20\n"
    (tmp_path / "counts.csv").write_text(counts)
    card = search.folder / "two.yaml"
    done = run(
        "discovery", "--analysis", card, "--data", tmp_path / "counts.csv", "--calculator", "asymptotic", "--json"
    )
    rows = {row["name"]: row for row in json.loads(done.stdout)["regions"]}
    assert {name: row["observed"] for name, row in rows.items()} == {
        "a_above_90": 67,
        "a_above_99": 17,
        "b_above_50": 20,
    }
    assert rows["a_above_99"]["background"] == pytest.approx(5, rel=0.02)
    assert rows["a_above_99"]["z"] == pytest.approx(
        3.65, abs=0.1
    )  # that of 17 on, 25 off and tau = 5, eq. 17 of Li, Ma
    assert rows["b_above_50"]["p0"] == 0.5
    for value in ("0", "-1", "nan"):
        refused = run("discovery", "--analysis", card, "--luminosity", value, code=2)
        assert "the luminosity is positive" in refused.stderr
    refused = run("reinterpret", tmp_path / "counts.csv", "--analysis", card, "--region", "above_90", code=2)
    assert "leave out --region" in refused.stderr
    assert rows["a_above_90"]["visible_cross_section_fb"] == pytest.approx(rows["a_above_90"]["s95_observed"] / 100)


def test_events_of_bins_without_simulation_count_in_the_regions_below(search: Search, tmp_path: Path) -> None:
    lines = YIELDS.splitlines()
    (tmp_path / "yields.csv").write_text("\n".join(line for line in lines if "above_99" not in line))
    text = "category,bin,observed\na,below,400\na,above_90,4\na,above_99,12\nb,below,100\nb,above_50,20\n"
    (tmp_path / "counts.csv").write_text(text)
    own = {**CARD["simultaneous"], "yields": "yields.csv", "observed": "counts.csv"}
    fewer = prepare_search(str(write(tmp_path, simultaneous=own)))
    fitted = fitted_bins(fewer)
    assert fitted.of_region(("a", "above_90"))[0].observed == 16
    assert fitted.of_region(("b", "above_50"))[0].observed == 20
    # A simultaneous fit does not use them, and says so.
    none = {name: events(fewer, name, [], []) for name in "ab"}
    inputs = Inputs(Measured(fewer, Sums(1, 1.0, 1.0), Sums(1, 1.0, 1.0), none, {}), Yield(**YIELD), None)
    assert limits_together(inputs).warnings[0].endswith("are not used: a_above_99 (12)")
    (tmp_path / "counts.csv").write_text(text.replace("a,above_99,12\n", ""))
    with pytest.raises(InputDataError, match="a_above_99 of two has no count"):
        fitted_bins(fewer)
    (tmp_path / "yields.csv").write_text("\n".join([*lines, lines[-1]]))
    with pytest.raises(InputDataError, match=r"line \d+: h of b, above_50 was there before"):
        read_yields(tmp_path / "yields.csv", fewer)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bin,observed\n", "the first line must be category,bin,observed"),
        ("category,bin,observed\na,above_50,3\n", "line 2: expected category,bin,observed of a bin of two"),
        ("category,bin,observed\na,below,-3\n", "line 2: expected events, not negative"),
        ("category,bin,observed\na,below,3\n", "a_above_90, a_above_99, b_below, b_above_50 of two has no count"),
    ],
)
def test_tables_that_do_not_fit_are_refused(search: Search, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "counts.csv").write_text(text)
    with pytest.raises(InputDataError, match=message):
        fitted_bins(search, tmp_path / "counts.csv")
    with pytest.raises(InputDataError, match=r"no_such\.csv: cannot be read"):
        read_counts(tmp_path / "no_such.csv", search)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regions": [*CARD["regions"], "discovery_bins"]}, "give another name"),
        ({"simultaneous": None}, "simultaneous and bins of categories go together"),
        ({"luminosity": None}, "bins need a luminosity"),
        ({"categories": [{**CARD["categories"][0], "bundle": None}], "regions": ["all"]}, "which regions does not"),
        ({"categories": [{**CARD["categories"][0], "bins": ["above_99", "above_90"]}]}, "must rise"),
        ({"categories": [{**CARD["categories"][0], "bins": ["above_7"]}]}, "which regions does not"),
        ({"simultaneous": {"processes": {"zz": {"files": ["z"], "free": True, "error": 0.1}}}}, "one of the two"),
        ({"simultaneous": {**CARD["simultaneous"], "yields": "../y.csv"}}, "below the card's own folder"),
    ],
)
def test_cards_whose_bins_make_no_sense_are_refused(tmp_path: Path, changes: dict, message: str) -> None:
    pytest.importorskip("zuko")
    with pytest.raises(CardError, match=message):
        prepare_search(str(write(tmp_path, **changes)))


def test_the_bundled_search_has_yields_for_its_bins_and_only_names_bundles_that_ship() -> None:
    pytest.importorskip("zuko")
    card, folder = load_search("atlas_2025_multilepton")
    assert (folder / card.simultaneous.yields).is_file()
    search = prepare_search("atlas_2025_multilepton")
    fitted = fitted_bins(search)
    assert [name for name, one in fitted.processes.items() if one.free] == ["zz"]
    total = sum(one.total for one in fitted.bins.values())
    assert total == pytest.approx(
        1000 * 140 * (0.00871 + 0.00035 + 7.78e-5 + 4.75e-5), rel=0.1
    )  # nearly all is selected
    table = read_yields(folder / card.simultaneous.yields, search)
    assert list(fitted.bins) == [one for one in fitted.every if one in table]
    assert all(sum(one.events for one in table[place].values()) > 0 for place in fitted.bins)
