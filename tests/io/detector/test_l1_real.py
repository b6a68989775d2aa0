"""Real Level-1 events of CMS, where they are: the inputs of AXOL1TL and CICADA that others made of their branches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt
import pytest
import uproot

from hepad.io.events import SOURCES

from ...level1_files import FIELDS, read

needs_real_events = pytest.mark.skipif("HEPAD_TEST_DATA" not in os.environ, reason="needs real events of CMS")


def real(name: str) -> Path:
    return Path(os.environ["HEPAD_TEST_DATA"]) / "l1_real" / name


def axol1tl(events: ak.Array, *, from_gev: bool) -> npt.NDArray[np.int64]:
    """The 57 inputs: MET, 4 e/gamma, 4 muons and 10 jets, pT halved."""
    rows = []
    for event in events.tolist():
        row = [inputs({"eta": 0, "hw_eta": 0, **event["met"]}, 1, from_gev)]
        for name, count in (("electrons", 4), ("muons", 4), ("jets", 10)):
            found = [inputs(one, 4 if name == "muons" else 1, from_gev) for one in event[name][:count]]
            row += found + [[0, 0, 0]] * (count - len(found))
        rows.append(np.ravel(row))
    return np.array(rows, dtype=np.int64)


def inputs(one: dict[str, Any], fine: int, from_gev: bool) -> list[int]:
    if not from_gev:
        return [one["hw_pt"] // 2, one["hw_eta"], one["hw_phi"]]
    turn = round(one["phi"] / (2 * np.pi / 144) * fine) % (144 * fine)
    return [(round(one["pt"] / 0.5) + (fine > 1)) // 2, round(one["eta"] / 0.0435 * fine), turn]


def regions(towers: ak.Array) -> npt.NDArray[np.int64]:
    """The (18, 14) regions of 4 x 4 towers of each event, by the towers' numbers and again by their places."""
    found = np.zeros((2, len(towers), 18, 14), dtype=np.int64)
    edges = np.array([0, 0.348, 0.696, 1.044, 1.392, 1.74, 2.172, 3.0])
    event = np.repeat(np.arange(len(towers)), ak.num(towers))
    ieta, iphi, iet, pt, eta, phi = (
        ak.to_numpy(ak.flatten(towers[name])) for name in ("ieta", "iphi", "iet", "pt", "eta", "phi")
    )
    near = abs(ieta) <= 28
    ring = (abs(ieta) - 1) // 4
    np.add.at(
        found[0],
        tuple(a[near] for a in (event, (iphi + 1) // 4 % 18, np.where(ieta > 0, 7 + ring, 6 - ring))),
        iet[near],
    )
    near = abs(eta) < 3
    ring = np.searchsorted(edges, abs(eta), side="right") - 1
    sector = np.floor((phi / (2 * np.pi) * 72 + 2) / 4).astype(int) % 18
    np.add.at(
        found[1],
        tuple(a[near] for a in (event, sector, np.where(eta > 0, 7 + ring, 6 - ring))),
        np.rint(2 * pt[near]).astype(int),
    )
    assert (found[0] == found[1]).all()
    return found[0]


EMULATED = {f"{n}=L1Emul{p}" for n, p in {"jets": "Jet", "electrons": "EG", "muons": "Mu", "met": "EtSum"}.items()}


@needs_real_events
@pytest.mark.parametrize(
    ("tag", "sources"), [("unp", {"towers=L1UnpackedCaloTower"}), ("emu", EMULATED | {"towers=L1EmulCaloTower"})]
)
def test_real_level1_nanoaod(tag: str, sources: set[str]) -> None:
    known = np.load(real("nano380963.npz"))
    events = read([real("L1NanoAOD_run380963_100events.root")], {**FIELDS, SOURCES: sources}, step_size=64)
    for from_gev in (False, True):
        assert np.array_equal(axol1tl(events, from_gev=from_gev), known[f"axo_in_{tag}"])
    assert np.array_equal(regions(events.towers), known[f"regions_{tag}"])


@needs_real_events
@pytest.mark.parametrize(
    ("name", "known", "tag", "trees"),
    [
        ("L1Ntuple_run320040_200events", "ntuple320040", "_unp", ("l1UpgradeTree", "l1CaloTowerTree")),
        ("L1Ntuple_run320040_200events", "ntuple320040", "_emu", ("l1UpgradeEmuTree", "l1CaloTowerEmuTree")),
        ("L1Ntuple_mc_1event_with_CICADA_input", "ntuple_mc1", "", ("l1UpgradeTree", "l1CaloTowerEmuTree")),
    ],
)
def test_real_level1_ntuples(name: str, known: str, tag: str, trees: tuple[str, str]) -> None:
    expected, path = np.load(real(f"{known}.npz")), real(f"{name}.root")
    sources = {f"{collection}={trees[0]}" for collection in ("jets", "electrons", "muons", "met")}
    events = read([path], {**FIELDS, SOURCES: sources | {f"towers={trees[1]}"}}, step_size=128)
    for from_gev in (False, True):
        assert np.array_equal(axol1tl(events, from_gev=from_gev), expected[f"axo_in{tag}"])
    assert np.array_equal(regions(events.towers), expected[f"regions{tag}"])
    with uproot.open(path) as file:
        tree = file["l1uGTTree/L1uGTTree"]
        decisions, place = tree["L1uGT/m_algoDecisionInitial"].array(), tree.aliases["L1_ZeroBias"]
    bits = read([path], {"trigger": {"L1_ZeroBias"}}).trigger["L1_ZeroBias"]
    assert bits.tolist() == decisions[:, int(place.split("[")[1][:-1])].tolist()


@needs_real_events
def test_bits_of_nanoaod_15() -> None:
    path = Path(os.environ["HEPAD_TEST_DATA"]) / "open-data" / "nano_tt_v15.root"
    bits = read([path], {"trigger": {"L1_AXO_Loose", "L1_CICADA_Tight"}}).trigger
    with uproot.open(path) as file:
        for name in bits.fields:
            assert bits[name].tolist() == file["Events"][name].array().tolist()
    assert sum(bits["L1_AXO_Loose"]) == 61
