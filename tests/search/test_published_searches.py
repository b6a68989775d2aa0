"""The published searches that are cards: what they select, and what their regions are made of."""

from __future__ import annotations

import math
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.bundles.bundle import load_bundle
from hepad.cards.bundle import BundleCard
from hepad.cards.search import load_search, located
from hepad.cards.selection import load_selection
from hepad.io.events import collection
from hepad.objects.selection import apply_selection
from hepad.pipeline.reinterpret.run import ReinterpretOptions, reinterpret
from hepad.search.events import Reading, SearchPart, search_parts
from hepad.search.search import prepare_search

TRIGGERS = {"cms_axol1tl": 57, "atlas_gelato_l1": 45}


def part_of(name: str, path: Path) -> SearchPart:
    (part,) = search_parts(Reading(sqrt_s_gev=13000).run([path], prepare_search(name)))
    return part


def cartesian(pt: float, eta: float, phi: float, mass: float) -> np.ndarray:
    p = np.array([pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)])
    return np.array([*p, math.sqrt(p @ p + mass**2)])


def dijet_mass(jets: list[tuple[float, float, float, float]]) -> float | None:
    """The wide-jet mass of an event that the CMS dijet selection keeps, one jet at a time."""

    def distance(a: tuple[float, ...], b: tuple[float, ...]) -> float:
        return math.hypot(a[1] - b[1], math.remainder(a[2] - b[2], 2 * math.pi))

    kept = sorted((j for j in jets if j[0] > 30 and abs(j[1]) < 2.5), key=lambda j: -j[0])
    if len(kept) < 2 or kept[0][0] <= 60:
        return None
    wide = [np.zeros(4), np.zeros(4)]
    for j in kept:
        nearest = min((0, 1), key=lambda k: distance(j, kept[k]))
        if distance(j, kept[nearest]) < 1.1:
            wide[nearest] += cartesian(*j)
    etas = [math.asinh(p[2] / math.hypot(p[0], p[1])) for p in wide]
    total = wide[0] + wide[1]
    mass = math.sqrt(total[3] ** 2 - total[:3] @ total[:3])
    return mass if abs(etas[0] - etas[1]) < 1.1 and max(map(abs, etas)) < 2.5 and mass > 1500 else None


def test_the_dijet_search_keeps_what_a_loop_over_jets_keeps(examples: Path) -> None:
    path = examples / "wprime_xy_3p5tev.root"
    with uproot.open(path) as file:
        names = [f"Jet.{leaf}" for leaf in ("PT", "Eta", "Phi", "Mass")]
        columns = [file["Delphes"][name].array().tolist() for name in names]
    masses = [dijet_mass(list(zip(*event, strict=True))) for event in zip(*columns, strict=True)]
    found = part_of("cms_2019_dijet", path)
    assert str(found.flows["signal_region"]) == (
        "all events 400, two jets 400, two wide jets 400, close in eta 270, mass above 1.5 TeV 261"
    )
    events = found.events["signal_region"]
    assert events.row.tolist() == [i for i, mass in enumerate(masses) if mass is not None]
    np.testing.assert_allclose(events.masses["jj"], [m for m in masses if m is not None], rtol=1e-5)


def test_the_dijet_spectrum_is_that_of_the_record() -> None:
    card, folder = load_search("cms_2019_dijet")
    observed = card.channels["jj"].observed
    assert observed is not None
    low, high, events = np.loadtxt(folder / observed, delimiter=",", skiprows=1, unpack=True)
    np.testing.assert_array_equal(low[1:], high[:-1])
    assert (low[0], high[-1], len(events), events[0], events[-1]) == (1530, 8752, 42, 1580502, 1)


def random_leptons(n: int) -> ak.Array:
    """Events of four or five leptons and up to two jets; many pairs are from Z bosons."""
    rng = np.random.default_rng(5)
    record = {"weight": np.ones(n), "index": np.arange(n)}
    muons = rng.integers(0, 5, n)
    counts = {"muons": muons, "electrons": rng.integers(4, 6, n) - muons, "jets": rng.integers(0, 3, n)}
    for name, number in counts.items():
        total = int(number.sum())
        columns = {
            "pt": rng.choice([45.594, 30.0], total),  # two back to back of the first weigh what the Z boson does
            "eta": np.zeros(total),
            "phi": rng.choice([0.0, np.pi, 1.0], total),
            "mass": np.zeros(total),
            **({"btag": rng.random(total) < 0.3} if name == "jets" else {"charge": rng.choice([-1, 1], total)}),
        }
        record[name] = collection(np.concatenate([[0], np.cumsum(number)]), columns)
    return ak.zip(record, depth_limit=1)


def test_an_event_of_four_leptons_without_charge_is_in_one_category() -> None:
    card, folder = load_search("atlas_2025_multilepton")
    selections = [load_selection(located(folder, "selections", category.selection)) for category in card.categories]
    assert [selection.name for selection in selections] == [category.name for category in card.categories]
    events = random_leptons(3000)
    inside = {selection.name: apply_selection(events, selection)[1] for selection in selections}
    assert all(mask.any() for mask in inside.values())
    number = np.sum(list(inside.values()), axis=0)
    leptons = ak.to_numpy(ak.num(events.electrons) + ak.num(events.muons))
    charge = ak.to_numpy(ak.sum(events.electrons.charge, axis=1) + ak.sum(events.muons.charge, axis=1))
    assert (number[(leptons == 4) & np.isin(charge, [-2, 0, 2])] == 1).all()
    assert (number[(leptons == 4) & (np.abs(charge) == 4)] == 0).all()
    assert (number[leptons == 5] <= 1).all()


@pytest.mark.parametrize(("name", "inputs"), TRIGGERS.items())
def test_a_trigger_has_the_inputs_of_its_reference_and_regions_on_enough_events(name: str, inputs: int) -> None:
    (category,) = prepare_search(name).categories
    assert category.bundle is not None
    card: BundleCard = category.bundle.card
    assert len(card.columns) == inputs
    assert card.selection == category.selection
    assert "not " in card.fidelity_note
    for region in card.regions.values():
        assert region.efficiency is not None
        assert region.efficiency * region.calibration_events > 10
        assert region.spec.input_rate_khz == pytest.approx(37709 * 0.02e-3, rel=1e-3)  # pb times 1/pb/ms


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_trigger_accepts_more_at_a_higher_rate_and_sets_no_limit(name: str, data: Path) -> None:
    result = reinterpret([str(data / "hpm_taunu_0.root")], name).to_json()
    accepted = {region: found["events"] for region, found in result["acceptance"].items()}
    assert list(accepted) == ["all", "rate_50hz", "rate_5hz"]
    assert accepted["all"] == 680 > accepted["rate_50hz"] >= accepted["rate_5hz"]
    assert accepted["rate_50hz"] > 0
    assert result["acceptance"]["rate_50hz"]["model_error"] is not None
    assert result["verdict"]["status"] == "cannot say"


@pytest.mark.parametrize(("cross_section", "verdict"), [(0.1, "excluded"), (1e-4, "not excluded")])
def test_the_dijet_search_gives_an_observed_limit(cross_section: float, verdict: str, examples: Path) -> None:
    options = ReinterpretOptions(cross_section_pb=cross_section)
    result = reinterpret([str(examples / "wprime_xy_3p5tev.root")], "cms_2019_dijet", options=options).to_json()
    assert result["acceptance"]["all"]["value"] == pytest.approx(261 / 400)
    channel = result["channels"]["jj"]
    assert channel["observed_events"] == 6557852
    lowest, *_, highest = channel["limit_pb_expected_band"]
    assert lowest < channel["limit_pb_observed"] < highest
    # As large as the statistical error of the data below the peak: 90 000 events from 2895 to 3854 GeV are 300 events,
    # twice that at 95 % CL, with a signal efficiency near 0.5 there; the free background costs a factor of a few.
    assert 0.003 < channel["limit_pb_expected"] < 0.03
    assert result["verdict"]["status"] == verdict
    assert result["verdict"]["basis"] == "observed"


def test_the_multilepton_search_gives_acceptances_by_category(data: Path) -> None:
    pytest.importorskip("zuko")
    result = reinterpret([str(data / "hpm_taunu_0.root")], "atlas_2025_multilepton").to_json()
    assert len(result["acceptance"]["all"]["categories"]) == 9
    assert result["acceptance"]["all"]["upper_95"] < 0.02
    assert result["verdict"]["status"] == "cannot say"


def test_generators_know_the_charges_that_the_multilepton_search_asks_for(tmp_path: Path) -> None:
    """Pairs of Z bosons at rest: e- e+ mu- mu+ are two of them, e- e- mu+ mu+ are none, and no such pair at all."""
    for package in ("pythia8mc", "fastjet", "zuko"):
        pytest.importorskip(package)
    energy = 91.1876 / 2
    axes = np.array([[0.6, 0.8, 0.0], [-0.6, -0.8, 0.0], [0.48, -0.64, 0.6], [-0.48, 0.64, -0.6]]) * energy
    made = {(11, -11, 13, -13): 40, (11, 11, -13, -13): 20}
    lines = ["<LesHouchesEvents version='1.0'><init>", "2212 2212 6500 6500 0 0 0 0 3 1", "1. 0. 1. 1", "</init>"]
    for leptons, number in made.items():
        rows = [f"{2 * s} -1 0 0 {c} 0 0 {s * 2 * energy} {2 * energy} 0 0 9" for s, c in ((1, "101 0"), (-1, "0 101"))]
        rows += [f"{p} 1 1 2 0 0 {x} {y} {z} {energy} 0 0 9" for p, (x, y, z) in zip(leptons, axes, strict=True)]
        lines += ["\n".join(["<event>", "6 1 1. 91. 0.0078 0.12", *rows, "</event>"])] * number
    (tmp_path / "zz.lhe").write_text("\n".join([*lines, "</LesHouchesEvents>"]))
    result = reinterpret([str(tmp_path / "zz.lhe")], "atlas_2025_multilepton").to_json()
    found = {name: c["events"] for name, c in result["acceptance"]["all"]["categories"].items() if c["events"]}
    assert found.keys() == {"q0_0z_0sfos", "q0_2z"}  # nothing is in a wrong category; isolation loses a third
    assert 8 <= found["q0_0z_0sfos"] <= 20
    assert 20 <= found["q0_2z"] <= 40


@pytest.mark.parametrize("name", ["axol1tl_v3", "gelato_l1_vae"])
def test_the_bundles_of_triggers_are_small(name: str) -> None:
    assert sum(file.stat().st_size for file in load_bundle(name).path.iterdir()) < 300_000
